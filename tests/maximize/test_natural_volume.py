"""A natural volume has the amplitudes of natural video whatever its parameters; phases and directions are free."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from c3dvis.maximize.volume.natural_volume import SPATIAL_FALL, TEMPORAL_FALL, NaturalVolume
from c3dvis.maximize.volume.parametrization import COLOUR_CORRELATION, FourierVolume
from c3dvis.spec import PRESETS, RenderSpec

SIZE = (8, 24, 20)
PLAIN = np.zeros((1, 6), np.float32)


def sampled(volume: FourierVolume, parameters: np.ndarray | tf.Tensor, view: np.ndarray = PLAIN) -> tf.Tensor:
    return volume.sample(tf.constant(parameters), [tf.constant(part[0]) for part in volume.prepare(view)])


def amplitudes(volume: np.ndarray) -> np.ndarray:
    """Of the waves of each frequency in a volume (T, H, W, 3) in (0, 1), in the decorrelated colours, (t, h, w, 3).

    By NumPy's transform; waves that are each other's mirror images in time, height and width are taken together.
    """
    values = np.log(volume / (1 - volume)).astype(float) @ np.linalg.inv(COLOUR_CORRELATION.T)
    power = np.abs(np.fft.fftn(values, axes=(0, 1, 2))) ** 2
    for axis in range(3):
        mirrored = np.roll(np.flip(power, axis), 1, axis)
        own = np.arange(power.shape[axis])[np.newaxis] * 2 % power.shape[axis] == 0  # its own mirror image
        power = np.where(np.moveaxis(own.reshape(-1, 1, 1, 1), 0, axis), power, (power + mirrored) / 2)
    return np.sqrt(power)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.floats(0.1, 1000), st.tuples(*[st.floats(-6, 6)] * 3))
def test_the_amplitudes_are_those_of_natural_video(seed, strength, shift):
    volume = NaturalVolume(SIZE, repeats=True)  # so that a moved one has the same waves
    parameters = volume.start(seed) * strength * np.random.default_rng(seed).exponential(size=volume.shape)
    view = np.array([[*shift, 0, 0, 0]], np.float32)
    found = amplitudes(sampled(volume, parameters[np.newaxis].astype(np.float32), view)[0].numpy())
    for t, h, w in [(0, 1, 0), (1, 1, 2), (2, 5, 3), (3, 0, 7), (1, 7, 7), (2, 1, 0)]:
        expected = np.hypot(h / 24, w / 20) ** -SPATIAL_FALL * (max(t, 0.5) / 8) ** -TEMPORAL_FALL
        reference = np.hypot(1 / 24, 1 / 20) ** -SPATIAL_FALL * (1 / 8) ** -TEMPORAL_FALL
        ratio = found[t, h, w] / found[1, 1, 1]
        np.testing.assert_allclose(ratio, expected / reference, rtol=0.02)


@pytest.mark.parametrize("direction", [-1, 1])
def test_the_direction_is_free(direction):
    """The same amplitudes make a volume that moves to the left or to the right."""
    volume = NaturalVolume((8, 16, 16), 55)
    texture = np.tile(np.random.default_rng(0).normal(size=(16, 8, 3)), (1, 2, 1))  # repeats after 8 pixels: 8 frames
    moving = np.stack([np.roll(texture, direction * frame, 1) for frame in range(8)])
    clip = sampled(volume, volume.from_linear(moving)[np.newaxis])[0].numpy()
    clip -= clip.mean(axis=0)  # what stands still
    along, against = ((clip[1:] * np.roll(clip[:-1], step, 2)).mean() for step in (direction, -direction))
    assert along > 2 * abs(against)


@pytest.mark.parametrize("grey", [False, True])
def test_its_contrast_is_held(grey):
    volume = NaturalVolume((8, 48, 48), 55, 1 if grey else 3)
    sample = 255 * sampled(volume, volume.start(3)[np.newaxis])[0].numpy()
    assert sample.std() == pytest.approx(55, rel=0.1 if grey else 0.05)
    assert np.array_equal(sample[..., 0], sample[..., 2]) == grey


def test_its_gradient_agrees_with_finite_differences():
    volume = NaturalVolume((3, 8, 8))
    parameters = tf.constant(volume.start(3)[np.newaxis] * 100)
    target = tf.random.stateless_uniform((3, 8, 8, 3), (1, 2)) - 0.5
    direction = tf.random.stateless_normal((1, *volume.shape), (3, 4))

    def value(x: tf.Tensor) -> Any:
        return tf.reduce_sum(sampled(volume, x) * target)

    with tf.GradientTape() as tape:
        tape.watch(parameters)
        out = value(parameters)
    gradient: Any = tape.gradient(out, parameters)
    step = 1e-2
    measured = (value(parameters + step * direction) - value(parameters - step * direction)) / (2 * step)
    np.testing.assert_allclose(measured, tf.reduce_sum(gradient * direction), rtol=5e-3)


def test_the_preset_names_it():
    assert RenderSpec(layer="Mixed_4c", filter=1, **PRESETS["natural"]).parametrization == "natural"
