"""The part of a layer's response that an energy depends on, and its hand-written gradient.

TensorFlow's own gradient has the same values. But tracing it takes twice as long, which delays the first picture, and
the gradient of the means alone would take a tenth of a step.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from c3dvis.networks.compute.forward import Response

# A response of more values than this is averaged over blocks of positions in its own precision. A cast of all values
# to float32 would take longer than the layer's convolution. The rounded means of blocks are averaged in float32.
_LARGE = 2**22
_BLOCK = (4, 16, 16)


class LayerResponse(NamedTuple):
    """What an energy reads of a layer's response to N clips; None for what it does not read.

    Attributes:
        before, after: (N, filters) float32 mean of each filter's response, before and after its activation function.
        values: (N, t, h, w, filters) or (N, units) after the activation function, in the network's precision.
    """

    before: Any
    after: Any
    values: Any


def layer_response(
    forward: Callable[[tf.Tensor], Response],
    clips: tf.Tensor,
    positions: tf.Tensor | None,
    means: bool = True,
    values: bool = False,
) -> LayerResponse:
    """The layer's response to clips, differentiable with respect to the clips.

    Args:
        forward: from network input to the response and its backward pass.
        clips: (N, T, H, W, channels) network input.
        positions: as in `filter_means`.
        means, values: what to return.
    """

    def respond(clips: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., tf.Tensor]]:
        response = forward(clips)
        outputs = [filter_means(r, positions) for r in (response.before, response.after)] if means else []

        def gradient(*upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> Any:
            before, after = gradient_of_means(response, upstream[0], upstream[1], positions) if means else (None, None)
            parts = [part for part in (after, upstream[-1] if values else None) if part is not None]
            of_clips = response.backward(before, tf.add_n(parts) if parts else None)
            return (of_clips, [None] * len(variables)) if variables else of_clips  # Keras layers have variables

        return ([*outputs, response.after] if values else outputs), gradient

    with_gradient: Any = tf.custom_gradient(respond)
    outputs = with_gradient(clips)
    before, after = outputs[:2] if means else (None, None)
    return LayerResponse(before, after, outputs[-1] if values else None)


def filter_means(response: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
    """Weighted mean over positions of every filter, (N, filters) float32.

    Args:
        response: (N, t, h, w, filters), or (N, units) of a dense layer, which has one position.
        positions: (t, h, w) float32 weights that sum to 1; None where all are equal.
    """
    shape: Any = response.shape
    count = math.prod(shape[1:-1])
    if positions is None and response.dtype != tf.float32 and count * shape[-1] >= _LARGE:
        block = [
            next(length for length in range(most, 0, -1) if size % length == 0)
            for size, most in zip(shape[1:-1], _BLOCK, strict=True)
        ]
        means = tf.nn.avg_pool3d(response, block, block, "VALID")
        return tf.reduce_mean(tf.cast(means, tf.float32), [1, 2, 3])
    weights = tf.constant(np.full(count, 1 / count, np.float32)) if positions is None else positions
    features = tf.reshape(tf.cast(response, tf.float32), (-1, count, shape[-1]))
    return tf.squeeze(tf.matmul(tf.reshape(weights, (1, 1, count)), features), 1)


def gradient_of_means(
    response: Response, upstream_before: tf.Tensor, upstream_after: tf.Tensor, positions: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The backward pass of `filter_means` of `response.before` and `response.after`, written by hand.

    Args:
        upstream_before, upstream_after: (N, filters) gradients with respect to the two means.
        positions: as in `filter_means`.

    Returns:
        The gradients with respect to `before` and `after`, as `Response.backward` takes them. Where `after` is the
        ReLU of `before`, the first holds both and the second is None.
    """
    before: Any = response.before
    count = math.prod(before.shape[1:-1])
    scale = tf.constant(1 / count) if positions is None else tf.reduce_max(positions)
    per_filter: Any = (-1, *[1] * (before.shape.rank - 2), before.shape[-1])

    def scaled(upstream: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reshape(scale * upstream, per_filter), before.dtype)

    def at_positions(gradient: tf.Tensor) -> tf.Tensor:
        if positions is None:
            return tf.broadcast_to(gradient, tf.shape(before))
        return gradient * tf.cast(tf.reshape(positions / scale, (1, *before.shape[1:-1], 1)), before.dtype)

    if not response.rectified:
        return at_positions(scaled(upstream_before)), at_positions(scaled(upstream_after))
    gradient = tf.where(before > 0, scaled(upstream_before + upstream_after), scaled(upstream_before))
    return (gradient if positions is None else at_positions(gradient)), None
