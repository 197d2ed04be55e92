"""Slices along time."""

import numpy as np
import pytest

from c3dvis.media import slices

CLIP = np.arange(4 * 5 * 6 * 3, dtype=np.uint16).reshape(4, 5, 6, 3)


def test_xt_is_one_row_over_time() -> None:
    picture = slices.xt(CLIP, 2)
    assert picture.shape == (4, 6, 3)
    for t in range(4):
        np.testing.assert_array_equal(picture[t], CLIP[t, 2])


def test_yt_is_one_column_over_time() -> None:
    picture = slices.yt(CLIP, 5)
    assert picture.shape == (4, 5, 3)
    for t in range(4):
        np.testing.assert_array_equal(picture[t], CLIP[t, :, 5])


def test_slices_stand_alone_in_memory() -> None:
    for picture in (slices.xt(CLIP, 0), slices.yt(CLIP, 0)):
        assert picture.flags.c_contiguous


def test_a_moving_edge_is_a_slanted_line() -> None:
    clip = np.zeros((6, 8, 10, 3), np.uint8)
    for t in range(6):
        clip[t, :, : t + 2] = 255
    edge = (slices.xt(clip, 3)[..., 0] == 255).sum(axis=1)
    assert edge.tolist() == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("index", [-1, 5])
def test_a_row_outside_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match=rf"row y: expected 0 to 4\. Received: {index}"):
        slices.xt(CLIP, index)


@pytest.mark.parametrize("index", [-1, 6])
def test_a_column_outside_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match=rf"column x: expected 0 to 5\. Received: {index}"):
        slices.yt(CLIP, index)
