"""Thumbnails of results with their measures and specs, kept in one SQLite file beside the results.

A page of the gallery needs one query here instead of opening 24 results. The file contains nothing that the results do
not contain: a missing or unreadable thumbnail is made again. The specs outlive damage to a result, so that it can be
rendered again.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from c3dvis import media
from c3dvis.results.render_result import RenderResult, Scalar

SIDE = 56
"""Largest side of a thumbnail in pixels."""

FILE_NAME = "summaries.db"
"""Name of the file; it and the table `summary` keep the names that they have in existing caches."""

_QUALITY = 75
_TIMEOUT = 10.0  # seconds to wait for another process that is writing
_log = logging.getLogger(__name__)


class Thumbnail(NamedTuple):
    """The thumbnail of one result, with its measures.

    Attributes:
        key: of the result.
        metrics: as in the result.
        shape: (frames, height, width) of the reduced clip.
        columns: of the grid of frames in the image, row by row.
        image: the frames as one WebP; empty if it was not asked for.
    """

    key: str
    metrics: dict[str, Scalar]
    shape: tuple[int, int, int]
    columns: int
    image: bytes

    def clip(self) -> np.ndarray:
        """The frames, (T, H, W, 3) uint8 RGB."""
        return media.decode_frames(self.image, self.shape, self.columns)


def make_thumbnail(result: RenderResult) -> Thumbnail:
    """The thumbnail of a result."""
    small = media.thumbnail(result.clip, SIDE)
    image, grid = media.encode_frames(small, quality=_QUALITY, effort=0)
    frames, height, width = small.shape[:3]
    return Thumbnail(result.key, result.metrics, (frames, height, width), grid.columns, image)


class ThumbnailFile:
    """Thumbnails by key in an SQLite file. Never raises: an unusable file counts as empty, which is logged.

    Args:
        file: the database; it is created with the first thumbnail.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def get(self, keys: Sequence[str], *, images: bool = True) -> dict[str, Thumbnail]:
        """The thumbnails of those keys that are in the file; without `images` with their measures alone."""
        found: dict[str, Thumbnail] = {}
        if not self.file.exists():
            return found
        image = "thumbnail" if images else "x''"
        try:
            with closing(self._connect()) as connection:
                query = (
                    f"SELECT key, metrics, frames, height, width, columns, {image} FROM summary "
                    "WHERE key IN (SELECT value FROM json_each(?))"
                )
                for key, metrics, *shape, columns, sheet in connection.execute(query, (json.dumps(keys),)):
                    found[key] = Thumbnail(key, json.loads(metrics), tuple(shape), columns, sheet)
        except (sqlite3.Error, ValueError) as error:
            _log.warning("The thumbnails in %s cannot be read, and are made again: %s", self.file, error)
            return {}
        return found

    def specs(self, keys: Sequence[str]) -> dict[str, str]:
        """The specs of those keys that are in the file, as JSON."""
        if not self.file.exists():
            return {}
        query = "SELECT key, json FROM spec WHERE key IN (SELECT value FROM json_each(?))"
        try:
            with closing(self._connect()) as connection:
                return dict(connection.execute(query, (json.dumps(keys),)))
        except sqlite3.Error as error:
            if "no such table" not in str(error):  # a file of version 0.1 has none
                _log.warning("The specs in %s cannot be read: %s", self.file, error)
            return {}

    def put_specs(self, specs: Mapping[str, str]) -> None:
        """Store specs as JSON by key, replacing earlier ones."""
        self._change("INSERT OR REPLACE INTO spec VALUES (?, ?)", list(specs.items()))

    def put(self, thumbnails: Iterable[Thumbnail]) -> None:
        """Store thumbnails, replacing earlier ones of the same keys."""
        rows = [(t.key, json.dumps(t.metrics), *t.shape, t.columns, t.image) for t in thumbnails]
        self._change("INSERT OR REPLACE INTO summary VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def remove(self, keys: Iterable[str]) -> None:
        """Delete the thumbnails and specs of those keys."""
        rows = [(key,) for key in keys]
        if self.file.exists():
            for table in ("summary", "spec"):
                self._change(f"DELETE FROM {table} WHERE key = ?", rows)

    def clear(self) -> None:
        """Delete the file."""
        with self._lock:
            self._delete_file()

    def _change(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        with self._lock:
            try:
                with closing(self._connect()) as connection, connection:
                    connection.execute(
                        "CREATE TABLE IF NOT EXISTS summary (key TEXT PRIMARY KEY, metrics TEXT NOT NULL, "
                        "frames INTEGER, height INTEGER, width INTEGER, columns INTEGER, thumbnail BLOB)"
                    )
                    connection.execute("CREATE TABLE IF NOT EXISTS spec (key TEXT PRIMARY KEY, json TEXT NOT NULL)")
                    connection.executemany(statement, rows)
            except sqlite3.OperationalError as error:  # a full disk, a read-only folder
                _log.warning("Thumbnails were not stored in %s: %s", self.file, error)
            except sqlite3.DatabaseError as error:
                _log.warning("The thumbnails in %s are damaged, and are made again: %s", self.file, error)
                self._delete_file()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_TIMEOUT)
        connection.execute("PRAGMA synchronous=OFF")  # thumbnails lost in a power cut are made again
        return connection

    def _delete_file(self) -> None:
        try:
            self.file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s cannot be removed: %s", self.file, error)
