"""Kernels as small RGB clips: one frame for each tap in time, one pixel for each tap in space."""

import numpy as np

_GREY = np.array([128.0, 128.0, 128.0])
_POSITIVE = np.array([255.0, 96.0, 32.0])
_NEGATIVE = np.array([16.0, 112.0, 255.0])


def colour_kernel(kernel: np.ndarray) -> np.ndarray:
    """A kernel on red, green and blue as the pattern that it adds to grey: grey is 0.

    Args:
        kernel: (t, h, w, 3) float, its last axis red, green, blue.

    Returns:
        (t, h, w, 3) uint8; the largest weight, of either sign, reaches black or white of its colour.
    """
    return np.rint(127.5 + 127.5 * _scaled(kernel, np.abs(kernel).max())).astype(np.uint8)


def signed_kernel(weights: np.ndarray, largest: float) -> np.ndarray:
    """Weights as orange where they are above 0, blue where they are below, and grey at 0.

    Args:
        weights: (t, h, w) float.
        largest: absolute weight that gets the full colour; the same for kernels that are compared.

    Returns:
        (t, h, w, 3) uint8.
    """
    share = np.clip(_scaled(weights, largest), -1, 1)[..., np.newaxis]
    ends = np.where(share > 0, _POSITIVE, _NEGATIVE)
    return np.rint(_GREY + np.abs(share) * (ends - _GREY)).astype(np.uint8)


def norm_kernel(norms: np.ndarray) -> np.ndarray:
    """Norms as lightness: black is 0, white the largest.

    Args:
        norms: (t, h, w) float of at least 0.

    Returns:
        (t, h, w, 3) uint8.
    """
    grey = np.rint(255 * _scaled(norms, norms.max())).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def _scaled(values: np.ndarray, largest: float) -> np.ndarray:
    return values / largest if largest > 0 else np.zeros_like(values)
