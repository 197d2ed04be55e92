"""The file of a visitor, or the sample: its description, film strip and windows, read by the sandbox process.

An upload is in the memory of its session. For each reading it is written to a temporary file, which is removed at once.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from cachetools import LRUCache

from c3dvis.clips import ClipInfo, ClipWindow, Window, describe_clip, film_strip, read_window
from c3dvis.clips.sample import SAMPLE
from c3dvis.errors import C3dvisError

STRIP_FRAMES, STRIP_HEIGHT = 12, 72

Strip = list[tuple[float, np.ndarray]]

_SESSION = "probe readings"
_KEPT = 12  # readings of a session
_CHUNK = 1 << 20


class ClipFile:
    """A file that can be read.

    Args:
        upload: of `st.file_uploader`; None for the sample.

    Attributes:
        name: as the visitor named it; empty for the sample.
    """

    def __init__(self, upload: Any = None) -> None:
        self._upload = upload
        self.name = upload.name[:200] if upload else ""

    def describe(self) -> ClipInfo:
        """As `describe_clip`."""
        return self._read("describe", describe_clip)

    def strip(self) -> Strip:
        """As `film_strip`."""
        return self._read("strip", _strip)

    def window(self, window: Window, size: tuple[int, int]) -> ClipWindow:
        """As `read_window`."""
        return self._read((window, size), lambda path: read_window(path, window, size))

    def _read(self, what: object, read: Callable[[Path], Any]) -> Any:
        """A reading, which is kept; an error too.

        Raises:
            C3dvisError: the file cannot be read so; the message has the visitor's name of the file.
        """
        readings = _sample_readings() if self._upload is None else _session_readings()
        key = (self._upload.file_id if self._upload else "", what)
        if key not in readings:
            with self._path() as path:
                try:
                    readings[key] = read(path)
                except C3dvisError as error:
                    shown = self.name or "The sample clip"
                    readings[key] = type(error)(error.message.replace(str(path), shown).replace(path.name, shown))
        if isinstance(readings[key], C3dvisError):
            raise readings[key]
        return readings[key]

    @contextmanager
    def _path(self) -> Iterator[Path]:
        if self._upload is None:
            yield SAMPLE
            return
        with tempfile.TemporaryDirectory(prefix="c3dvis-probe-") as folder:
            path = Path(folder) / f"clip{_ending(self.name)}"
            self._upload.seek(0)
            with path.open("wb") as file:
                while chunk := self._upload.read(_CHUNK):
                    file.write(chunk)
            yield path


def _strip(path: Path) -> Strip:
    return film_strip(path, STRIP_FRAMES, STRIP_HEIGHT)


def _ending(name: str) -> str:
    """The ending of a visitor's file name, by which volumes are told from videos; nothing else of the name is used."""
    endings = [".npy", ".nii.gz", ".nii"]
    return next((ending for ending in endings if name.lower().endswith(ending)), "")


@lru_cache(maxsize=1)
def _sample_readings() -> LRUCache[Any, Any]:
    return LRUCache(_KEPT)


def _session_readings() -> LRUCache[Any, Any]:
    return st.session_state.setdefault(_SESSION, LRUCache(_KEPT))
