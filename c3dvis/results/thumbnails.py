"""What a grid of many results shows of each, kept beside them: the measures, and a thumbnail that plays.

A page of the gallery is one query here, where opening 24 results would take 24 times as long. All of it can be made
again from the results: what is missing, or cannot be read, is.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from c3dvis import media
from c3dvis.results.result import RenderResult, Scalar

SIDE = 56
"""Pixels of a thumbnail's longer side at most."""

_QUALITY = 75
_AT_ONCE = 500  # keys in one query; SQLite takes 999 values
_WAIT = 10.0  # seconds for another process that is writing
_log = logging.getLogger(__name__)


class Summary(NamedTuple):
    """One result in short.

    Attributes:
        key: of the result.
        metrics: as in the result.
        shape: (frames, height, width) of the thumbnail.
        columns: of the grid that its frames stand in, row by row.
        thumbnail: a WebP; empty where it was not asked for.
    """

    key: str
    metrics: dict[str, Scalar]
    shape: tuple[int, int, int]
    columns: int
    thumbnail: bytes


def summarize(result: RenderResult) -> Summary:
    """The summary of a result."""
    small = media.thumbnail(result.clip, SIDE)
    data, grid = media.encode_frames(small, quality=_QUALITY, effort=0)
    frames, height, width = small.shape[:3]
    return Summary(result.key, result.metrics, (frames, height, width), grid.columns, data)


class Summaries:
    """A file of summaries by key. Never raises: a file that cannot be used holds nothing, and is logged.

    Args:
        file: an SQLite database; made when something is first put.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def get(self, keys: Sequence[str], *, thumbnails: bool = True) -> dict[str, Summary]:
        """Those of the keys that there are."""
        found: dict[str, Summary] = {}
        if not self.file.exists():
            return found
        picture = "thumbnail" if thumbnails else "x''"
        try:
            with closing(self._connect()) as connection:
                for start in range(0, len(keys), _AT_ONCE):
                    part = keys[start : start + _AT_ONCE]
                    query = (
                        f"SELECT key, metrics, frames, height, width, columns, {picture} FROM summary "
                        f"WHERE key IN ({','.join('?' * len(part))})"
                    )
                    for row in connection.execute(query, part):
                        found[row[0]] = Summary(row[0], json.loads(row[1]), (row[2], row[3], row[4]), row[5], row[6])
        except (sqlite3.Error, ValueError) as error:
            _log.warning("The summaries in %s cannot be read, and are made anew: %s", self.file, error)
            return {}
        return found

    def put(self, summaries: Iterable[Summary]) -> None:
        """Keep them, in the place of earlier ones."""
        rows = [(s.key, json.dumps(s.metrics), *s.shape, s.columns, s.thumbnail) for s in summaries]
        self._change("INSERT OR REPLACE INTO summary VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget those of the keys."""
        if self.file.exists():
            self._change("DELETE FROM summary WHERE key = ?", [(key,) for key in keys])

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._remove()

    def _change(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        with self._lock:
            try:
                self._write(statement, rows)
            except sqlite3.OperationalError as error:  # a full disk, a read-only folder
                _log.warning("Summaries were not kept in %s: %s", self.file, error)
            except sqlite3.DatabaseError as error:
                _log.warning("The summaries in %s are damaged, and are made anew: %s", self.file, error)
                self._remove()

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS summary (key TEXT PRIMARY KEY, metrics TEXT NOT NULL, frames INTEGER, "
                "height INTEGER, width INTEGER, columns INTEGER, thumbnail BLOB)"
            )
            connection.executemany(statement, rows)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_WAIT)
        connection.execute("PRAGMA synchronous=OFF")  # what a power cut takes is made again
        return connection

    def _remove(self) -> None:
        try:
            self.file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s cannot be removed: %s", self.file, error)
