"""A clip as one small image for the players: its frames in a grid without gaps; and clips reduced in size."""

import io

import numpy as np
from PIL import Image

from c3dvis.media.png import Grid, sheet_grid


def encode_frames(clip: np.ndarray, *, quality: int = 90, effort: int = 4) -> tuple[bytes, Grid]:
    """The frames of a (T, H, W, 3) uint8 clip, row by row, as one lossy WebP, and the grid of the frames.

    It has a quarter of the size of a lossless file.

    Args:
        quality: of the WebP, 0 to 100.
        effort: of the compressor, 0 (fastest, 5 % larger) to 6.
    """
    frames, height, width = clip.shape[:3]
    grid = sheet_grid(frames, height, width)
    cells = np.zeros((grid.rows * grid.columns, height, width, 3), np.uint8)
    cells[:frames] = clip
    sheet = cells.reshape(grid.rows, grid.columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(sheet.reshape(grid.rows * height, grid.columns * width, 3)))
    picture.save(file, "WEBP", quality=quality, method=effort)
    return file.getvalue(), grid


def decode_frames(image: bytes, shape: tuple[int, int, int], columns: int) -> np.ndarray:
    """The (T, H, W, 3) uint8 clip of an image that `encode_frames` made.

    Args:
        image: the WebP.
        shape: (T, H, W) of the clip.
        columns: of the grid of frames.
    """
    frames, height, width = shape
    sheet = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
    cells = sheet.reshape(-1, height, columns, width, 3).transpose(0, 2, 1, 3, 4)
    return cells.reshape(-1, height, width, 3)[:frames]


def thumbnail(clip: np.ndarray, side: int) -> np.ndarray:
    """The clip reduced by an integer factor (each pixel a mean), so that its longer side is at most `side` pixels."""
    frames, height, width = clip.shape[:3]
    factor = min(-(-max(height, width) // side), height, width)
    if factor <= 1:
        return clip
    half = factor * factor // 2  # of the divisor, so that the quotient is rounded
    total = np.full((frames, height // factor, width // factor, 3), half, np.uint32)
    for row in range(factor):
        for column in range(factor):
            total += clip[:, row : height // factor * factor : factor, column : width // factor * factor : factor]
    return (total // (factor * factor)).astype(np.uint8)
