"""Finished renders that no client has confirmed to have stored, kept in the worker's cache folder.

So a finished render is not lost if the client is killed before it has stored the result, or the worker before it has
sent it: when the same key is requested again, a worker on that machine returns the result from the outbox. The client's
`Confirmations` name the results that the workers may delete.
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

_MAX_AGE = 24 * 3600.0  # seconds that an unconfirmed result is kept
_MAX_BYTES = 256 * 2**20  # of all results; the oldest are deleted first
_CONFIRM_EVERY = 2.0  # seconds
_LAST_CONFIRMATION = 2.0  # seconds to wait for the workers' answers before the connection is closed


class Outbox:
    """Finished renders by key, shared by the workers of one machine and cache folder."""

    def __init__(self) -> None:
        self._folder = cache_dir() / "outbox"

    def keep(self, key: str, blob: bytes) -> None:
        """Keep a result until it is confirmed; one that cannot be written is not kept, which is logged."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(blob))
            write_whole(self._folder / key, blob, durable=False)
        except (OSError, OutputFailed) as error:
            logger.warning("A finished render is not kept until it is stored: %s", error)

    def find(self, key: str) -> bytes | None:
        """The result of that key with its seal checked; None if it is not kept here."""
        from c3dvis.results import RenderResult

        try:
            blob = (self._folder / key).read_bytes()
            if RenderResult.from_bytes(blob).key == key:
                return blob
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("A finished render cannot be read, and is rendered again: %s", error)
            return None
        except ResultDamaged as error:
            logger.warning("A finished render was damaged before it was stored, and is rendered again: %s", error)
        self.delete([key])
        return None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete results; a key that is not kept here is ignored."""
        for key in keys:
            (self._folder / key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all results. Raises StoreError if the folder cannot be written."""
        try:
            self.delete([path.name for path in self._files()])
        except OSError as error:
            raise write_error("finished renders could not be removed", self._folder, error) from error

    def _files(self) -> list[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []

    def _make_room(self, size: int) -> None:
        """Delete results that are too old, and the oldest ones that a result of `size` bytes leaves no room for."""
        total = size
        for written, file_size, path in sorted(_stat_all(self._files()), reverse=True):
            total += file_size
            if total > _MAX_BYTES or time.time() - written > _MAX_AGE:
                path.unlink(missing_ok=True)


def _stat_all(paths: Iterable[Path]) -> Iterable[tuple[float, int, Path]]:
    """(time of writing, bytes, path) of each file that still exists."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # another worker with this folder has deleted it meanwhile
            stat = path.stat()
            yield stat.st_mtime, stat.st_size, path


def confirm(keys: list[str]) -> None:
    """Run on a worker by a client that has stored these results."""
    Outbox().delete(keys)


class Confirmations:
    """The client's list of results that it has stored and not confirmed yet, by worker."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = {}
        self._sent = time.monotonic()
        self._sending: set[asyncio.Task[None]] = set()

    def add(self, worker: str, key: str) -> None:
        """A result of that worker is stored."""
        self._keys.setdefault(worker, []).append(key)

    def send(self, client: "Client", workers: Collection[str]) -> None:
        """Confirm the latest results, at most every two seconds and without waiting for the workers' answers."""
        if time.monotonic() - self._sent >= _CONFIRM_EVERY:
            self._send(client, workers)

    async def finish(self, client: "Client", workers: Collection[str]) -> None:
        """Confirm the rest, and wait at most two seconds for the answers."""
        self._send(client, workers)
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=_LAST_CONFIRMATION)
            for task in late:
                task.cancel()

    def _send(self, client: "Client", workers: Collection[str]) -> None:
        for worker, keys in self._keys.items():  # of a lost worker, to all others: some may share its folder
            task = asyncio.create_task(_confirm_at(client, [worker] if worker in workers else list(workers), keys))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        self._keys, self._sent = {}, time.monotonic()


async def _confirm_at(client: "Client", workers: list[str], keys: list[str]) -> None:
    """A call for each worker, since the call to a worker that has just ended returns only after a while."""
    try:
        await client.run(confirm, keys, workers=workers, on_error="ignore")  # type: ignore[misc]
    except OSError as error:
        logger.info("Workers did not get the confirmation of stored results: %s", error)
