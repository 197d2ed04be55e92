"""Subclasses of diskcache that store text keys and bytes, one file per entry, and no pickles.

diskcache pickles values of other types and loads pickles found in its folder (CVE-2025-69872). These subclasses refuse
both.
"""

import contextlib
import re
import secrets
from pathlib import Path
from typing import Any, cast

import diskcache
from diskcache.core import MODE_BINARY, UNKNOWN

_FILE_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})-[0-9a-f]{8}\.h5")
_WRITE_ATTEMPTS = 10

WAIT_SECONDS = 10
"""How long to wait for another process that is writing."""


class PickleRefused(Exception):
    """A key that is not text, or a value that is not bytes, was to be stored or was found."""


class BlobDisk(diskcache.Disk):
    """Text keys and bytes only; an entry is the file `<2 hex>/<key>-<8 hex>.h5`, which people can open."""

    _last_written: Path | None = None

    def put(self, key: Any) -> tuple[str, bool]:
        if type(key) is not str:
            raise PickleRefused(f"Only text can be a key. Received: {type(key).__name__}.")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        if not raw or type(key) is not str:
            raise PickleRefused("The index has a key that is not text; it was not read.")
        return key

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[int, int, str, None]:
        if read or type(value) is not bytes:
            raise PickleRefused(f"Only bytes can be stored. Received: {type(value).__name__}.")
        # A new name for every write: readers get the entry's old file until the new one is complete.
        name = f"{key[:2]}/{key}-{secrets.token_hex(4)}.h5"
        path = Path(self._directory, name)
        self._last_written = path
        for attempt in range(_WRITE_ATTEMPTS):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                path.write_bytes(value)
                break
            except FileNotFoundError:
                # Another process removed the last entry in that folder, and the folder with it.
                if attempt == _WRITE_ATTEMPTS - 1:
                    raise
        return len(value), MODE_BINARY, name, None

    def discard_last(self) -> None:
        """Delete the file written last: it is incomplete, or the index could not be changed."""
        if self._last_written is not None:
            with contextlib.suppress(OSError):
                self._last_written.unlink()

    def remove(self, file_path: Any) -> None:
        # A manipulated index may name any file: only files with the name of an entry are deleted.
        if key_of(file_path) is not None:
            super().remove(file_path)

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:
        if read or mode != MODE_BINARY or key_of(filename) is None:
            raise PickleRefused("The index has an entry that is not a file of bytes; it was not read.")
        return Path(self._directory, filename).read_bytes()


def key_of(name: Any) -> str | None:
    """The key in an entry's file name, which is relative to the folder; None for any other name."""
    match = _FILE_NAME.fullmatch(name) if isinstance(name, str) else None
    return match[1] if match else None


class BlobCache(diskcache.Cache):
    """A diskcache that never evicts by itself (it would, ten at a time) and waits for a lock at most 10 s."""

    def __init__(self, directory: Path | str) -> None:
        try:
            super().__init__(
                str(directory),
                timeout=WAIT_SECONDS,
                disk=BlobDisk,
                eviction_policy="none",
                cull_limit=0,
                # A write-ahead log cannot be read in a read-only folder; a plain journal can.
                sqlite_journal_mode="delete",
                sqlite_synchronous=2,
                sqlite_mmap_size=0,
            )
        except BaseException:
            self.close()
            raise

    def set_or_discard(self, key: str, data: bytes) -> None:
        """Store an entry; after an error no part of it is left on disk. Raises as `set` does."""
        try:
            self.set(key, data)
        except BaseException:
            self.disk.discard_last()
            raise

    @property
    def disk(self) -> BlobDisk:
        """The disk, with its type."""
        return cast(BlobDisk, super().disk)
