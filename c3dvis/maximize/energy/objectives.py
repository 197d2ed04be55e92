"""The objectives: scalar functions of a layer's response to maximise."""

import numpy as np
import tensorflow as tf

from c3dvis.spec import RenderSpec

# Below zero the objective still rises a little with the pre-activation, so that a filter that is silent at the start
# has a gradient (cf. leaky ReLU, Maas et al. 2013). 0 is the ReLU itself.
LEAK = 0.1


def position_weights(spec: RenderSpec, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Weight of every position (t, h, w) float32, summing to 1: all equal, or a single neuron.

    Args:
        shape: (t, h, w, filters) of the layer's output.
    """
    t, h, w = shape[:3]
    if spec.objective != "neuron":
        return np.full((t, h, w), 1 / (t * h * w), np.float32)
    weights = np.zeros((t, h, w), np.float32)
    weights[spec.position or (t // 2, h // 2, w // 2)] = 1
    return weights


def filter_weights(spec: RenderSpec, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Weight of every filter (filters,) float32, of a layer's output `shape` (t, h, w, filters)."""
    weights = np.zeros(shape[3], np.float32)
    for index, weight in spec.filters:
        weights[index] = weight
    return weights


def weighted_response(before: tf.Tensor, after: tf.Tensor, filters: tf.Tensor, leak: float | tf.Tensor) -> tf.Tensor:
    """Weighted sum (N,) of filters' mean responses, which leaks below zero where the layer has a ReLU.

    Args:
        before, after: (N, filters) from `layer_response.filter_means`, before and after the activation function.
        filters: (N, filters) weights.
        leak: slope below zero, in [0, 1].
    """
    # before − after is the part that the ReLU cut off
    return tf.reduce_sum((after + leak * (before - after)) * filters, -1)


def mean_square(after: tf.Tensor) -> tf.Tensor:
    """Mean square (N,) of a whole layer's response: DeepDream (Mordvintsev, Olah, Tyka 2015)."""
    after = tf.cast(after, tf.float32)
    return tf.reduce_mean(tf.square(after), list(range(1, after.shape.rank)))
