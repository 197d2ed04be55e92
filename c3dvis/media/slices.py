"""Cuts through a clip along time: a moving edge becomes a slanted line, a still one a straight one."""

import numpy as np


def xt(clip: np.ndarray, y: int) -> np.ndarray:
    """The row `y` of every frame, stacked over time.

    Arguments:
        clip: (T, H, W, 3) array.
        y: the row, 0 to H - 1.

    Returns:
        (T, W, 3) array: time runs down, x runs right.

    Raises:
        IndexError: there is no such row.
    """
    _check_index("row y", y, clip.shape[1])
    return np.ascontiguousarray(clip[:, y])


def yt(clip: np.ndarray, x: int) -> np.ndarray:
    """The column `x` of every frame, stacked over time.

    Arguments:
        clip: (T, H, W, 3) array.
        x: the column, 0 to W - 1.

    Returns:
        (T, H, 3) array: time runs down, y runs right.

    Raises:
        IndexError: there is no such column.
    """
    _check_index("column x", x, clip.shape[2])
    return np.ascontiguousarray(clip[:, :, x])


def _check_index(what: str, index: int, size: int) -> None:
    # A negative index would count from the far side, which on a picture is a slip and not a wish.
    if not 0 <= index < size:
        raise IndexError(f"The clip has no such {what}: expected 0 to {size - 1}. Received: {index}.")
