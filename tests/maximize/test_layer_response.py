"""Means over positions and their backward pass, against NumPy and TensorFlow's gradient."""

import numpy as np
import pytest
import tensorflow as tf

import c3dvis
from c3dvis.maximize.energy.layer_response import filter_means, gradient_of_means
from c3dvis.maximize.energy.objectives import position_weights
from c3dvis.networks.compute.forward import Response
from tests.maximize.small_c3d import PRECISIONS

SHAPE = (2, 3, 3, 4)
RESPONSE = np.random.RandomState(0).normal(size=(2, *SHAPE)).astype(np.float32)


def spec(**changes) -> c3dvis.RenderSpec:
    return c3dvis.RenderSpec(filter=2, **changes)


def test_a_filter_is_its_mean_and_a_neuron_one_position():
    mean = filter_means(tf.constant(RESPONSE), tf.constant(position_weights(spec(), SHAPE)))
    np.testing.assert_allclose(mean, RESPONSE.mean(axis=(1, 2, 3)), rtol=1e-5, atol=1e-7)
    one = position_weights(spec(objective="neuron", position=(1, 0, 2)), SHAPE)
    np.testing.assert_allclose(filter_means(tf.constant(RESPONSE), tf.constant(one)), RESPONSE[:, 1, 0, 2], rtol=1e-6)
    assert position_weights(spec(objective="neuron"), SHAPE)[1, 1, 1] == 1  # the centre


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(2, 8, 56, 56, 192), (1, 7, 53, 60, 192)])
def test_a_large_response_is_averaged_as_exactly_as_a_small_one(shape, precision):
    large = np.random.RandomState(1).normal(0.5, 1, shape).astype(np.float32)
    rounded = tf.cast(large, precision)
    exact = rounded.numpy().astype(np.float64)
    np.testing.assert_allclose(filter_means(rounded, None), exact.mean((1, 2, 3)), rtol=1e-3, atol=1e-3)
    weights = np.zeros(shape[1:4], np.float32)
    weights[3, 20, 30] = 1
    np.testing.assert_allclose(filter_means(rounded, tf.constant(weights)), exact[:, 3, 20, 30], rtol=1e-6)
    small = tf.constant(RESPONSE)
    np.testing.assert_array_equal(
        filter_means(small, None), filter_means(small, tf.constant(position_weights(spec(), SHAPE)))
    )


@pytest.mark.parametrize("objective", ["filter", "neuron"])
@pytest.mark.parametrize("rectified", [True, False])
def test_the_gradient_of_means_is_that_of_tensorflow(objective, rectified):
    weights = tf.constant(position_weights(spec(objective=objective), SHAPE))
    before = tf.constant(RESPONSE)
    after = tf.nn.relu(before) if rectified else tf.tanh(before)
    upstream_before, upstream_after = (
        tf.constant(np.random.RandomState(seed).normal(size=(2, 4)), tf.float32) for seed in (1, 2)
    )
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([before, after])
        activated = tf.nn.relu(before) if rectified else tf.tanh(before)
        total = tf.reduce_sum(
            upstream_before * filter_means(before, weights) + upstream_after * filter_means(activated, weights)
        )
    expected = np.asarray(tape.gradient(total, before))

    def pull_back(of_before, of_after):
        if of_after is None:
            return of_before
        return of_before + of_after * (1 - tf.square(after))

    response = Response(before, after, rectified, pull_back)
    gradients = gradient_of_means(response, upstream_before, upstream_after, weights if objective == "neuron" else None)
    assert (gradients[1] is None) == rectified
    np.testing.assert_allclose(pull_back(*gradients), expected, rtol=1e-5, atol=1e-8)
