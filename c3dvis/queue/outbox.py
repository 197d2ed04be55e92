"""What a worker has rendered and no asking side has yet confirmed to hold, in the worker's own cache folder.

A render that is done is worth keeping though the program that asked is killed before it has stored it, or the worker
before it has sent it: whoever asks next for the same key gets it from here, as long as it asks this machine. The
asking side's `Receipts` tell the workers what may go.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from c3dvis.errors import OutputFailed, ResultDamaged
from c3dvis.files import write_whole
from c3dvis.results.store_errors import write_error
from c3dvis.settings import cache_dir

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_LONGEST = 24 * 3600.0  # seconds that an unconfirmed result stays
_LARGEST = 256 * 2**20  # bytes of all together; the oldest go first
_CONFIRM_EVERY = 2.0  # seconds
_FAREWELL = 2.0  # seconds to wait for workers that are told for the last time


class Outbox:
    """Finished renders by key, shared by the workers of one machine and cache folder."""

    def __init__(self) -> None:
        self._folder = cache_dir() / "outbox"

    def keep(self, key: str, blob: bytes) -> None:
        """Hold a result until it is confirmed; one that cannot be written is not held, which is logged."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(blob))
            write_whole(self._folder / key, blob, durable=False)
        except (OSError, OutputFailed) as error:
            logger.warning("A finished render is not kept until it is stored: %s", error)

    def find(self, key: str) -> bytes | None:
        """The result of that key, whole; None if it is not held."""
        from c3dvis.results import RenderResult

        path = self._folder / key
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("A finished render cannot be read, and is rendered again: %s", error)
            return None
        try:
            if RenderResult.from_bytes(blob).key == key:
                return blob
        except ResultDamaged as error:
            logger.warning("A finished render was damaged before it was stored, and is rendered again: %s", error)
        self.forget([key])
        return None

    def forget(self, keys: Iterable[str]) -> None:
        """Let go of results."""
        for key in keys:
            (self._folder / key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Let go of all. Raises StoreError if the folder cannot be written."""
        try:
            self.forget([path.name for path in self._held()])
        except OSError as error:
            raise write_error("finished renders could not be removed", self._folder, error) from error

    def _held(self) -> list[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []

    def _make_room(self, size: int) -> None:
        """Remove what is too old, and the oldest beyond what all may weigh with another of that size."""
        kept = size
        for about, path in sorted(_about_each(self._held()), reverse=True):
            written, weight = about
            kept += weight
            if kept > _LARGEST or time.time() - written > _LONGEST:
                path.unlink(missing_ok=True)


def _about_each(paths: Iterable[Path]) -> Iterable[tuple[tuple[float, int], Path]]:
    """((when written, bytes), path) of each that is still there."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # confirmed meanwhile, to another worker of this folder
            about = path.stat()
            yield (about.st_mtime, about.st_size), path


def confirm(keys: list[str]) -> None:
    """What an asking side has run on a worker once it holds these results."""
    Outbox().forget(keys)


class Receipts:
    """The asking side's list of what it holds and has not confirmed yet, by worker."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = {}
        self._sent = time.monotonic()
        self._telling: set[asyncio.Task[None]] = set()

    def add(self, worker: str, key: str) -> None:
        """A result of that worker is taken."""
        self._keys.setdefault(worker, []).append(key)

    def send(self, client: "Client", workers: Collection[str]) -> None:
        """Confirm what has come, every other second, without waiting for the workers; those there are."""
        if time.monotonic() - self._sent >= _CONFIRM_EVERY:
            self._send(client, workers)

    async def finish(self, client: "Client", workers: Collection[str]) -> None:
        """Confirm the rest, and wait for that, if not for long."""
        self._send(client, workers)
        if self._telling:
            _, late = await asyncio.wait(self._telling, timeout=_FAREWELL)
            for task in late:
                task.cancel()

    def _send(self, client: "Client", workers: Collection[str]) -> None:
        for worker, keys in self._keys.items():  # in place of one that is gone all are told: some may share its folder
            task = asyncio.create_task(_tell(client, [worker] if worker in workers else list(workers), keys))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        self._keys, self._sent = {}, time.monotonic()


async def _tell(client: "Client", workers: list[str], keys: list[str]) -> None:
    """Apart from what goes to others, since a worker that has just gone does not answer for a while."""
    try:
        await client.run(confirm, keys, workers=workers, on_error="ignore")  # type: ignore[misc]
    except OSError as error:
        logger.info("Workers were not told what is stored: %s", error)
