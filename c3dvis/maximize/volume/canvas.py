"""The initial volume at full size: a large canvas tiled with copies of a small periodic one."""

import itertools
from collections.abc import Iterator

import numpy as np

from c3dvis.maximize.volume.parametrization import FourierVolume, Parametrization
from c3dvis.maximize.volume.pixel_volume import PixelVolume


def tile_canvas(
    small: FourierVolume | PixelVolume, parameters: np.ndarray, seed: int, large: Parametrization
) -> np.ndarray:  # fmt: skip
    """Parameters (*large.shape) of a large canvas that copies of a small one fill.

    Each copy is rolled in height and width, so that the large canvas does not show the small one's period. Neighbours
    fade into each other over half a copy, so that no seam shows. The first roll is random. The others follow a
    low-discrepancy sequence, since two random rolls may be nearly equal, and their copies then show the period.

    Args:
        small, large: parametrisations with equal numbers of frames.
        parameters: (*small.shape) of the small canvas.
        seed: of the first roll, and of what the large canvas has beside the copies.
    """
    volume = small.to_linear(parameters)  # (T, h, w, channels)
    rolls = _evenly_spread(np.random.Generator(np.random.PCG64([seed, 2])).random(2))
    tiled = np.zeros((*large.size, volume.shape[-1]), np.float32)
    rows, columns = (_fade_weights(large.size[axis], small.size[axis]) for axis in (1, 2))
    for row in rows:
        for column in columns:
            roll = np.floor(next(rolls) * small.size[1:]).astype(int)
            rolled = np.roll(volume, roll, (1, 2))
            for axis in (1, 2):
                rolled = np.take(rolled, np.arange(large.size[axis]) % small.size[axis], axis=axis)
            tiled += row[:, np.newaxis, np.newaxis] * column[:, np.newaxis] * rolled
    return large.from_linear(tiled, seed)


def _evenly_spread(first: np.ndarray) -> Iterator[np.ndarray]:
    """Points (2,) of the unit square: the additive recurrence of the plastic number (Roberts 2018, "R2")."""
    plastic = 1.324717957244746  # x³ = x + 1
    for i in itertools.count():
        yield (first + i / np.array([plastic, plastic**2])) % 1


def _fade_weights(whole: int, part: int) -> np.ndarray:
    """Weight of each copy along an axis, (copies, whole) float32.

    The squares of the weights sum to 1: copies are uncorrelated, so that this preserves their variance.
    """
    count = -(-whole // part)
    centres = (np.arange(count) + 0.5) * whole / count
    distance = np.abs(np.arange(whole) + 0.5 - centres[:, np.newaxis]) * count / whole  # 0.5 at a seam
    weights = np.cos(np.clip((distance - 0.25) / 0.5, 0, 1) * np.pi / 2)
    return (weights / np.sqrt(np.square(weights).sum(axis=0))).astype(np.float32)
