"""The plain operations that the engine traces, held against the same network built from Keras layers."""

import numpy as np
import pytest
import tensorflow as tf

from tests.maximize.small_c3d import ARCHITECTURE, SIZE, small_c3d


@pytest.mark.parametrize("layer", ARCHITECTURE.layers)
def test_both_builds_of_a_network_respond_alike(layer):
    network = small_c3d()
    clips = tf.constant(np.random.RandomState(0).uniform(-128, 128, (2, *SIZE, 3)).astype(np.float32))
    ours, keras = network.forward(clips, layer), network.model(layer, SIZE)(clips)
    for mine, theirs in zip(ours, keras, strict=True):
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * float(np.abs(theirs).max()))


def test_bfloat16_is_near_float32():
    network = small_c3d()
    clips = tf.constant(np.random.RandomState(0).uniform(-128, 128, (1, *SIZE, 3)).astype(np.float32))
    fine, coarse = network.forward(clips, "conv3b")[1], network.forward(tf.cast(clips, "bfloat16"), "conv3b")[1]
    assert coarse.dtype == tf.bfloat16
    difference = np.abs(tf.cast(coarse, tf.float32) - fine).mean() / np.abs(fine).mean()
    assert 0 < difference < 0.02
