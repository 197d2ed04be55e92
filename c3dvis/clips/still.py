"""Reads a still image with Pillow, which knows how a camera was held; a network sees it as a clip without motion."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from c3dvis.clips.clip_info import ClipInfo
from c3dvis.clips.fitting import fit
from c3dvis.errors import ClipUnreadable

_HELD = "A still image is held for all frames."


class Still:
    """A still image.

    Args:
        path: the file.
        info: what FFmpeg says of it.

    Raises:
        ClipUnreadable: Pillow cannot read it.
    """

    rate = 1.0

    def __init__(self, path: Path, info: ClipInfo) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size was checked
                self._image = ImageOps.exif_transpose(Image.open(path))
                self._image.load()
        except (UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ClipUnreadable(f"{path.name} is an image that cannot be read ({error}).") from None
        self._info = info

    def describe(self) -> ClipInfo:
        width, height = self._image.size
        notes = [note for note in self._info.notes if "turned by" not in note]
        if (self._image.size != (self._info.width, self._info.height)) or len(notes) < len(self._info.notes):
            notes.append("It is turned as the camera noted.")
        return replace(
            self._info, kind="image", frames_per_second=1.0, seconds=None, frame_count=1, width=width, height=height,
            notes=(*notes, _HELD),
        )  # fmt: skip

    def frames(self, times: Iterable[float]) -> Iterator[tuple[float, np.ndarray]]:
        pixels = self._pixels()
        for _ in times:
            yield 0.0, pixels

    def strip(self, count: int) -> Iterator[tuple[float, np.ndarray]]:
        del count
        yield 0.0, self._pixels()

    def fit(self, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return fit(frame, size)

    def _pixels(self) -> np.ndarray:
        image = self._image
        if image.mode.startswith(("I", "F")):  # 16 bits or floating point: its whole range from black to white
            values = np.asarray(image, np.float32)
            low, high = float(values.min()), float(values.max())
            grey = (values - low) * (255 / (high - low) if high > low else 0)
            image = Image.fromarray(np.round(grey).astype(np.uint8))
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
        return np.asarray(image.convert("RGB"))
