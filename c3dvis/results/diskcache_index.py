"""Reads diskcache's index without diskcache, which writes to an index when it opens it.

With this module, a store in a read-only folder or on a full disk can be read.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from diskcache.core import DBNAME, MODE_BINARY

from c3dvis.results import diskcache_entries
from c3dvis.results.diskcache_entries import key_of


class IndexDamaged(Exception):
    """The index file is not an SQLite database, or a damaged one."""


class Entry(NamedTuple):
    """One stored result: its key, its file relative to the folder, and the file's size in bytes."""

    key: str
    name: str
    size: int


class Index:
    """The entries of a store's folder, read from the file at every call."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / DBNAME

    def entries(self) -> list[Entry]:
        """Every entry, by key.

        Raises:
            IndexDamaged: the file cannot be read as a database.
            OSError, sqlite3.OperationalError: the file cannot be read at all.
        """
        return self._select("", ())

    def find(self, *keys: str) -> list[Entry]:
        """Those of the keys' entries that exist, by key; raises as `entries` does."""
        return self._select("AND key IN (SELECT value FROM json_each(?))", (json.dumps(keys),))

    def totals(self) -> tuple[int, int]:
        """How many entries there are, and their bytes, without listing them; raises as `entries` does."""
        rows = self._from_cache("COUNT(*), COALESCE(SUM(size), 0)", "", ())
        return rows[0] if rows else (0, 0)

    def check(self) -> None:
        """Raises IndexDamaged unless SQLite finds no error in the whole file."""
        (verdict,) = self._query("PRAGMA quick_check(1)", ())[0] if self.file.exists() else ("ok",)
        if verdict != "ok":
            raise IndexDamaged(f"The index {self.file} is damaged: {verdict}")

    def _select(self, condition: str, values: tuple[str, ...]) -> list[Entry]:
        rows = self._from_cache("key, filename, size", f"{condition} ORDER BY key", values)
        # A file name with another key, or a path out of the folder, was not written by this program.
        return [Entry(*row) for row in rows if key_of(row[1]) == row[0]]

    def _from_cache(self, columns: str, condition: str, values: tuple[str, ...]) -> list[tuple]:
        if not self.file.exists():
            return []
        query = (
            f"SELECT {columns} FROM Cache WHERE raw = 1 AND typeof(key) = 'text' AND mode = {MODE_BINARY} {condition}"
        )
        try:
            return self._query(query, values)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # another process is creating it now
                return []
            raise

    def _query(self, query: str, values: tuple[str, ...]) -> list[tuple]:
        """Rows of a query; where the file cannot be locked or recovered, it is read as immutable."""
        uri = self.file.absolute().as_uri()
        try:
            try:
                return _run(f"{uri}?mode=rw", query, values)
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    raise
                return _run(f"{uri}?mode=ro&immutable=1", query, values)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise IndexDamaged(f"The index {self.file} is damaged: {error}") from error


def _run(uri: str, query: str, values: tuple[str, ...]) -> list[tuple]:
    with closing(sqlite3.connect(uri, uri=True, timeout=diskcache_entries.WAIT_SECONDS)) as connection:
        return connection.execute(query, values).fetchall()
