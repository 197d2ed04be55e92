"""What pages and commands ask of a file: its description, a film strip, windows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.clips.clip_info import ClipInfo, ClipWindow, Window
from c3dvis.clips.packing import LIMITS, unpacked
from c3dvis.errors import ClipUnreadable
from c3dvis.networks.weights import child_process

TIMEOUT = 60.0
"""Seconds after which a file is given up."""

_ANSWER_BYTES = 32 << 20  # of windows that one process sends


def describe_clip(path: Path | str) -> ClipInfo:
    """What a file holds: a video, an animation, a still image or a volume.

    Reads the file's description and its first frame.

    Args:
        path: any file that FFmpeg reads, a `.npy` array, a NIfTI file, or a folder of one DICOM series.

    Raises:
        ClipUnreadable: it is not there, damaged or of another kind.
    """
    found = _ask(path, ask="describe")
    return ClipInfo(**{**found, "notes": tuple(found["notes"])})


def film_strip(path: Path | str, count: int = 12, height: int = 72) -> list[tuple[float, np.ndarray]]:
    """Small pictures spread evenly over a file, found by seeking.

    Args:
        count: pictures.
        height: of a picture, in pixels.

    Returns:
        (seconds in the file, (height, w, 3) uint8 RGB) of each, ascending: where few frames can be decoded alone, a
        picture is of a time before the one that it stands for.

    Raises:
        ClipUnreadable: as `describe_clip`.
    """
    found = _ask(path, ask="strip", count=count, height=height)
    return [(time, unpacked(frame)) for time, frame in found["strip"]]


def read_window(path: Path | str, window: Window, size: tuple[int, int]) -> ClipWindow:
    """A window of a file at a network's size: scaled with its aspect kept, and cropped at the centre.

    Args:
        size: (height, width) of the network's clip; the window's length is that of its frames.

    Raises:
        ClipTooShort: the file has fewer frames there, and the window asks for neither stretch nor loop.
        ClipUnreadable: as `describe_clip`.
    """
    return next(read_windows(path, [window], size))


def read_windows(path: Path | str, windows: Sequence[Window], size: tuple[int, int]) -> Iterator[ClipWindow]:
    """Several windows of one file, in their order; as `read_window`, with few processes."""
    left = list(windows)
    while left:
        bytes_each = left[0].length * size[0] * size[1] * 3
        count = max(1, _ANSWER_BYTES // bytes_each)
        for each in _ask(path, ask="windows", windows=left[:count], size=size)["windows"]:
            yield ClipWindow(unpacked(each["clip"]), tuple(each["seconds"]), tuple(each["notes"]))
        left = left[count:]


def _ask(path: Path | str, **request: Any) -> dict[str, Any]:
    path = Path(path)
    if not path.exists():
        raise ClipUnreadable(f"{path} is not there: expected a video, an image or a volume.")
    request["path"] = path
    return child_process.ask("c3dvis.clips.sandbox", request, path, None, TIMEOUT, LIMITS)
