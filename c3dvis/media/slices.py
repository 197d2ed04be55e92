"""Slices of a clip along time: a moving edge becomes a slanted line, a still edge a straight line."""

import numpy as np


def xt(clip: np.ndarray, y: int) -> np.ndarray:
    """The row `y` of every frame, stacked over time.

    Args:
        clip: (T, H, W, 3) array.
        y: the row, 0 to H - 1.

    Returns:
        (T, W, 3) array: time runs down, x runs right.

    Raises:
        IndexError: the clip has no such row.
    """
    _check_index("row y", y, clip.shape[1])
    return np.ascontiguousarray(clip[:, y])


def yt(clip: np.ndarray, x: int) -> np.ndarray:
    """The column `x` of every frame, stacked over time.

    Args:
        clip: (T, H, W, 3) array.
        x: the column, 0 to W - 1.

    Returns:
        (T, H, 3) array: time runs down, y runs right.

    Raises:
        IndexError: the clip has no such column.
    """
    _check_index("column x", x, clip.shape[2])
    return np.ascontiguousarray(clip[:, :, x])


def _check_index(what: str, index: int, size: int) -> None:
    # NumPy would count a negative index from the other side, which is a mistake for a position in a picture.
    if not 0 <= index < size:
        raise IndexError(f"The clip has no such {what}: expected 0 to {size - 1}. Received: {index}.")
