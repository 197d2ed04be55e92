"""Sheets for a canvas to play, and small clips for a wall."""

import io

import numpy as np
import pytest
from PIL import Image

from c3dvis import media


def moving(frames: int, height: int, width: int) -> np.ndarray:
    """A smooth clip, each frame of a brightness of its own."""
    t, y, x = np.mgrid[0:frames, 0:height, 0:width].astype(float)
    channels = [10 + 200 * t / max(1, frames - 1), 255 * y / height, 255 * x / width]
    return np.stack(np.broadcast_arrays(*channels), axis=-1).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 8, 8), (7, 24, 40), (16, 56, 56), (5, 40, 16)])
def test_every_frame_stands_where_the_grid_says(size: tuple[int, int, int]) -> None:
    clip = moving(*size)
    data, grid = media.encode_frames(clip)
    sheet = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    frames, height, width = size
    assert sheet.shape == (grid.rows * height, grid.columns * width, 3)
    for frame in range(frames):
        row, column = divmod(frame, grid.columns)
        cell = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.abs(cell - clip[frame]).mean() < 8  # lossy, and a frame of another moment is 11 away or more


@pytest.mark.parametrize("size", [(3, 112, 112), (2, 57, 40), (2, 300, 170), (2, 30, 30), (1, 200, 3)])
def test_a_thumbnail_is_the_mean_of_whole_squares(size: tuple[int, int, int]) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    small = media.thumbnail(clip, 56)
    assert small.dtype == np.uint8
    factor = clip.shape[1] // small.shape[1]
    if factor == 1:
        np.testing.assert_array_equal(small, clip[:, : small.shape[1], : small.shape[2]])
    else:
        square = clip[0, :factor, :factor].astype(float).mean(axis=(0, 1))
        assert np.abs(small[0, 0, 0] - square).max() <= 0.5
    assert max(small.shape[1:3]) <= 56 or min(size[1:]) < factor + 1


def test_a_contact_sheet_holds_the_middle_frames() -> None:
    clips = [moving(9, 20, 30), moving(5, 10, 30)]
    sheet = np.asarray(Image.open(io.BytesIO(media.contact_sheet(clips, ["a", "b"]))).convert("RGB"))
    np.testing.assert_array_equal(sheet[6:26, 6:36], clips[0][4])
    np.testing.assert_array_equal(sheet[6:16, 42:72], clips[1][2])
