"""Clips against which a picture is judged: its phase-scrambled twins, and itself at another contrast.

All clips are (T, H, W, planes) uint8.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.fft
from cachetools import LRUCache, cached

TWIN_SEEDS = range(8)
EQUAL_CONTRAST = 40
"""Standard deviation, of 255, at which clips of different contrast are compared."""

_AXES = (0, 1, 2)
_BINS = 2048  # of the histogram by which a twin's contrast is corrected
_ROUNDS, _TOLERANCE = 30, 0.05  # of that correction; the tolerance in levels of 255


def phase_twins(clip: np.ndarray, seeds: Sequence[int] = TWIN_SEEDS) -> Iterator[np.ndarray]:
    """Clips with the power spectrum of another and random phases: its colours and smoothness without its shapes.

    A random phase for each frequency, shared by the channels, is added to the phases of the clip. Each channel keeps
    its power spectrum over time, height and width, and the channels keep their correlation. The values are then scaled
    and shifted so that each channel, rounded and clipped, has the mean and the standard deviation of the clip's.

    Args:
        clip: (T, H, W, planes) uint8.
        seeds: one twin for each.

    Source: Galerne, Gousseau, Morel: Random Phase Textures, IEEE Transactions on Image Processing 2011.
    """
    values = clip.astype(np.float32)
    mean, deviation = values.mean(axis=_AXES, dtype=np.float64), values.std(axis=_AXES, dtype=np.float64)
    spectrum = scipy.fft.rfftn(values - mean.astype(np.float32), axes=_AXES)
    for seed in seeds:
        phases = _random_phases(clip.shape[:3], seed)[..., np.newaxis]
        twin: Any = scipy.fft.irfftn(spectrum * phases, clip.shape[:3], axes=_AXES)
        yield _with_moments(twin, mean, deviation)


def at_contrast(clip: np.ndarray, deviation: float = EQUAL_CONTRAST) -> np.ndarray:
    """The clip changed linearly about its mean to a standard deviation, rounded and clipped; a flat clip as it is."""
    mean, own = clip.mean(dtype=np.float64), clip.std(dtype=np.float64)
    return clip if own == 0 else _bytes((clip - mean) * (deviation / own) + mean)


def clipped_share(clip: np.ndarray) -> float:
    """Share of the values that are nearly black (below 8) or nearly white (above 247)."""
    return float(((clip < 8) | (clip > 247)).mean())


@cached(LRUCache(len(TWIN_SEEDS)), lock=threading.Lock())
def _random_phases(size: tuple[int, int, int], seed: int) -> np.ndarray:
    """Factors of absolute value 1 for the frequencies of `rfftn`, complex64, which keep a real volume real."""
    noise = np.random.Generator(np.random.PCG64(seed)).normal(size=size).astype(np.float32)
    spectrum: Any = scipy.fft.rfftn(noise)
    return np.exp(1j * np.angle(spectrum)).astype(np.complex64)


def _with_moments(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """`values` as bytes, scaled and shifted so that each channel has a mean and a standard deviation."""
    scale, offset = (np.empty(values.shape[-1], np.float32) for _ in range(2))
    for channel, (wanted, spread) in enumerate(zip(mean, deviation, strict=True)):
        counts, edges = np.histogram(values[..., channel], _BINS)
        scale[channel], offset[channel] = _scale_and_offset((edges[1:] + edges[:-1]) / 2, counts, wanted, spread)
    return _bytes(values * scale + offset)


def _scale_and_offset(centres: np.ndarray, counts: np.ndarray, mean: float, deviation: float) -> tuple[float, float]:
    """The linear map after which values, given by their histogram, have these moments once clipped to bytes."""
    share = counts / counts.sum()
    own = np.sqrt(share @ np.square(centres - share @ centres))
    scale = deviation / own if own > 0 else 0.0
    offset = mean - scale * (share @ centres)
    for _ in range(_ROUNDS):  # clipping lowers the contrast, so it is raised until it is right
        clipped = np.clip(scale * centres + offset, 0, 255)
        now = share @ clipped
        spread = np.sqrt(share @ np.square(clipped - now))
        if max(abs(mean - now), abs(deviation - spread)) < _TOLERANCE:
            break
        scale *= float(np.clip(deviation / spread, 0.5, 2)) if spread > 0 else 1.0
        offset += mean - now
    return scale, offset


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
