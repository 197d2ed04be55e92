"""Volumes are sampled exactly, within the network's range, and the same for the same seed."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from c3dvis.maximize.quality import shifted
from c3dvis.maximize.volume.moving_volume import MovingVolume
from c3dvis.maximize.volume.natural_volume import NaturalVolume
from c3dvis.maximize.volume.parametrization import (
    BRIGHTNESS,
    START_DEVIATION,
    FourierVolume,
    Parametrization,
)
from c3dvis.maximize.volume.pixel_volume import PixelVolume
from c3dvis.maximize.volume.random_views import SCALE, random_views
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.spec import ENGINE_DEFAULTS

C3D_LIKE = InputDomain((-107.0, -102.0, -95.0), (148.0, 153.0, 160.0), "BGR")
WAVE = 24.0


def view(shift=(0, 0, 0), scale=(0, 0, 0)) -> np.ndarray:
    return np.array([[*shift, *scale]], np.float32)


PLAIN = view()


def strong(volume: FourierVolume) -> tf.Tensor:
    return tf.constant(volume.start(3)[np.newaxis] * 100)


def seen(volume: Parametrization, parameters: tf.Tensor, through: np.ndarray) -> tf.Tensor:
    return volume.sample(parameters, [tf.constant(part[0]) for part in volume.prepare(through)])


def sampled(volume: Parametrization, parameters: tf.Tensor, through: np.ndarray = PLAIN) -> np.ndarray:
    return seen(volume, parameters, through)[0].numpy()


@pytest.mark.parametrize("size", [(16, 112, 112), (5, 33, 18), (1, 8, 8), (2, 9, 64)])
def test_fourier_volume_is_bounded_and_of_the_clips_size(size):
    volume = FourierVolume(size, WAVE)
    sample = sampled(volume, strong(volume))
    assert sample.shape == (*size, 3)
    assert 0 <= sample.min() < sample.max() <= 1


def test_a_whole_shift_is_a_roll_of_a_volume_that_repeats():
    volume = FourierVolume((8, 20, 14), WAVE, repeats=True)
    plain = sampled(volume, strong(volume))
    moved = sampled(volume, strong(volume), view(shift=(2, -3, 5)))
    np.testing.assert_allclose(moved, np.roll(plain, (-2, 3, -5), (0, 1, 2)), atol=2e-5)


def test_a_view_beyond_the_edge_sees_what_a_moved_or_shrunk_clip_is_filled_with():
    """It is what the measure *robustness* does to the clip."""
    volume = FourierVolume((8, 20, 14), WAVE)
    plain = sampled(volume, strong(volume))
    moved = sampled(volume, strong(volume), view(shift=(2, -3, 5)))
    np.testing.assert_allclose(moved, shifted(plain, (-2, 3, -5)), atol=2e-5)
    shrunk = sampled(volume, strong(volume), view(scale=(0, 0.5, 0.5)))
    np.testing.assert_allclose(shrunk[:, :3], np.broadcast_to(shrunk[:, :1], (8, 3, 14, 3)), atol=2e-5)
    np.testing.assert_allclose(shrunk[:, 0, 0], plain[:, 0, 0], atol=2e-5)
    assert np.abs(shrunk[:, 3] - shrunk[:, 4]).max() > 0.01


def test_a_half_pixel_shift_twice_is_a_whole_one():
    """Sampling is exact between pixels: the waves themselves are moved, nothing is interpolated."""
    volume = FourierVolume((1, 16, 16), WAVE, repeats=True)
    parameters = strong(volume)
    once = sampled(volume, parameters, view(shift=(0, 0.5, 0)))
    rows = np.fft.fft(np.log(once / (1 - once)), axis=1)  # undo the sigmoid: waves again
    frequency = np.fft.fftfreq(16)[None, :, None, None]
    twice = np.fft.ifft(rows * np.exp(2j * np.pi * frequency * 0.5), axis=1).real
    whole = sampled(volume, parameters, view(shift=(0, 1, 0)))
    np.testing.assert_allclose(1 / (1 + np.exp(-twice)), whole, atol=1e-4)


@settings(deadline=None)  # a busy machine takes longer
@given(
    st.floats(20, 60), st.floats(0.5, 1000), st.integers(0, 99),
    st.sampled_from([(16, 32, 48), (1, 40, 40), (5, 33, 18)]), st.tuples(*[st.floats(-8, 8)] * 3),
)  # fmt: skip
def test_the_contrast_is_held_whatever_the_parameters(contrast, strength, seed, size, shift):
    volume = FourierVolume(size, WAVE, contrast)
    parameters = tf.constant(strength * volume.start(seed)[np.newaxis] / START_DEVIATION)
    moved, shown = (
        255 * sampled(volume, parameters, through) for through in (view(shift=shift, scale=(0, 0.04, 0.04)), PLAIN)
    )
    for sample in (moved, shown):
        assert sample.std() == pytest.approx(contrast, rel=0.04)
        assert abs(sample.mean() - 127.5) < 255 * (BRIGHTNESS + 0.02)
    # at most the default's contrast; above it, the few waves of a small volume may add up at many places
    most = 0.02 if contrast <= ENGINE_DEFAULTS["fast"]["contrast"] else 0.03 if size[0] == 16 else 0.08
    assert ((shown < 8) | (shown > 247)).mean() < most


def test_the_start_of_a_held_contrast_is_faint():
    volume = FourierVolume((4, 32, 32), WAVE, 42)
    assert 1 < 255 * sampled(volume, tf.constant(volume.start(0)[np.newaxis])).std() < 12


@pytest.mark.parametrize("make", [FourierVolume, NaturalVolume])
def test_more_than_three_channels_are_planes_of_their_own(make: Any) -> None:
    volume = make((4, 32, 32), *([WAVE] if make is FourierVolume else []), contrast=42, channels=5)
    sample = 255 * sampled(volume, strong(volume))
    assert sample.shape == (4, 32, 32, 5)
    assert sample.std() == pytest.approx(42, rel=0.1)
    apart = np.corrcoef(sample.reshape(-1, 5).T) - np.eye(5)
    assert np.abs(apart).max() < 0.35
    coloured = FourierVolume((4, 32, 32), WAVE, 42)
    alike = np.corrcoef(255 * sampled(coloured, strong(coloured)).reshape(-1, 3).T)
    assert alike[0, 1] > 0.6
    flat = volume.to_linear(volume.start(0))
    np.testing.assert_allclose(volume.to_linear(volume.from_linear(flat)), flat, atol=1e-5)


def test_a_grey_volume_is_held_at_its_contrast_too():
    volume = FourierVolume((4, 32, 32), WAVE, 42, channels=1)
    sample = 255 * sampled(volume, strong(volume))
    np.testing.assert_array_equal(sample[..., 0], sample[..., 2])
    assert sample.std() == pytest.approx(42, rel=0.1)


def test_frames_that_are_displaced_are_those_of_moved_views():
    volume = FourierVolume((3, 24, 20), WAVE, repeats=True)
    both = tf.concat([strong(volume), -0.5 * strong(volume)], 0)
    plain = [tf.constant(part[0]) for part in volume.prepare(PLAIN)]
    pixels = np.random.default_rng(0).uniform(-9, 9, (2, 2, 3)).astype(np.float32)  # down and right, volume, frame
    found = volume.values(both, plain, [tf.constant(axis) for axis in pixels])
    for index, frame in np.ndindex(2, 3):
        down, right = pixels[:, index, frame]
        moved = [tf.constant(part[0]) for part in volume.prepare(view(shift=(0, down, right)))]
        expected = volume.values(both[index : index + 1], moved)[0, frame]
        np.testing.assert_allclose(found[index, frame], expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    "make",
    [
        lambda: FourierVolume((5, 32, 32), WAVE, 44.0),
        lambda: NaturalVolume((5, 32, 32), 44.0),
        lambda: MovingVolume((5, 32, 32), WAVE, 44.0),
        lambda: MovingVolume((5, 32, 32), WAVE, 44.0, changes=False),
    ],
)
def test_a_start_at_full_contrast_is_no_longer_faint(make):
    volume = make()
    start = volume.start(3)
    loud = volume.at_full_contrast(start)
    assert 255 * sampled(volume, tf.constant(loud[np.newaxis])).std() == pytest.approx(44, rel=0.1)
    if isinstance(volume, MovingVolume):  # no faster for that
        for parameters in (start, loud):
            _, velocity, *_ = volume.parts(tf.constant(parameters[np.newaxis]))
            assert np.std(velocity) < 1


def test_scale_keeps_the_centre():
    volume = FourierVolume((1, 15, 15), WAVE)
    plain = sampled(volume, strong(volume))
    scaled = sampled(volume, strong(volume), view(scale=(0, 0.1, 0.1)))
    np.testing.assert_allclose(scaled[0, 7, 7], plain[0, 7, 7], atol=1e-5)
    assert np.abs(scaled - plain).max() > 0.01


def value_and_gradient(volume: Parametrization, parameters: tf.Tensor) -> tuple[Any, Any]:
    """A random sum over a volume (3, 8, 8), seen moved and scaled: as a function of parameters, and its gradient."""
    target = tf.random.stateless_uniform((3, 8, 8, 3), (1, 2)) - 0.5

    def value(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(seen(volume, x, view((1, 0.3, -2), (0, 0.05, 0.05))) * target)

    with tf.GradientTape() as tape:
        tape.watch(parameters)
        out = value(parameters)
    return value, tape.gradient(out, parameters)


@pytest.mark.parametrize(("contrast", "tolerance"), [(0, 2e-3), (42, 0.05)])
def test_fourier_gradient_agrees_with_finite_differences(contrast, tolerance):
    """Of a held contrast only nearly: how much the soft limit takes from it counts as a constant."""
    volume = FourierVolume((3, 8, 8), WAVE, contrast)
    parameters = strong(volume)
    value, gradient = value_and_gradient(volume, parameters)
    direction = tf.random.stateless_normal((1, *volume.shape), (3, 4))
    step = 1e-2
    measured = (value(parameters + step * direction) - value(parameters - step * direction)) / (2 * step)
    np.testing.assert_allclose(measured, tf.reduce_sum(gradient * direction), rtol=tolerance)


def test_pixel_volume_starts_grey_and_stays_in_the_networks_range():
    volume = PixelVolume((4, 10, 12), C3D_LIKE)
    start = volume.start(0)
    parameters = tf.constant(start[np.newaxis])
    sample = sampled(volume, parameters)
    assert sample.mean() == pytest.approx(0.5, abs=0.01)
    assert sample.std() == pytest.approx(0.05, rel=0.1)
    far = volume.constrain(parameters * 0 + 1e6)
    np.testing.assert_allclose(seen(volume, far, PLAIN), 1, rtol=1e-6)
    rolled = sampled(volume, parameters, view(shift=(1, 2, -3)))
    np.testing.assert_array_equal(rolled, np.roll(sample, (-1, -2, 3), (0, 1, 2)))


@pytest.mark.parametrize("make", [lambda size: FourierVolume(size, WAVE), lambda size: PixelVolume(size, C3D_LIKE)])
def test_the_start_depends_on_the_seed_alone(make):
    volume = make((4, 16, 16))
    np.testing.assert_array_equal(volume.start(5), make((4, 16, 16)).start(5))
    assert not np.array_equal(volume.start(5), volume.start(6))


def test_each_volume_is_sampled_from_its_own_parameters():
    volume = FourierVolume((4, 12, 10), WAVE)
    both = tf.concat([strong(volume), -strong(volume)], 0)
    samples = seen(volume, both, view(shift=(1, 2, 3))).numpy()
    np.testing.assert_allclose(samples[0], sampled(volume, both[:1], view(shift=(1, 2, 3))), atol=1e-6)
    np.testing.assert_allclose(samples[1], 1 - samples[0], atol=1e-5)


@pytest.mark.parametrize("make", [lambda size: FourierVolume(size, WAVE), lambda size: PixelVolume(size, C3D_LIKE)])
def test_the_parameters_of_a_linear_volume_are_those_it_came_from(make):
    volume = make((4, 16, 14))
    parameters = volume.start(2)
    np.testing.assert_allclose(volume.from_linear(volume.to_linear(parameters)), parameters, rtol=1e-3, atol=1e-6)


def test_the_longest_wave_and_all_longer_ones_are_equally_strong():
    for wave in (12, 48):
        volume = FourierVolume((1, 96, 1), wave, repeats=True)
        powers = []
        for cycles in (1, 2, 4, 8, 16, 32):  # of 96 pixels each: waves of 96, 48, … 3
            parameters = np.zeros(volume.shape, np.float32)
            parameters[0, cycles] = 1
            powers.append(np.square(volume.to_linear(parameters)).sum())
        levels = np.array(powers) / powers[0]
        expected = [min(1.0, (96 / cycles / wave) ** 4) for cycles in (1, 2, 4, 8, 16, 32)]
        np.testing.assert_allclose(levels, expected, rtol=1e-3)


def test_views_stay_within_their_reach_and_do_not_depend_on_how_many_follow():
    views = random_views(400, jitter_pixels=8, jitter_frames=2, seed=1)
    assert set(views[:, 0]) == {-2, -1, 0, 1, 2}
    assert set(views[:, 1]) == set(views[:, 2]) == set(range(-8, 9))
    assert np.all(views[:, 3] == 0)
    np.testing.assert_array_equal(views[:, 4], views[:, 5])
    assert 0.9 * SCALE < np.abs(views[:, 4]).max() <= SCALE
    np.testing.assert_array_equal(views[:50], random_views(50, 8, 2, 1))
    assert not random_views(50, 0, 0, 1).any()
