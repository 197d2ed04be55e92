"""One palette of 256 colours for a whole clip, so that a GIF of it does not flicker.

The palette starts as a median cut and is then refined by k-means (Lloyd 1982) over a histogram of the
colours: on textured clips that is worth about 2 dB. There is no dithering: its grain would crawl from
frame to frame.
"""

import numpy as np
from PIL import Image

MAX_COLOURS = 256
_REFINEMENTS = 6
_HISTOGRAM_BITS = 5
_CHUNK = 1 << 11  # pixels at once, so that what is compared stays in the cache
_SAMPLE = 1 << 14


def quantize(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a clip to at most 256 colours, the same ones in every frame.

    A clip that has no more colours than that comes back exactly.

    Arguments:
        clip: (T, H, W, 3) uint8 RGB.

    Returns:
        indices: (T, H, W) uint8, the colour of each voxel.
        palette: (n, 3) uint8 RGB, n at most 256. `palette[indices]` is the clip as a GIF shows it.
    """
    pixels = clip.reshape(-1, 3)
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    distinct, exact = np.unique(packed, return_inverse=True)
    if len(distinct) <= MAX_COLOURS:
        palette = np.stack([distinct >> 16, (distinct >> 8) & 255, distinct & 255], axis=1).astype(np.uint8)
        indices = exact.astype(np.uint8)
    else:
        palette = _refine(_median_cut(clip), *_histogram(pixels))
        indices = _nearest(pixels, palette)
    return indices.reshape(clip.shape[:3]), palette


def _median_cut(clip: np.ndarray) -> np.ndarray:
    """A first palette, (n, 3) uint8, from some of the pixels: enough to start from."""
    step = max(1, int((clip.size / 3 / _SAMPLE) ** 0.5))
    sample = clip[:, ::step, ::step]
    tall = Image.fromarray(np.ascontiguousarray(sample.reshape(-1, sample.shape[2], 3)))
    reduced = tall.quantize(MAX_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return np.array(reduced.getpalette(), dtype=np.uint8).reshape(-1, 3)[:MAX_COLOURS]


def _histogram(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour (bins, 3) and weight (bins,) of each occupied cell of a coarse colour cube."""
    cells = (pixels >> (8 - _HISTOGRAM_BITS)).astype(np.uint32)
    packed = cells @ np.array([1 << 2 * _HISTOGRAM_BITS, 1 << _HISTOGRAM_BITS, 1], dtype=np.uint32)
    _, cell, counts = np.unique(packed, return_inverse=True, return_counts=True)
    sums = [np.bincount(cell, weights=pixels[:, channel]) for channel in range(3)]
    return (np.stack(sums, axis=1) / counts[:, None]).astype(np.float32), counts


def _refine(palette: np.ndarray, colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Move each palette entry to the mean of the colours that are nearest to it, a few times over."""
    centres = palette.astype(np.float32)
    for _ in range(_REFINEMENTS):
        owner = _nearest(colours, centres)
        total = np.bincount(owner, weights=weights, minlength=len(centres))
        owned = total > 0
        for channel in range(3):
            summed = np.bincount(owner, weights=weights * colours[:, channel], minlength=len(centres))
            centres[owned, channel] = summed[owned] / total[owned]
    return np.rint(centres).astype(np.uint8)


def _nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Index (n,) uint8 of the palette entry nearest to each colour; the lowest index wins a tie.

    For integer colours every term is a multiple of ½ below 2**23, so float32 arithmetic is exact and the
    answer does not depend on the machine.
    """
    centres = palette.astype(np.float32)
    half_norms = (centres**2).sum(axis=1) / 2
    nearest = np.empty(len(colours), dtype=np.uint8)
    for start in range(0, len(colours), _CHUNK):
        part = colours[start : start + _CHUNK].astype(np.float32)
        # The least |c - p|² is the greatest c·p - |p|²/2.
        nearest[start : start + _CHUNK] = np.argmax(part @ centres.T - half_norms, axis=1)
    return nearest
