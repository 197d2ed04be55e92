"""`BlobFolder`: sealed blobs by key in one folder, with diskcache as the index and a size limit.

Reading never writes to the index: the modification time of an entry's file records when the entry was last used. This
module checks the seal (the checksum) of the blobs and is independent of their contents.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import diskcache

from c3dvis.errors import ResultDamaged, StoreError
from c3dvis.results import damage_repair as repair
from c3dvis.results import pins
from c3dvis.results.diskcache_entries import BlobCache
from c3dvis.results.diskcache_index import Entry, Index, IndexDamaged
from c3dvis.results.result_file import check_seal
from c3dvis.results.store_errors import read_error, write_error

_log = logging.getLogger(__name__)
_WRITE_ERRORS = (OSError, sqlite3.Error, diskcache.Timeout)
_READ_ATTEMPTS = 5
_CLOCK_TOLERANCE = 60.0  # seconds between the clocks of this machine and of a file server
Answer = TypeVar("Answer")


class BlobFolder:
    """Blobs by key; safe for several threads and processes at once.

    Arguments:
        path: the folder; the first write creates it, readable by its owner alone.
        size_limit: bytes above which the least recently used entries are deleted, but no pinned one.
    """

    def __init__(self, path: Path, size_limit: int) -> None:
        self.path = path
        self.size_limit = size_limit
        self._index = Index(path)
        self._cache: BlobCache | None = None
        self._lock = threading.RLock()

    def entries(self) -> list[Entry]:
        """Every entry, by key. Raises StoreError if the folder cannot be read."""
        return self._query(self._index.entries)

    def totals(self) -> tuple[int, int]:
        """How many entries there are, and their bytes. Raises StoreError if the folder cannot be read."""
        return self._query(self._index.totals)

    def find(self, key: str) -> Entry | None:
        """The entry of that key, or None, also when the folder cannot be read (logged)."""
        return next(iter(self.find_all((key,))), None)

    def find_all(self, keys: Sequence[str]) -> list[Entry]:
        """Those of the keys' entries that exist; none when the folder cannot be read (logged)."""
        try:
            return self._query(lambda: self._index.find(*keys))
        except StoreError as error:
            _log.warning("%s", error)
            return []

    def _query(self, query: Callable[[], Answer]) -> Answer:
        """The answer of the index, which is rebuilt first if it is damaged."""
        try:
            try:
                return query()
            except IndexDamaged:
                self.repair()
                return query()
        except (*_WRITE_ERRORS, IndexDamaged) as error:
            raise read_error(self.path, error) from error

    def read(self, key: str) -> tuple[Entry, bytes] | None:
        """An entry and the bytes of its file, unchecked, or None if there is no such entry.

        Raises:
            OSError: the entry's file does not exist or cannot be read.
        """
        attempt = 1
        while entry := self.find(key):
            try:
                return entry, (self.path / entry.name).read_bytes()
            except FileNotFoundError as error:
                # Another process may have replaced the entry between look-up and reading.
                if attempt == _READ_ATTEMPTS:
                    self.quarantine(entry, error)
                    raise
                attempt += 1
        return None

    def touch(self, entry: Entry) -> None:
        """Mark an entry as just used; a read-only folder needs no mark, since nothing is evicted from it."""
        with contextlib.suppress(OSError):
            os.utime(self.path / entry.name)

    def pinned(self) -> set[str]:
        """Keys of the entries that are never deleted."""
        return pins.pinned(self.path)

    def pin(self, keys: Iterable[str]) -> None:
        """Pin entries. Raises StoreError if the folder cannot be written."""
        self._change_pins(pins.pin, keys)

    def unpin(self, keys: Iterable[str]) -> None:
        """Remove pins. Raises StoreError if the folder cannot be written."""
        self._change_pins(pins.unpin, keys)

    def _change_pins(self, change: Callable[[Path, Iterable[str]], None], keys: Iterable[str]) -> None:
        try:
            change(self.path, keys)
        except OSError as error:
            raise write_error("pins could not be changed", self.path, error) from error

    def write(self, key: str, data: bytes) -> list[str]:
        """Store a blob, replacing an earlier one; above the limit, the least recently used entries are deleted.

        Returns:
            Keys of the deleted entries.

        Raises:
            StoreError: it could not be stored; everything stored before is unchanged.
        """
        with self._lock:
            try:
                try:
                    evicted = self._write(key, data)
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                    self.close()
                    self.repair()
                    evicted = self._write(key, data)
                repair.remove_from_quarantine(self.path, key)
                return evicted
            except (*_WRITE_ERRORS, IndexDamaged) as error:
                raise write_error("result could not be stored", self.path, error) from error

    def quarantine(self, entry: Entry, reason: object) -> None:
        """Move a damaged entry out of the index and the folder, unless another process has replaced it meanwhile."""
        _log.warning("The stored result %s is damaged and counts as not stored: %s", entry.key, reason)
        with contextlib.suppress(*_WRITE_ERRORS, IndexDamaged), self._lock, self._writing() as cache, cache.transact():
            if self._index.find(entry.key) == [entry]:
                repair.quarantine_entry(self.path, entry.key, self.path / entry.name)
                cache.delete(entry.key)

    def quarantined_keys(self) -> list[str]:
        """Keys of damaged entries that have not been stored again since."""
        return repair.quarantined_keys(self.path)

    def repair(self) -> None:
        """Rebuild the index if it is damaged, and add intact files that it does not list.

        Raises:
            OSError, sqlite3.Error, diskcache.Timeout: the folder cannot be written.
        """
        if not self.path.exists():
            return
        with self._lock, repair.repair_lock(self.path):
            min_age = repair.UNINDEXED_AGE
            try:
                self._index.check()
            except IndexDamaged as error:
                _log.warning("%s It is rebuilt from the stored results.", error)
                self.close()
                repair.quarantine_index(self.path)
                min_age = 0
            indexed = {entry.name for entry in self._index.entries()}
            for key, file in repair.unindexed_files(self.path, indexed, min_age):
                self._add_file(key, file)

    def clear(self) -> int:
        """Delete everything that is not pinned; returns how much that was.

        Raises:
            StoreError: the folder cannot be written.
        """
        with self._lock:
            try:
                if not self.path.exists():
                    return 0
                # Files first: on a full disk that frees the space that a change of the index needs.
                kept = self.pinned()
                found = repair.unindexed_files(self.path, indexed=(), min_age=0)
                files = [file for key, file in found if key not in kept]
                for file in files:
                    file.unlink(missing_ok=True)
                shutil.rmtree(repair.quarantine(self.path), ignore_errors=True)
                try:
                    with self._writing() as cache, cache.transact():
                        for key in {entry.key for entry in self._index.entries()} - kept:
                            cache.delete(key)
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                    self.close()
                    self.repair()
            except (*_WRITE_ERRORS, IndexDamaged) as error:
                raise write_error("cache could not be emptied", self.path, error) from error
            return len(files)

    def close(self) -> None:
        """Close the index; it is opened again when needed."""
        with self._lock:
            if self._cache is not None:
                self._cache.close()
                self._cache = None

    def _write(self, key: str, data: bytes) -> list[str]:
        evicted: list[str] = []
        with self._writing() as cache:
            cache.set_or_discard(key, data)
            try:
                for victim in self._evict(cache, keep=key):
                    evicted.append(victim)
            except (*_WRITE_ERRORS, IndexDamaged) as error:
                _log.warning("The cache in %s is above its limit and could not be emptied: %s", self.path, error)
        return evicted

    def _evict(self, cache: BlobCache, keep: str) -> Iterator[str]:
        excess = cache.volume() - self.size_limit
        if excess <= 0:
            return
        kept = self.pinned() | {keep}
        for entry in sorted(self._index.entries(), key=self._last_used):
            if entry.key not in kept:
                cache.delete(entry.key)
                excess -= entry.size
                yield entry.key
            if excess <= 0:
                return

    def _last_used(self, entry: Entry) -> tuple[bool, float]:
        """Sorts entries by their last use; a use in the future was before the clock was set back."""
        try:
            used = (self.path / entry.name).stat().st_mtime
        except OSError:
            return False, 0.0
        return used <= time.time() + _CLOCK_TOLERANCE, used

    def _add_file(self, key: str, file: Path) -> None:
        """Store an unindexed file as an entry if its seal is intact, else quarantine it."""
        data = file.read_bytes()
        try:
            check_seal(data)
        except ResultDamaged as error:
            if repair.age(file) >= repair.UNINDEXED_AGE:  # a younger one may be an unfinished write
                _log.warning("The file %s is damaged and was set aside: %s", file, error)
                repair.quarantine_entry(self.path, key, file)
            return
        if not self._index.find(key):
            with self._writing() as cache:
                cache.set_or_discard(key, data)
        file.unlink(missing_ok=True)

    def _keep_private(self) -> None:
        """Take all rights away from other users, and leave the owner's rights as they are."""
        mode = self.path.stat().st_mode
        if mode & 0o077:
            try:
                self.path.chmod(mode & 0o700)
            except OSError as error:
                _log.warning("Others may enter the cache folder %s: %s", self.path, error)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[BlobCache]:
        """The diskcache; this thread's connection is closed after use, since it would outlive the thread."""
        if self._cache is None or not self._index.file.exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keep_private()
            self._cache = BlobCache(self.path)
        try:
            yield self._cache
        finally:
            self._cache.close()


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the index is damaged (no database, or no tables), rather than the disk full or the file locked."""
    return not isinstance(error, sqlite3.OperationalError) or "no such table" in str(error)
