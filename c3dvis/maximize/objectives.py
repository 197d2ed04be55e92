"""What is maximised: a number of a layer's response, as a function of tensors."""

import numpy as np
import tensorflow as tf

from c3dvis.spec import RenderSpec

# Below zero the objective still rises a little with the pre-activation, so that a filter that starts silent gets
# a gradient and comes alive (cf. leaky ReLU, Maas et al. 2013). 0 is the ReLU itself.
LEAK = 0.1


def positions(spec: RenderSpec, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Weight of every position (t, h, w) float32, summing to 1: all alike, or one neuron."""
    t, h, w = shape[:3]
    if spec.objective != "neuron":
        return np.full((t, h, w), 1 / (t * h * w), np.float32)
    weights = np.zeros((t, h, w), np.float32)
    weights[spec.position or (t // 2, h // 2, w // 2)] = 1
    return weights


def filter_weights(spec: RenderSpec, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Weight of every filter (filters,) float32."""
    weights = np.zeros(shape[3], np.float32)
    for index, weight in spec.filters:
        weights[index] = weight
    return weights


def weighted_response(
    before: tf.Tensor, after: tf.Tensor, positions: tf.Tensor, filters: tf.Tensor, leak: float
) -> tf.Tensor:
    """Weighted mean of the response of some filters; leaking below zero where the layer has a ReLU.

    Args:
        before, after: (1, t, h, w, filters), before and after the activation function.
        positions: (t, h, w), filters: (filters,).
        leak: slope below zero, in [0, 1].
    """
    before, after = tf.cast(before, tf.float32), tf.cast(after, tf.float32)
    response = after + leak * (before - after)  # before − after is the part that the ReLU cut off
    per_filter = tf.einsum("thw,thwf->f", positions, tf.reshape(response, _grid(positions, filters)))
    return tf.reduce_sum(per_filter * filters)


def mean_square(after: tf.Tensor) -> tf.Tensor:
    """Mean square of a whole layer's response: DeepDream (Mordvintsev, Olah, Tyka 2015)."""
    return tf.reduce_mean(tf.square(tf.cast(after, tf.float32)))


def _grid(positions: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.shape(positions), tf.shape(filters)], 0)
