"""What a store does with what is broken: damaged entries are set aside, a damaged index is built anew.

An entry's file describes itself, so losing the index loses no result.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from diskcache.core import DBNAME

from c3dvis.results.diskcache_entries import key_of

STRAY_AGE = 3600.0
"""Seconds after which an entry file that the index does not know cannot belong to a write under way."""


def folder_aside(folder: Path) -> Path:
    """Where a store puts what is damaged; nothing there is ever read again."""
    return folder / "damaged"


def keys_aside(folder: Path) -> list[str]:
    """Keys of the entries that were set aside."""
    return sorted(path.stem for path in folder_aside(folder).glob("*.h5"))


def move_aside(folder: Path, key: str, file: Path) -> None:
    """Take a damaged entry's file out of the way; no matter if it is gone already."""
    target = folder_aside(folder) / f"{key}.h5"
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        file.replace(target)
    except FileNotFoundError:
        return


def forget_aside(folder: Path, key: str) -> None:
    """Drop a damaged entry that has been replaced by a whole one."""
    (folder_aside(folder) / f"{key}.h5").unlink(missing_ok=True)


def move_index_aside(folder: Path) -> None:
    """Take a damaged index out of the way, with the journal that belongs to it."""
    target = folder_aside(folder) / DBNAME
    target.parent.mkdir(mode=0o700, exist_ok=True)
    (folder / DBNAME).replace(target)
    for suffix in ("-journal", "-wal", "-shm"):
        (folder / (DBNAME + suffix)).unlink(missing_ok=True)


def strays(folder: Path, known: Iterable[str], min_age: float) -> Iterator[tuple[str, Path]]:
    """(key, file) of every entry file that the index does not know and that is `min_age` seconds old."""
    known = set(known)
    for path in sorted(folder.glob("??/*.h5")):
        name = path.relative_to(folder).as_posix()
        key = key_of(name)
        if key is not None and name not in known and age(path) >= min_age:
            yield key, path


def age(file: Path) -> float:
    """Seconds since a file was last written."""
    return time.time() - file.stat().st_mtime


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a lock between processes that repair the same folder; it ends with the process that holds it.

    Raises:
        sqlite3.OperationalError: the folder cannot be written, or another repair takes over a minute.
    """
    with closing(sqlite3.connect(folder / "repair.lock", timeout=60, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield
