"""Regularisers against the formulas written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from c3dvis.maximize.energy.regularizers import lp_norm, squared_variation, temporal_variation, total_variation

VOLUME = np.random.RandomState(0).uniform(-0.5, 0.5, (5, 7, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_total_variation_is_the_published_sum(beta):
    space = time = 0.0
    for t in range(4):
        for h in range(6):
            for w in range(5):
                here = VOLUME[t, h, w].astype(np.float64)
                dh, dw, dt = VOLUME[t, h + 1, w] - here, VOLUME[t, h, w + 1] - here, VOLUME[t + 1, h, w] - here
                space += ((dh**2 + dw**2) ** (beta / 2)).sum()
                time += (np.abs(dt) ** beta).sum()
    other = np.roll(VOLUME, 1, axis=0)
    got = np.stack(total_variation(tf.constant(np.stack([VOLUME, other])), tf.constant(beta)))
    np.testing.assert_allclose(got[:, 0], [space / VOLUME.size, time / VOLUME.size], rtol=1e-4)
    assert np.all(got[:, 1] != got[:, 0])  # each volume has its own


@pytest.mark.parametrize("shape", [(2, 5, 7, 6, 3), (1, 1, 8, 8, 3), (1, 4, 1, 6, 3)])
def test_the_squared_variations_are_those_of_each_axis_and_so_are_their_gradients(shape):
    volume = tf.constant(np.random.RandomState(1).uniform(-0.5, 0.5, shape).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(volume)
        space, time = total_variation(volume, tf.constant(2.0))
        ours = squared_variation(volume, 2) + squared_variation(volume, 3), squared_variation(volume, 1)
    for one, other in zip(ours, (space, time), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)
        weights = tf.range(1.0, shape[0] + 1.0)  # each volume's own
        zero = tf.UnconnectedGradients.ZERO
        ours_slope, their_slope = (
            np.asarray(tape.gradient(value, volume, weights, unconnected_gradients=zero)) for value in (one, other)
        )
        np.testing.assert_allclose(ours_slope, their_slope, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.5])
@pytest.mark.parametrize("shape", [(2, 5, 7, 6, 3), (1, 1, 8, 8, 3), (1, 4, 1, 6, 3)])
def test_the_temporal_variation_is_its_part_of_the_total_one_and_so_is_its_gradient(shape, beta):
    volume = tf.constant(np.random.RandomState(1).uniform(-0.5, 0.5, shape).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(volume)
        _, expected = total_variation(volume, tf.constant(beta))
        got = temporal_variation(volume, tf.constant(beta))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-9)
    weights = tf.range(1.0, shape[0] + 1.0)  # each volume's own
    slope, expected = (
        np.asarray(tape.gradient(value, volume, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO))
        for value in (got, expected)
    )
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-8)


def test_a_still_volume_has_no_temporal_variation_and_a_flat_one_none_at_all():
    still = np.repeat(VOLUME[:1], 5, axis=0)
    space, time = total_variation(tf.constant(still[np.newaxis]), tf.constant(2.0))
    assert space > 0.01
    assert time == 0
    np.testing.assert_allclose(total_variation(tf.zeros((1, 5, 7, 6, 3)), tf.constant(1.5)), 0, atol=2e-6)


def test_a_single_frame_has_spatial_variation_alone():
    space, time = total_variation(tf.constant(VOLUME[np.newaxis, :1]), tf.constant(2.0))
    assert space > 0.01
    assert time == 0


@pytest.mark.parametrize("p", [1.0, 2.0, 6.0, 16.0])
def test_lp_is_the_power_mean(p):
    expected = np.mean(np.abs(VOLUME.astype(np.float64)) ** p) ** (1 / p)
    got = lp_norm(tf.constant(np.stack([VOLUME, VOLUME / 2])), tf.constant(p))
    np.testing.assert_allclose(got, [expected, expected / 2], rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1e-9])
def test_gradients_are_finite_on_flat_volumes(value):
    volume = tf.fill((1, 3, 8, 8, 3), value)
    with tf.GradientTape() as tape:
        tape.watch(volume)
        energy = lp_norm(volume, tf.constant(6.0)) + sum(total_variation(volume, tf.constant(1.0)))
    assert np.isfinite(tape.gradient(energy, volume)).all()
