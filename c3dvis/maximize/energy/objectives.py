"""The objectives, scalar functions of a layer's response to maximise, and the terms that compare responses."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.spec import RenderSpec

# Below zero the objective still rises a little with the pre-activation, so that a filter that is silent at the start
# has a gradient (cf. leaky ReLU, Maas et al. 2013). 0 is the ReLU itself.
LEAK = 0.1

# The target leads once its strongest rival is this far below it, in the logarithm of the standardised response.
_MARGIN = 0.1
# Temperature of the soft maximum over the rivals, on the same scale.
_TEMPERATURE = 0.1
# Standardised responses are clipped below at this value.
_SILENT = 0.05


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


def rivalry(after: tf.Tensor, filters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """How far the strongest rival is ahead of the target, (N,): 0 once the target leads by a margin.

    Each filter's response is standardised by its mean and standard deviation over noise, as for the measure
    *selectivity*: z_f = (a_f − μ_f)/σ_f. Logarithms are compared, so that the strength of the whole layer cancels:

        R = max(0, max over rivals f of log z_f − log z_target + margin)          (a soft maximum: logsumexp)

    Args:
        after: (N, filters) from `layer_response.filter_means`.
        filters: (N, filters), 1 for the target and 0 for its rivals.
        noise: (2, filters): μ, and 1/σ; 0 in place of 1/σ takes a filter out of the comparison.
    """
    score = tf.math.log(tf.maximum((after - noise[0]) * noise[1], _SILENT))
    target = tf.reduce_sum(score * filters, -1)
    strongest = _TEMPERATURE * tf.reduce_logsumexp((score - 1e9 * filters) / _TEMPERATURE, -1)
    # while the target responds no more than to noise, it is only maximised, however strong its rivals are
    compared = tf.cast(target > math.log(2 * _SILENT), tf.float32)
    return compared * tf.nn.relu(strongest - target + _MARGIN)


def diversity_penalty(after: tf.Tensor) -> tf.Tensor:
    """Mean cosine between each volume's Gram matrix and those of the others, (N,): 1 where all are equal.

    The Gram matrix G = FᵀF of a response F (positions, filters) does not depend on where in the volume something is.
    After the diversity term of Olah et al. 2017.

    Args:
        after: (N, t, h, w, filters), N at least 2.
    """
    shape: Any = after.shape
    count = shape[0]
    features = tf.reshape(tf.cast(after, tf.float32), (count, math.prod(shape[1:-1]), shape[-1]))
    gram = tf.reshape(tf.matmul(features, features, transpose_a=True), (count, -1))
    gram = tf.math.l2_normalize(gram, 1)
    return (tf.reduce_sum(tf.matmul(gram, gram, transpose_b=True), 1) - 1) / (count - 1)
