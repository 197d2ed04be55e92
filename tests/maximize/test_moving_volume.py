"""A moving volume is one texture that a smooth motion shows, plus what changes."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from c3dvis.maximize.quality import shifted
from c3dvis.maximize.volume.moving_volume import MODES, MovingVolume
from c3dvis.maximize.volume.parametrization import COLOUR_CORRELATION, START_DEVIATION, FourierVolume
from c3dvis.maximize.volume.warp import warp
from c3dvis.media.warp import sample as sample_in_numpy
from tests.maximize.test_parametrization import PLAIN, WAVE, sampled, seen, value_and_gradient, view


def moving(size=(8, 24, 20), seed=3, *, motion: float = 1.0, **options: Any) -> tuple[MovingVolume, tf.Tensor]:
    """A volume and strong parameters (1, *shape), their motion multiplied."""
    volume = MovingVolume(size, WAVE, **options)
    return volume, joined(*_strong(volume, seed, motion))


def joined(*parts: tf.Tensor) -> tf.Tensor:
    """What `MovingVolume.parts` takes apart."""
    return tf.concat([tf.reshape(part, (1, -1)) for part in parts], 1)


def _strong(volume: MovingVolume, seed: int, motion: float) -> list[tf.Tensor]:
    texture, velocity, *change = volume.parts(tf.constant(volume.start(seed)[np.newaxis]))
    return [texture / START_DEVIATION, velocity * motion, *(each / START_DEVIATION for each in change)]


@settings(deadline=None)  # a busy machine takes longer
@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from([1, 3, 5]), st.integers(1, 3), st.integers(0, 999))
def test_a_warp_and_its_gradient_are_those_of_plain_bilinear_sampling(height, width, channels, count, seed):
    draw = np.random.Generator(np.random.PCG64(seed))
    pictures = draw.normal(size=(count, height, width, channels)).astype(np.float32)
    rows, columns = (draw.uniform(-2, length + 1, (count, 2, 3, 4)).astype(np.float32) for length in (height, width))
    upstream = draw.normal(size=(count, 2, 3, 4, channels)).astype(np.float32)
    inputs = [tf.constant(each) for each in (pictures, rows, columns)]

    def gradients(function: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            result = function(*inputs)
            total = tf.reduce_sum(result * upstream)
        return result.numpy(), tape.gradient(total, inputs)

    found, by_hand = gradients(warp)
    plain, by_tensorflow = gradients(_plain_warp)
    in_numpy = np.stack([sample_in_numpy(*each) for each in zip(pictures, rows, columns, strict=True)])
    np.testing.assert_allclose(found, in_numpy, atol=1e-5)
    np.testing.assert_allclose(found, plain, atol=1e-5)
    for one, other in zip(by_hand, by_tensorflow, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def _plain_warp(pictures: Any, rows: Any, columns: Any) -> Any:
    """Sums over all pixels, weighted by the hat function of their distance: slow, and differentiated by TensorFlow."""
    by_row, by_column = (
        tf.nn.relu(
            1 - tf.abs(tf.expand_dims(tf.clip_by_value(at, 0.0, length - 1.0), -1) - tf.range(length, dtype=tf.float32))
        )
        for at, length in ((rows, pictures.shape[1]), (columns, pictures.shape[2]))
    )
    return tf.einsum("ntijh,ntijw,nhwc->ntijc", by_row, by_column, pictures)


@given(st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30]), st.integers(2, 7), st.integers(2, 7), st.booleans())
@settings(deadline=None)
def test_a_position_that_is_no_number_gives_none_and_others_the_edge(place, height, width, across):
    pictures = tf.reshape(tf.range(height * width, dtype=tf.float32), (1, height, width, 1))
    rows, columns = tf.fill((1, 1, 1, 2), 0.0), tf.fill((1, 1, 1, 2), np.float32(place))
    found = warp(pictures, *((rows, columns) if across else (columns, rows))).numpy().ravel()
    if np.isnan(place):
        assert np.isnan(found).all()
    else:
        last = (width - 1 if across else (height - 1) * width) if place > 0 else 0
        np.testing.assert_array_equal(found, last)


@pytest.mark.parametrize("size", [(16, 112, 112), (5, 33, 18), (1, 8, 8), (2, 3, 64)])
@pytest.mark.parametrize("changes", [True, False])
def test_a_moving_volume_is_bounded_held_and_of_the_clips_size(size, changes):
    volume, parameters = moving(size, contrast=42, changes=changes)
    sample = sampled(volume, parameters)
    assert sample.shape == (*size, 3)
    assert 0 <= sample.min() < sample.max() <= 1
    assert 255 * sample.std() == pytest.approx(42, rel=0.1)


def test_a_steady_velocity_moves_the_texture_by_as_much_in_every_frame():
    """Of no other modes and no changes: each frame is the one before, moved."""
    volume, parameters = moving((8, 40, 40), changes=False, motion=0)
    texture, _velocity = volume.parts(parameters)
    steady = np.zeros((1, *MODES, 2), np.float32)
    steady[0, 0, 0, 0] = 2, -4  # of the slowest mode, which is half a pixel per frame
    clip = sampled(volume, joined(texture, tf.constant(steady)))
    assert np.abs(clip[0] - clip[1]).max() > 0.05
    for earlier, later in itertools.pairwise(clip):  # I(x + t·v) shows content that moves by −v
        np.testing.assert_allclose(later[:-1, 2:], earlier[1:, :-2], atol=2e-3)


def test_what_changes_moves_with_the_frame_as_a_whole():
    """Changes that are the same in all frames are seen to move by the mean velocity, between pixels too."""
    volume, parameters = moving((8, 40, 40), motion=0)
    texture, velocity, change = volume.parts(parameters)
    constant = change * tf.reshape(tf.one_hot(0, change.shape[1]), (1, -1, 1, 1, 1))
    steady = np.zeros_like(velocity)
    steady[0, 0, 0, 0] = 2, -4  # of the slowest mode, which is half a pixel per frame
    clip = sampled(volume, joined(0 * texture, tf.constant(steady), constant))
    assert np.abs(clip[0] - clip[1]).max() > 0.05
    for earlier, later in itertools.pairwise(clip):
        np.testing.assert_allclose(later[:-1, 2:], earlier[1:, :-2], atol=2e-4)


def test_a_texture_moves_as_a_whole_with_the_velocity_that_is_asked_for():
    volume, parameters = moving((8, 40, 40))
    found = volume.moving_as_a_whole(parameters[0].numpy(), (1.0, -2.0))
    texture, velocity, change = volume.parts(tf.constant(found[np.newaxis]))
    np.testing.assert_array_equal(texture, volume.parts(parameters)[0])
    assert np.count_nonzero(velocity) == 2
    assert not np.any(change)
    for earlier, later in itertools.pairwise(sampled(volume, tf.constant(found[np.newaxis]))):
        np.testing.assert_allclose(later[1:, :-2], earlier[:-1, 2:], atol=2e-3)


def test_the_texture_is_not_displaced_in_the_middle_and_stands_still_without_motion():
    volume, parameters = moving((9, 24, 20), changes=False)
    _, velocity = volume.parts(parameters)
    found = volume.displacements(velocity, [tf.constant(part[0]) for part in volume.prepare(PLAIN)[:3]])
    for axis in found:
        np.testing.assert_allclose(axis[0, 4], 0, atol=1e-5)
        assert np.abs(axis[0, 0]).max() > 0.1
    still = sampled(*moving((9, 24, 20), changes=False, motion=0))
    np.testing.assert_allclose(still, np.broadcast_to(still[:1], still.shape), atol=1e-5)
    assert np.abs(np.diff(sampled(*moving((9, 24, 20), motion=0)), axis=0)).max() > 0.05  # changes change it


@pytest.mark.parametrize("changes", [True, False])
def test_a_view_of_a_moving_volume_is_a_moved_clip(changes):
    volume, parameters = moving(changes=changes)
    plain = sampled(volume, parameters)
    moved = sampled(volume, parameters, view(shift=(2, -3, 5)))
    np.testing.assert_allclose(moved, shifted(plain, (-2, 3, -5)), atol=2e-5)


def test_each_moving_volume_is_sampled_from_its_own_parameters():
    volume, first = moving(seed=1)
    _, second = moving(seed=2)
    both = seen(volume, tf.concat([first, second], 0), view(shift=(1, 2, 3))).numpy()
    for index, one in enumerate((first, second)):
        np.testing.assert_allclose(both[index], sampled(volume, one, view(shift=(1, 2, 3))), atol=1e-5)
    assert np.abs(both[0] - both[1]).max() > 0.05


def test_the_gradient_of_a_moving_volume_agrees_with_finite_differences():
    volume, parameters = moving((3, 8, 8), motion=0.3)
    value, gradient = value_and_gradient(volume, parameters)
    for part in range(3):  # texture, motion, changes
        parts = [tf.zeros_like(each) for each in volume.parts(parameters)]
        parts[part] = volume.parts(gradient)[part]
        direction = joined(*parts) / tf.norm(parts[part])
        step = 2e-2
        measured = (value(parameters + step * direction) - value(parameters - step * direction)) / (2 * step)
        np.testing.assert_allclose(measured, tf.norm(parts[part]), rtol=0.02)


def test_a_moving_volume_starts_at_the_frame_of_most_contrast():
    draw = np.random.Generator(np.random.PCG64(0))
    smooth = FourierVolume((4, 24, 20), WAVE, repeats=True)
    volume = smooth.to_linear(draw.normal(size=smooth.shape).astype(np.float32))
    volume[2] *= 3
    start = MovingVolume((4, 24, 20), WAVE, changes=False)
    parameters = start.from_linear(volume, seed=5)
    texture, velocity = start.parts(tf.constant(parameters[np.newaxis]))
    np.testing.assert_array_equal(velocity, start.parts(tf.constant(start.start(5)[np.newaxis]))[1])
    middle = sampled(start, joined(texture, 0 * velocity))
    waves = np.log(middle[2] / (1 - middle[2])) @ np.linalg.inv(4 * COLOUR_CORRELATION.T)
    assert np.corrcoef(waves.ravel(), volume[2].ravel())[0, 1] > 0.95
    assert velocity.shape == (1, *MODES, 2)
