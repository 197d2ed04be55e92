"""What is maximised, on responses whose answer is known."""

import numpy as np
import pytest
import tensorflow as tf

import c3dvis
from c3dvis.maximize.objectives import filter_weights, mean_square, per_filter, positions, rivalry, weighted_response

SHAPE = (2, 3, 3, 4)
RESPONSE = np.random.RandomState(0).normal(size=(2, *SHAPE)).astype(np.float32)


def spec(**changes) -> c3dvis.RenderSpec:
    return c3dvis.RenderSpec(filter=2, **changes)


def test_a_filter_is_its_mean_and_a_neuron_one_position():
    mean = per_filter(tf.constant(RESPONSE), tf.constant(positions(spec(), SHAPE)))
    np.testing.assert_allclose(mean, RESPONSE.mean(axis=(1, 2, 3)), rtol=1e-5, atol=1e-7)
    one = positions(spec(objective="neuron", position=(1, 0, 2)), SHAPE)
    np.testing.assert_allclose(per_filter(tf.constant(RESPONSE), tf.constant(one)), RESPONSE[:, 1, 0, 2], rtol=1e-6)
    assert positions(spec(objective="neuron"), SHAPE)[1, 1, 1] == 1  # the centre


def test_a_weighted_sum_leaks_below_zero_by_the_slope():
    before = tf.constant([[1.0, -2.0, 3.0, -4.0]])
    weights = tf.constant(filter_weights(c3dvis.RenderSpec(filter=((0, 2.0), (1, 0.5))), SHAPE)[np.newaxis])
    after = tf.nn.relu(before)
    for leak, expected in ((0.0, 2.0), (0.1, 2.0 - 0.1), (1.0, 2.0 - 1.0)):
        assert float(weighted_response(before, after, weights, leak)[0]) == pytest.approx(expected)


def test_a_layer_is_its_mean_square():
    expected = np.square(RESPONSE).mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(mean_square(tf.constant(RESPONSE)), expected, rtol=1e-5)


NOISE = np.array([[1.0, 1.0, 1.0, 0.0], [10.0, 100.0, 10.0, 0.0]], np.float32)  # the last one is silent on noise
TARGET = np.array([[1.0, 0.0, 0.0, 0.0]], np.float32)


@pytest.mark.parametrize(
    ("responses", "behind"),
    [
        ((5.0, 1.0, 1.0, 0.0), 0.0),  # 40 against 0 and 0
        ((5.0, 1.1, 1.0, 0.0), 0.0),  # 40 against 10
        ((5.0, 1.8, 1.0, 0.0), np.log(80 / 40) + 0.1),
        ((5.0, 1.0, 1.0, 9e9), 0.0),  # who is silent on noise does not race
        ((1.0, 1.8, 1.0, 0.0), 0.0),  # and no one does before the target is above noise
    ],
)
def test_rivalry_is_how_far_the_target_is_behind_its_strongest_rival(responses, behind):
    value = rivalry(tf.constant([responses]), tf.constant(TARGET), tf.constant(NOISE))
    assert float(value[0]) == pytest.approx(behind, abs=1e-3)


def test_less_rivalry_gives_a_better_rank(weights):
    """On a filter that without it is beaten by others of its layer."""
    plain = c3dvis.RenderSpec(
        layer="Mixed_3b", filter=29, frames=8, height=64, width=64, iterations=48, selectivity_weight=0.0
    )
    without, with_it = (c3dvis.render(s).metrics["selectivity"] for s in (plain, plain.replace(selectivity_weight=0.5)))
    assert isinstance(without, int)
    assert isinstance(with_it, int)
    assert with_it < without
