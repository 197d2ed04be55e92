"""Bilinear sampling: the values of pictures at positions between their pixels."""

import numpy as np


def sample(pictures: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values of pictures at real-valued positions. Positions outside get the value of the nearest edge.

    Args:
        pictures: (H, W, C) float32, one picture for all positions; or (N, H, W, C), one for each index n. H and W are
            at least 2.
        rows, columns: (N, h, w) float32 positions in pixels; row 0, column 0 is the centre of the first pixel.

    Returns:
        (N, h, w, C) float32.
    """
    height, width, channels = pictures.shape[-3:]
    base, row_part, column_part = cell(rows, columns, height, width)
    if pictures.ndim == 4:
        base = base + (np.arange(len(pictures)) * (height * width))[:, np.newaxis, np.newaxis]
    values = pictures.reshape(-1, channels)
    above, below = (
        _between(values.take(base + step, 0), values.take(base + step + 1, 0), column_part) for step in (0, width)
    )
    return _between(above, below, row_part)


def cell(rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The four pixels around each position of a picture.

    Args:
        rows, columns: positions of one shape, in pixels; those outside the picture are moved to its edge.
        height, width: of the picture, at least 2.

    Returns:
        The index of the upper left pixel in the flattened picture, and the position's distance below it and to the
        right of it, from 0 to 1. The other pixels are 1, `width` and `width + 1` further.
    """
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    top = np.minimum(rows.astype(np.intp), height - 2)
    left = np.minimum(columns.astype(np.intp), width - 2)
    return top * width + left, (rows - top).astype(np.float32), (columns - left).astype(np.float32)


def _between(first: np.ndarray, second: np.ndarray, part: np.ndarray) -> np.ndarray:
    return first + (second - first) * part[..., np.newaxis]
