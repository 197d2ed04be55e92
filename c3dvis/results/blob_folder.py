"""`Folder`: sealed blobs by key in one folder, with diskcache as the index and a size limit.

Reading never writes to the index: how recently an entry was used stands in its file's modification time.
Knows bytes and their seal, and nothing of what they hold.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import diskcache

from c3dvis.errors import ResultDamaged, StoreError
from c3dvis.results import repair
from c3dvis.results.diskcache_entries import BlobCache
from c3dvis.results.diskcache_index import Entry, Index, IndexDamaged
from c3dvis.results.result_file import check_seal
from c3dvis.results.store_errors import cannot_read, cannot_write

_log = logging.getLogger(__name__)
_WRITE_ERRORS = (OSError, sqlite3.Error, diskcache.Timeout)
_READ_ATTEMPTS = 5
Answer = TypeVar("Answer")


class Folder:
    """Blobs by key, for several threads and processes at once.

    Arguments:
        path: the folder; it is made when something is first written, for its owner alone.
        size_limit: bytes above which the least recently used entries go.
    """

    def __init__(self, path: Path, size_limit: int) -> None:
        self.path = path
        self.size_limit = size_limit
        self._index = Index(path)
        self._cache: BlobCache | None = None
        self._lock = threading.RLock()

    def entries(self) -> list[Entry]:
        """Every entry, by key. Raises StoreError if the folder cannot be read."""
        return self._listed(self._index.entries)

    def totals(self) -> tuple[int, int]:
        """How many entries there are, and their bytes. Raises StoreError if the folder cannot be read."""
        return self._listed(self._index.totals)

    def find(self, key: str) -> Entry | None:
        """The entry of that key, or None, also when the folder cannot be read (logged)."""
        found = self.find_all((key,))
        return found[0] if found else None

    def find_all(self, keys: Sequence[str]) -> list[Entry]:
        """The entries of those keys that there are; none when the folder cannot be read (logged)."""
        try:
            return self._listed(lambda: self._index.find(*keys))
        except StoreError as error:
            _log.warning("%s", error)
            return []

    def _listed(self, ask: Callable[[], Answer]) -> Answer:
        """What the index answers, built anew first if it is damaged."""
        try:
            try:
                return ask()
            except IndexDamaged:
                self.mend()
                return ask()
        except (*_WRITE_ERRORS, IndexDamaged) as error:
            raise cannot_read(self.path, error) from error

    def read(self, key: str) -> tuple[Entry, bytes] | None:
        """An entry and its bytes as they lie there, or None if there is no such entry.

        Raises:
            OSError: there is one, and its file is gone or cannot be read.
        """
        attempt = 1
        while entry := self.find(key):
            try:
                return entry, (self.path / entry.name).read_bytes()
            except FileNotFoundError as error:
                # It may just have been replaced between look-up and reading.
                if attempt == _READ_ATTEMPTS:
                    self.set_aside(entry, error)
                    raise
                attempt += 1
        return None

    def touch(self, entry: Entry) -> None:
        """Mark an entry as just used; a folder that cannot be written will not evict it either."""
        with contextlib.suppress(OSError):
            os.utime(self.path / entry.name)

    def write(self, key: str, data: bytes) -> list[str]:
        """Store a blob in the place of an earlier one; beyond the limit, the least recently used entries go.

        Returns:
            Keys of those that went.

        Raises:
            StoreError: it could not be stored; everything stored before is untouched.
        """
        with self._lock:
            try:
                try:
                    gone = self._write(key, data)
                except sqlite3.DatabaseError as error:
                    if not _tells_of_damage(error):
                        raise
                    self.close()
                    self.mend()
                    gone = self._write(key, data)
                repair.forget_aside(self.path, key)
                return gone
            except (*_WRITE_ERRORS, IndexDamaged) as error:
                raise cannot_write("result could not be stored", self.path, error) from error

    def set_aside(self, entry: Entry, why: object) -> None:
        """Take a damaged entry out of the index and out of the way, unless it has been replaced meanwhile."""
        _log.warning("The stored result %s is damaged and counts as not stored: %s", entry.key, why)
        with (
            contextlib.suppress(*_WRITE_ERRORS, IndexDamaged),
            self._lock,
            self._writing() as cache,
            cache.transact(),
        ):
            if self._index.find(entry.key) == [entry]:
                repair.move_aside(self.path, entry.key, self.path / entry.name)
                cache.delete(entry.key)

    def keys_aside(self) -> list[str]:
        """Keys of damaged entries that were set aside and not stored again since."""
        return repair.keys_aside(self.path)

    def mend(self) -> None:
        """Build the index anew if it is damaged, and take in whole files that it has long not known.

        Raises:
            OSError, sqlite3.Error, diskcache.Timeout: the folder cannot be written.
        """
        if not self.path.exists():
            return
        with self._lock, repair.alone(self.path):
            min_age = repair.STRAY_AGE
            try:
                self._index.check()
            except IndexDamaged as error:
                _log.warning("%s It is built anew from the stored results.", error)
                self.close()
                repair.move_index_aside(self.path)
                min_age = 0
            known = {entry.name for entry in self._index.entries()}
            for key, file in repair.strays(self.path, known, min_age):
                self._take_in(key, file)

    def clear(self) -> int:
        """Remove everything; returns how many entries there were. Raises StoreError if it cannot."""
        with self._lock:
            try:
                if not self.path.exists():
                    return 0
                # The files first: on a full disk that makes the room that the index needs to change.
                files = [file for _, file in repair.strays(self.path, known=(), min_age=0)]
                for file in files:
                    file.unlink(missing_ok=True)
                shutil.rmtree(repair.folder_aside(self.path), ignore_errors=True)
                try:
                    with self._writing() as cache:
                        cache.clear()
                except sqlite3.DatabaseError as error:
                    if not _tells_of_damage(error):
                        raise
                    self.close()
                    self.mend()
            except (*_WRITE_ERRORS, IndexDamaged) as error:
                raise cannot_write("cache could not be emptied", self.path, error) from error
            return len(files)

    def close(self) -> None:
        """Let go of the folder; it is opened again when needed."""
        with self._lock:
            if self._cache is not None:
                self._cache.close()
                self._cache = None

    def _write(self, key: str, data: bytes) -> list[str]:
        gone: list[str] = []
        with self._writing() as cache:
            cache.set_whole(key, data)
            try:
                for evicted in self._evict(cache, keep=key):
                    gone.append(evicted)
            except (*_WRITE_ERRORS, IndexDamaged) as error:
                _log.warning("The cache in %s is above its limit and could not be emptied: %s", self.path, error)
        return gone

    def _evict(self, cache: BlobCache, keep: str) -> Iterator[str]:
        excess = cache.volume() - self.size_limit
        if excess <= 0:
            return
        for entry in sorted(self._index.entries(), key=self._last_used):
            if entry.key != keep:
                cache.delete(entry.key)
                excess -= entry.size
                yield entry.key
            if excess <= 0:
                return

    def _last_used(self, entry: Entry) -> float:
        try:
            return (self.path / entry.name).stat().st_mtime
        except OSError:
            return 0.0

    def _take_in(self, key: str, file: Path) -> None:
        """Put a file that the index does not know into the index if it is whole, else aside."""
        data = file.read_bytes()
        try:
            check_seal(data)
        except ResultDamaged as error:
            if repair.age(file) >= repair.STRAY_AGE:  # else it may be a write under way
                _log.warning("The file %s is damaged and was set aside: %s", file, error)
                repair.move_aside(self.path, key, file)
            return
        if not self._index.find(key):
            with self._writing() as cache:
                cache.set_whole(key, data)
        file.unlink(missing_ok=True)

    def _keep_private(self) -> None:
        """Shut others out, and give the owner no right that was taken away on purpose."""
        mode = self.path.stat().st_mode
        if mode & 0o077:
            try:
                self.path.chmod(mode & 0o700)
            except OSError as error:
                _log.warning("Others may enter the cache folder %s: %s", self.path, error)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[BlobCache]:
        """The diskcache; this thread's connection is closed after use, as it would outlive the thread."""
        if self._cache is None or not self._index.file.exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keep_private()
            self._cache = BlobCache(self.path)
        try:
            yield self._cache
        finally:
            self._cache.close()


def _tells_of_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the index is at fault, and not the disk or a lock: no database, or one without tables."""
    return not isinstance(error, sqlite3.OperationalError) or "no such table" in str(error)
