"""What is maximised: a number of a layer's response, as a function of tensors."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.networks.compute.forward import Response
from c3dvis.spec import RenderSpec

# Below zero the objective still rises a little with the pre-activation, so that a filter that starts silent gets
# a gradient and comes alive (cf. leaky ReLU, Maas et al. 2013). 0 is the ReLU itself.
LEAK = 0.1

# A rival counts as beaten once it stays this far below the target, in the logarithm of the standardised response.
_MARGIN = 0.1
# How softly the strongest rival is chosen, on the same scale.
_SOFTNESS = 0.1
# Standardised responses below this are as good as silent.
_SILENT = 0.05

# A response of more numbers than this is averaged over blocks of positions in its own precision: to cast it would take
# longer than the network takes for it. The rounded means of blocks are themselves averaged in float32.
_LARGE = 2**22
_BLOCK = (4, 16, 16)


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


def per_filter(response: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
    """Weighted mean over positions of every filter, (N, filters) float32, of a response (N, t, h, w, filters).

    Args:
        positions: (t, h, w) float32 weights that sum to 1; None where all count alike.
    """
    shape: Any = response.shape
    places = math.prod(shape[1:-1])  # a dense layer has one
    if positions is None and response.dtype != tf.float32 and places * shape[-1] >= _LARGE:
        block = [
            next(length for length in range(most, 0, -1) if size % length == 0)
            for size, most in zip(shape[1:-1], _BLOCK, strict=True)
        ]
        means = tf.nn.avg_pool3d(response, block, block, "VALID")
        return tf.reduce_mean(tf.cast(means, tf.float32), [1, 2, 3])
    weights = tf.constant(np.full(places, 1 / places, np.float32)) if positions is None else positions
    features = tf.reshape(tf.cast(response, tf.float32), (-1, places, shape[-1]))
    return tf.squeeze(tf.matmul(tf.reshape(weights, (1, 1, places)), features), 1)


def slopes_of_means(
    response: Response, by_before: tf.Tensor, by_after: tf.Tensor, positions: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """What `Response.backward` takes, of the gradients (N, filters) by the means of `before` and `after`.

    Args:
        positions: (t, h, w) float32 weights of `per_filter`; None where all count alike.
    """
    before: Any = response.before
    places = math.prod(before.shape[1:-1])
    scale = tf.constant(1 / places) if positions is None else tf.reduce_max(positions)
    per_place: Any = (-1, *[1] * (before.shape.rank - 2), before.shape[-1])

    def at_each_place(by: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reshape(scale * by, per_place), before.dtype)

    def weighed(slope: tf.Tensor) -> tf.Tensor:
        if positions is None:
            return tf.broadcast_to(slope, tf.shape(before))
        return slope * tf.cast(tf.reshape(positions / scale, (1, *before.shape[1:-1], 1)), before.dtype)

    if not response.rectified:
        return weighed(at_each_place(by_before)), weighed(at_each_place(by_after))
    slope = tf.where(before > 0, at_each_place(by_before + by_after), at_each_place(by_before))
    return (slope if positions is None else weighed(slope)), None


def weighted_response(before: tf.Tensor, after: tf.Tensor, filters: tf.Tensor, leak: float | tf.Tensor) -> tf.Tensor:
    """Weighted sum (N,) of some filters' responses; leaking below zero where the layer has a ReLU.

    Args:
        before, after: (N, filters) from `per_filter`, before and after the activation function.
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

    Every filter's response is standardised by its mean and deviation over noise, as the measure *selectivity* does;
    what is compared is the logarithm, so that it does not matter how strongly the layer responds as a whole.

    Args:
        after: (N, filters) from `per_filter`.
        filters: (N, filters), 1 for the target and 0 for its rivals.
        noise: (2, filters): mean, and 1/deviation; 0 in place of the latter takes a filter out of the race.
    """
    score = tf.math.log(tf.maximum((after - noise[0]) * noise[1], _SILENT))
    target = tf.reduce_sum(score * filters, -1)
    strongest = _SOFTNESS * tf.reduce_logsumexp((score - 1e9 * filters) / _SOFTNESS, -1)
    runs = tf.cast(target > math.log(2 * _SILENT), tf.float32)  # before it does, it is to rise, whoever else does
    return runs * tf.nn.relu(strongest - target + _MARGIN)


def likeness(after: tf.Tensor) -> tf.Tensor:
    """How much the layer's response to each volume is like that to the others, (N,): 1 is alike.

    Cosine between the Gram matrices of the responses, after the diversity term of Olah et al. 2017.

    Args:
        after: (N, t, h, w, filters), N at least 2.
    """
    shape: Any = after.shape
    count = shape[0]
    features = tf.reshape(tf.cast(after, tf.float32), (count, math.prod(shape[1:-1]), shape[-1]))
    gram = tf.reshape(tf.matmul(features, features, transpose_a=True), (count, -1))
    gram = tf.math.l2_normalize(gram, 1)
    return (tf.reduce_sum(tf.matmul(gram, gram, transpose_b=True), 1) - 1) / (count - 1)
