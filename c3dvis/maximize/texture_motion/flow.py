"""Optical flow between pictures, from coarse to fine. NumPy and SciPy alone.

Source: Lucas, Kanade: An iterative image registration technique, IJCAI 1981; the pyramid is Bouguet's (Intel 2000).
The window is a Gaussian instead of a square, and the flow is smoothed after each step.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from c3dvis.media.warp import sample
from c3dvis.results.texture_motion import positions

_LEVELS = 3
_WHOLE_STEPS = 3  # on each level, of the picture as a whole: content at its edges may enter or leave
_STEPS = 4  # on each level after these
_BLUR = 1.3  # pixels, standard deviation, before a picture is halved: finer waves would be taken for coarser ones
_SMALLEST = 16  # pixels: a picture is not halved below that
_WINDOW = 2.5  # pixels, standard deviation
_SMOOTHING = 1.0  # pixels, standard deviation
_LONGEST_STEP = 1.0  # pixels
# Added to the squared contrast of a window (values from 0 to 1). Without contrast, or along an edge, nothing is known
# about the flow, and it stays as it is.
_LEAST_CONTRAST = 2e-3
_LEAST_SHARE = 1e-3  # of a window that is seen


def flow(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Where each pixel of a picture comes from in another one: source(x + u(x)) ≈ target(x).

    Args:
        source, target: (N, H, W, C) float32 in [0, 1], N pairs of pictures.

    Returns:
        (N, H, W, 2) float32 in pixels: down, then right.
    """
    pairs = [(source, target)]
    while len(pairs) < _LEVELS and min(pairs[-1][0].shape[1:3]) >= 2 * _SMALLEST:
        pairs.append((_halved(pairs[-1][0]), _halved(pairs[-1][1])))
    u = np.zeros((*pairs[-1][0].shape[:3], 2), np.float32)
    for source_level, target_level in reversed(pairs):
        u = _enlarged(u, target_level.shape[1:3])
        for index in range(_WHOLE_STEPS + _STEPS):
            rows, columns = positions(u)
            seen = _inside(rows, target_level.shape[1]) & _inside(columns, target_level.shape[2])
            seen[:, [0, -1]] = seen[:, :, [0, -1]] = False
            window = None if index < _WHOLE_STEPS else _WINDOW
            change = step(sample(source_level, rows, columns), target_level, window, seen=seen)
            u = smoothed(u + change, _SMOOTHING, (1, 2))
    return u


def step(
    warped: np.ndarray,
    target: np.ndarray,
    window: float | None,
    window_frames: float = 0,
    seen: np.ndarray | None = None,
) -> np.ndarray:
    """One Gauss-Newton step: the change of the displacement that brings warped pictures closer to their target.

    Args:
        warped, target: (N, H, W, C) float32 in [0, 1].
        window: standard deviation in pixels of the neighbourhood that shares one displacement; None: the whole picture.
        window_frames: the same along N, for the frames of a clip.
        seen: (N, H, W) bool, False where a picture was warped from beyond its edge. Such pixels take the displacement
            of those beside them, since content that enters the frame has no counterpart. None: all are seen.

    Returns:
        (N, H, W, 2) float32, each component between −1 and 1 pixel.
    """
    by_row, by_column = np.gradient(warped, axis=1), np.gradient(warped, axis=2)
    missing = target - warped
    products = ((by_row, by_row), (by_row, by_column), (by_column, by_column), (by_row, missing), (by_column, missing))
    sums = np.stack([np.einsum("nhwc,nhwc->nhw", a, b) for a, b in products], -1)
    if seen is None:
        sums = _averaged(sums, window)
    else:
        weight = seen.astype(np.float32)[..., np.newaxis]
        sums = _averaged(sums * weight, window) / (_averaged(weight, window) + _LEAST_SHARE)
    if window_frames:
        sums = smoothed(sums, window_frames, (0,))
    yy, xy, xx, y, x = np.moveaxis(sums, -1, 0)
    yy, xx = yy + _LEAST_CONTRAST, xx + _LEAST_CONTRAST
    change = np.stack([xx * y - xy * x, yy * x - xy * y], -1) / (yy * xx - xy * xy)[..., np.newaxis]
    return np.clip(change, -_LONGEST_STEP, _LONGEST_STEP)


def smoothed(values: np.ndarray, deviation: float, axes: Sequence[int]) -> np.ndarray:
    """A Gaussian average along some axes; the edge is continued."""
    for axis in axes:
        values = ndimage.gaussian_filter1d(values, deviation, axis=axis, mode="nearest", truncate=3)
    return values


def _averaged(values: np.ndarray, window: float | None) -> np.ndarray:
    return values.mean(axis=(1, 2), keepdims=True) if window is None else smoothed(values, window, (1, 2))


def _inside(places: np.ndarray, length: int) -> np.ndarray:
    """Whether places along an axis lie in a picture, not at its edge, where slopes are one-sided."""
    return (places >= 1) & (places <= length - 2)


def _halved(pictures: np.ndarray) -> np.ndarray:
    return smoothed(pictures, _BLUR, (1, 2))[:, ::2, ::2]


def _enlarged(u: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A flow on the next finer level, whose size is (height, width)."""
    if u.shape[1:3] == size:
        return u
    height, width = size
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, np.newaxis] / 2, (len(u), height, width))
    columns = np.broadcast_to(np.arange(width, dtype=np.float32) / 2, (len(u), height, width))
    return 2 * sample(u, rows, columns)
