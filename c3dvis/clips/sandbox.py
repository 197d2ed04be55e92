"""The process that opens one file of a clip: its memory and time are limited, and the file can name no other."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from c3dvis.clips.clip_info import ClipInfo, Window
from c3dvis.clips.fitting import thumbnail
from c3dvis.clips.packing import LIMITS, packed
from c3dvis.clips.still import Still
from c3dvis.clips.video import Video
from c3dvis.clips.volume import Volume, is_volume
from c3dvis.errors import ClipTooShort, ClipUnreadable
from c3dvis.networks.weights import child_process


class Source(Protocol):
    """An opened file."""

    @property
    def rate(self) -> float:
        """Nominal frames per second."""
        ...

    def describe(self) -> ClipInfo:
        """What the file holds."""
        ...

    def frames(self, times: Iterable[float]) -> Iterator[tuple[float, np.ndarray]]:
        """The frame shown at each time, with its own time; ends early where the file does."""
        ...

    def strip(self, count: int) -> Iterator[tuple[float, np.ndarray]]:
        """Frames for a film strip."""
        ...

    def fit(self, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """A frame at a network's size."""
        ...


def answer(request: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """What is asked of a file, as JSON values; called in the child."""
    path: Path = request["path"]
    with _opened(path) as source:
        match request["ask"]:
            case "describe":
                return asdict(source.describe())
            case "strip":
                found = [(time, thumbnail(frame, request["height"])) for time, frame in source.strip(request["count"])]
                return {"strip": [[time, packed(frame)] for time, frame in found]}
            case _:
                return {"windows": [_window(path, source, each, request["size"]) for each in request["windows"]]}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Source]:
    try:
        if is_volume(path):
            yield Volume(path)
            return
        with Video(path) as video:
            yield Still(path, video.describe()) if video.is_still else video
    except OSError as error:
        raise ClipUnreadable(f"{path.name} cannot be read: {error.strerror or error}.") from None


def _window(path: Path, source: Source, window: Window, size: tuple[int, int]) -> dict[str, Any]:
    """One window, as JSON values."""
    times = [window.start_seconds + index * window.stride / source.rate for index in range(window.length)]
    frames: list[np.ndarray] = []
    seconds: list[float] = []
    notes: list[str] = []
    before: np.ndarray | None = None
    for time, frame in source.frames(times):
        # a frame that is shown at two of the times is scaled once
        frames.append(frames[-1] if frame is before else source.fit(frame, size))
        seconds.append(time)
        before = frame
    if not frames:
        raise ClipTooShort(
            f"{path.name} has no frame at {window.start_seconds:g} s: the window starts after its end. Start earlier."
        )
    if (have := len(frames)) < window.length:
        if window.fill == "refuse":
            raise ClipTooShort(
                f"{path.name} has {have} of the {window.length} frames that are needed from {window.start_seconds:g} s "
                f"on, at stride {window.stride:g}. Start earlier, lower the stride, or stretch or loop them."
            )
        how = "stretched" if window.fill == "stretch" else "looped"
        steps = np.arange(window.length)
        index = steps * have // window.length if window.fill == "stretch" else steps % have
        frames, seconds = [frames[i] for i in index], [seconds[i] for i in index]
        notes.append(f"The file has {have} frames here; they are {how} to {window.length}.")
    return {"clip": packed(np.stack(frames)), "seconds": seconds, "notes": notes}


if __name__ == "__main__":
    child_process.serve(answer, lambda request: request["path"], LIMITS)
