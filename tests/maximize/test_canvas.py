"""Copies of a small canvas fill a large one without its period."""

import numpy as np
import pytest
import tensorflow as tf

from c3dvis.maximize.energy.energy import EnergyTerms
from c3dvis.maximize.optimization import compiled_steps, parametrization_of
from c3dvis.maximize.quality import repetition
from c3dvis.maximize.schedule import small_canvas
from c3dvis.maximize.volume.canvas import tile_canvas
from c3dvis.maximize.volume.parametrization import FourierVolume
from c3dvis.maximize.volume.pixel_volume import PixelVolume
from c3dvis.spec import RenderSpec
from tests.maximize.small_c3d import small_c3d
from tests.maximize.test_parametrization import C3D_LIKE, PLAIN, WAVE, sampled, view


def test_copies_of_a_small_canvas_fill_a_large_one_without_its_period():
    small, large = FourierVolume((4, 48, 48), WAVE, repeats=True), FourierVolume((4, 112, 96), WAVE)
    repeated, tiled = [], []
    for seed in range(8):  # one picture of few waves may resemble itself anywhere
        parameters = small.start(seed) * 200
        laid = sampled(large, tf.constant(tile_canvas(small, parameters, seed, large)[np.newaxis]))
        tile = sampled(small, tf.constant(parameters[np.newaxis]))
        assert laid.std() == pytest.approx(tile.std(), rel=0.2)  # as strong as it was
        repeated.append(repetition((laid * 255).astype(np.uint8), (48, 48)))
        tiled.append(repetition((np.tile(tile, (1, 3, 2, 1))[:, :112] * 255).astype(np.uint8), (48, 48)))
    assert np.mean(repeated) < 0.3 < 0.9 < np.mean(tiled)
    parameters = small.start(1)
    other = tile_canvas(small, parameters, 4, large)
    assert not np.array_equal(other, tile_canvas(small, parameters, 3, large))


def test_no_two_neighbouring_copies_are_rolled_alike():
    """One spot to a copy: wherever the rolls of neighbours come together, spots would stand one period apart."""
    small, large = (PixelVolume((1, side, side), C3D_LIKE) for side in (32, 112))
    across = np.exp(-np.square(np.arange(32) - 16) / 18)
    spot = (across[:, np.newaxis] * across)[np.newaxis, ..., np.newaxis] * np.full(3, 200)
    for seed in range(24):
        laid = np.clip(tile_canvas(small, spot, seed, large), 0, 255).astype(np.uint8)
        assert repetition(laid, (32, 32)) < 0


@pytest.mark.parametrize("parametrization", ["moving", "texture", "fourier", "natural"])
def test_beyond_an_edge_a_view_sees_the_next_copy_of_a_small_canvas_and_of_a_clip_its_edge(parametrization):
    spec = RenderSpec(
        network="small-c3d", layer="conv3b", frames=8, height=64, width=64, parametrization=parametrization
    )
    assert small_canvas(spec, small_c3d().info) == (8, 32, 32)
    for size, seen in (((8, 32, 32), -3), (spec.size, 0)):
        volume = parametrization_of(small_c3d(), spec, size)
        moved, plain = (volume.prepare(through)[1][0] for through in (view(shift=(0, -3, 0)), PLAIN))
        np.testing.assert_allclose(moved[0], plain[seen], atol=1e-5)
        assert not np.allclose(plain[0], plain[-3], atol=1e-2)


def test_compiled_steps_of_a_small_canvas_are_not_those_of_a_clip_of_its_size():
    specs = [RenderSpec(network="small-c3d", layer="conv3b", frames=8, height=side, width=side) for side in (64, 32)]
    seen = []
    for spec in specs:
        steps = compiled_steps(small_c3d(), spec, (8, 32, 32), "float32", EnergyTerms(), 1)
        seen.append(steps.parametrization.prepare(view(shift=(0, -3, 0)))[1])
    assert not np.array_equal(*seen)
