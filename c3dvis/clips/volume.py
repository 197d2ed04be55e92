"""Reads volumes, slice by slice as frames: NumPy arrays, NIfTI files and folders of one DICOM series.

A volume is (slices, rows, columns). Its values are mapped to 0…255 linearly, black at the 0.5th and white at the 99.5th
percentile of the whole volume; an array of uint8 is taken as it is.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from c3dvis.clips.clip_info import ClipInfo
from c3dvis.clips.fitting import fit
from c3dvis.clips.volume_files import MAX_VOXELS, read_dicom, read_nifti, read_numpy
from c3dvis.errors import ClipUnreadable

_PERCENTILES = (0.5, 99.5)
_SAMPLED = 4_000_000  # values from which the percentiles are taken


def is_volume(path: Path) -> bool:
    """Whether a path is one that this module reads: by its ending, or a folder."""
    return path.is_dir() or path.name.lower().endswith((".npy", ".nii", ".nii.gz"))


class Volume:
    """A volume; its slices are frames at one a second.

    Raises:
        ClipUnreadable: it cannot be read, is too large, or has values that are no numbers.
    """

    rate = 1.0

    def __init__(self, path: Path) -> None:
        name = path.name.lower()
        if path.is_dir():
            found = read_dicom(path)
        elif name.endswith(".npy"):
            found = read_numpy(path)
        else:
            found = read_nifti(path)
        self._voxels, self._aspect, self._notes = found.values, found.aspect, found.notes
        shape = self._voxels.shape
        if len(shape) not in (3, 4) or not all(shape) or (len(shape) == 4 and shape[3] > 64):
            raise ClipUnreadable(
                f"{path.name} has the shape {shape}: expected (slices, rows, columns), with up to 64 channels as a "
                "fourth axis."
            )
        if self._voxels.size > MAX_VOXELS:
            raise ClipUnreadable(
                f"{path.name} has {self._voxels.size:,} values: expected at most {MAX_VOXELS:,}. Cut or shrink it."
            )
        self._low, self._high = self._range(path)

    def describe(self) -> ClipInfo:
        count, height, width = self._voxels.shape[:3]
        channels = self._voxels.shape[3] if self._voxels.ndim == 4 else 1
        notes = self._notes
        if self._voxels.dtype != np.uint8:
            notes = (*notes, f"Black is {self._low:.4g} and white {self._high:.4g}: its 0.5th and 99.5th percentile.")
        return ClipInfo("volume", 1.0, float(count), count, width, round(height * self._aspect), channels, notes)

    def frames(self, times: Iterable[float]) -> Iterator[tuple[float, np.ndarray]]:
        for time in times:
            if (index := int(time + 0.25)) >= len(self._voxels):
                return
            yield float(index), self._slice(index)

    def strip(self, count: int) -> Iterator[tuple[float, np.ndarray]]:
        places = sorted({int((index + 0.5) * len(self._voxels) / count) for index in range(count)})
        for index in places:
            yield float(index), _as_colour(self._squared(self._slice(index)))

    def fit(self, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The frame at a network's size; without the margin of videos, since a volume has no border to spare."""
        frame = self._squared(frame)
        if frame.shape[2] in (1, 3):
            return fit(_as_colour(frame), size, margin=1.0)
        channels = [fit(np.repeat(frame[..., c : c + 1], 3, -1), size, 1.0)[..., 0] for c in range(frame.shape[2])]
        return np.stack(channels, -1)

    def _slice(self, index: int) -> np.ndarray:
        """(rows, columns, channels) uint8."""
        values = np.asarray(self._voxels[index])
        if values.dtype != np.uint8:
            unit = (values.astype(np.float32) - self._low) / ((self._high - self._low) or 1.0)
            values = np.round(np.clip(unit, 0, 1) * 255).astype(np.uint8)
        return values if values.ndim == 3 else values[..., np.newaxis]

    def _squared(self, frame: np.ndarray) -> np.ndarray:
        """A slice with square pixels: rows are repeated or left out."""
        height = max(1, round(frame.shape[0] * self._aspect))
        return frame if height == frame.shape[0] else frame[np.arange(height) * frame.shape[0] // height]

    def _range(self, path: Path) -> tuple[float, float]:
        """The values of black and white.

        Raises:
            ClipUnreadable: there are values that are no numbers.
        """
        if self._voxels.dtype == np.uint8:
            return 0.0, 255.0
        if self._voxels.dtype.kind == "f":
            bad = sum(int(np.size(part) - np.isfinite(part).sum()) for part in self._voxels)
            if bad:
                raise ClipUnreadable(
                    f"{path.name} has {bad:,} values that are no numbers (NaN or infinite). Replace them, for example "
                    "by 0, and save it again."
                )
        step = max(1, round((self._voxels.size / _SAMPLED) ** (1 / 3)))
        sample = np.asarray(self._voxels[::step, ::step, ::step], np.float32)
        low, high = np.percentile(sample, _PERCENTILES)
        return float(low), float(high)


def _as_colour(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3): grey three times, or the first three channels."""
    return np.repeat(frame[..., :1], 3, -1) if frame.shape[2] < 3 else frame[..., :3]
