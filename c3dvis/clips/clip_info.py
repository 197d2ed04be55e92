"""What a file of a clip holds, and which frames of it are wanted."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from c3dvis.errors import InvalidSpec

Kind = Literal["video", "image", "volume"]
Fill = Literal["refuse", "stretch", "loop"]


@dataclass(frozen=True)
class ClipInfo:
    """What a file holds.

    Attributes:
        kind: `video` (also an animation), `image`, or `volume`.
        frames_per_second: the nominal rate; of a volume 1, so that its seconds count slices; of an image 1.
        seconds: duration; None where the file does not say, and reading it all would be needed.
        frame_count: frames or slices, from the file's own words or rate × duration; None where unknown.
        width, height: as shown: turned as the file says, with square pixels.
        channels: 3, 4 with transparency, 1 of a grey file; of a volume, values per voxel.
        notes: sentences on what is changed when the file is read, such as a rotation.
    """

    kind: Kind
    frames_per_second: float
    seconds: float | None
    frame_count: int | None
    width: int
    height: int
    channels: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """Which frames of a file are wanted.

    The frames are those shown at `start_seconds`, and then every `stride` / frames per second: of a file with a
    constant rate every `stride`-th frame, of another the frame shown at that moment.

    Attributes:
        start_seconds: of a volume, the first slice.
        stride: steps of the nominal rate between two frames, from 1; a fraction down to 0.1 repeats frames.
        length: number of frames.
        fill: if the file ends before the window: `refuse`, `stretch` (the frames there are, slower) or `loop` (from
            the window's start again).
    """

    start_seconds: float = 0.0
    stride: float = 1.0
    length: int = 16
    fill: Fill = "refuse"

    def __post_init__(self) -> None:
        if not 0 <= self.start_seconds < 1e7 or not 0.1 <= self.stride <= 10_000 or not 1 <= self.length <= 1024:
            raise InvalidSpec(
                "A window starts at 0 seconds or later, has a stride from 0.1 to 10000 and 1 to 1024 frames; received "
                f"start {self.start_seconds:g}, stride {self.stride:g}, {self.length} frames."
            )
        if self.fill not in ("refuse", "stretch", "loop"):
            raise InvalidSpec(f"A window that is too long is refused, stretched or looped; received {self.fill!r}.")


@dataclass(frozen=True, eq=False)
class ClipWindow:
    """A window of a file, as a network takes it.

    Attributes:
        clip: (T, H, W, 3) uint8 RGB; (T, H, W, channels) uint8 of a volume with more values per voxel.
        seconds: of each frame in the file.
        notes: sentences on what was changed: stretched, looped, cropped.
    """

    clip: np.ndarray
    seconds: tuple[float, ...]
    notes: tuple[str, ...] = ()
