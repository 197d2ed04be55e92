"""Repair of a store's folder: damaged entries are quarantined, a damaged index is rebuilt from the entries' files.

An entry's file contains its key, so no result is lost if the index is damaged.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from diskcache.core import DBNAME

from c3dvis.results.diskcache_entries import key_of

UNINDEXED_AGE = 3600.0
"""Age in seconds from which a file that is not in the index is no longer an unfinished write."""


def quarantine(folder: Path) -> Path:
    """The folder of damaged files; the store never reads them again."""
    return folder / "damaged"


def quarantined_keys(folder: Path) -> list[str]:
    """Keys of the quarantined entries."""
    return sorted(path.stem for path in quarantine(folder).glob("*.h5"))


def quarantine_entry(folder: Path, key: str, file: Path) -> None:
    """Move a damaged entry's file into the quarantine; for a file that no longer exists, an empty one is put there."""
    target = quarantine(folder) / f"{key}.h5"
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        file.replace(target)
    except FileNotFoundError:
        target.touch()


def remove_from_quarantine(folder: Path, key: str) -> None:
    """Delete a damaged entry that an intact one has replaced."""
    (quarantine(folder) / f"{key}.h5").unlink(missing_ok=True)


def quarantine_index(folder: Path) -> None:
    """Move a damaged index into the quarantine and delete its journal."""
    target = quarantine(folder) / DBNAME
    target.parent.mkdir(mode=0o700, exist_ok=True)
    (folder / DBNAME).replace(target)
    for suffix in ("-journal", "-wal", "-shm"):
        (folder / (DBNAME + suffix)).unlink(missing_ok=True)


def unindexed_files(folder: Path, indexed: Iterable[str], min_age: float) -> Iterator[tuple[str, Path]]:
    """(key, file) of every entry file that is not in the index and is at least `min_age` seconds old."""
    indexed = set(indexed)
    for path in sorted(folder.glob("??/*.h5")):
        name = path.relative_to(folder).as_posix()
        key = key_of(name)
        if key is not None and name not in indexed and age(path) >= min_age:
            yield key, path


def age(file: Path) -> float:
    """Seconds since a file was last written."""
    return time.time() - file.stat().st_mtime


@contextmanager
def repair_lock(folder: Path) -> Iterator[None]:
    """Hold a lock against other processes that repair the same folder; a killed process releases it.

    Raises:
        sqlite3.OperationalError: the folder cannot be written, or another repair takes over a minute.
    """
    with closing(sqlite3.connect(folder / "repair.lock", timeout=60, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield
