"""Copies of a small canvas fill a large one without its period."""

import numpy as np
import pytest
import tensorflow as tf

from c3dvis.maximize.quality import repetition
from c3dvis.maximize.volume.canvas import tile_canvas
from c3dvis.maximize.volume.parametrization import FourierVolume, PixelVolume
from tests.maximize.test_parametrization import C3D_LIKE, WAVE, sampled


def test_copies_of_a_small_canvas_fill_a_large_one_without_its_period():
    small, large = FourierVolume((4, 48, 48), WAVE), FourierVolume((4, 112, 96), WAVE)
    repeated, tiled = [], []
    for seed in range(8):  # one picture of few waves may resemble itself anywhere
        parameters = small.start(seed) * 200
        laid = sampled(large, tf.constant(tile_canvas(small, parameters, large, seed)[np.newaxis]))
        tile = sampled(small, tf.constant(parameters[np.newaxis]))
        assert laid.std() == pytest.approx(tile.std(), rel=0.2)  # as strong as it was
        repeated.append(repetition((laid * 255).astype(np.uint8), (48, 48)))
        tiled.append(repetition((np.tile(tile, (1, 3, 2, 1))[:, :112] * 255).astype(np.uint8), (48, 48)))
    assert np.mean(repeated) < 0.3 < 0.9 < np.mean(tiled)
    parameters = small.start(1)
    other = tile_canvas(small, parameters, large, seed=4)
    assert not np.array_equal(other, tile_canvas(small, parameters, large, seed=3))


def test_no_two_neighbouring_copies_are_rolled_alike():
    """One spot to a copy: wherever the rolls of neighbours come together, spots would stand one period apart."""
    small, large = (PixelVolume((1, side, side), C3D_LIKE) for side in (32, 112))
    across = np.exp(-np.square(np.arange(32) - 16) / 18)
    spot = (across[:, np.newaxis] * across)[np.newaxis, ..., np.newaxis] * np.full(3, 200)
    for seed in range(24):
        laid = np.clip(tile_canvas(small, spot, large, seed), 0, 255).astype(np.uint8)
        assert repetition(laid, (32, 32)) < 0
