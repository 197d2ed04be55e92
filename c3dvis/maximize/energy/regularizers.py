"""Regularisers: penalties on strong colours and on total variation of a volume in space and in time.

Every function takes volumes (N, T, H, W, planes) and returns one value per volume, (N,) float32. Lp reads them in units
where 0 is middle grey and ±0.5 are black and white; total variation does not depend on where 0 lies.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# |x|^β with β < 2 has no finite derivative at 0. The square of this (in units of the shown range) is added to x².
_SMOOTH = 1e-4


def lp_norm(volumes: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Power mean (mean |x|^p)^(1/p), from 0 to 0.5.

    keras-vis (`vis/regularizers.py`, `LPNorm`) divides (Σ|x|^p)^(1/p) by N instead, which on a video makes the term
    vanish. This one is that times N^(1 − 1/p), so that it does not depend on the clip's size.
    """
    # log and exp, not pow: TensorFlow's gradient of pow also computes that with respect to the exponent
    mean = tf.reduce_mean(tf.exp(p / 2 * tf.math.log(tf.square(volumes) + 1e-20)), [1, 2, 3, 4])
    return tf.exp(tf.math.log(mean + 1e-30) / p)


def variation(
    volumes: tf.Tensor, beta: tf.Tensor, space: bool, time: bool, squared: bool
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """The (spatial, temporal) total variation, each None unless asked for, by the cheapest of the functions below.

    Args:
        squared: β is 2.
    """
    if squared:
        in_space = squared_variation(volumes, 2) + squared_variation(volumes, 3) if space else None
        return in_space, squared_variation(volumes, 1) if time else None
    if not space:
        return None, temporal_variation(volumes, beta) if time else None
    in_space, in_time = total_variation(volumes, beta)
    return in_space, in_time if time else None


def total_variation(volumes: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(spatial, temporal) total variation per value: Σ(Δh² + Δw²)^(β/2)/N and Σ(Δt²)^(β/2)/N.

    Mahendran and Vedaldi 2015 (arXiv:1412.0035), with time apart from space after Feichtenhofer et al. 2018
    (arXiv:1801.01415). As in keras-vis (`vis/regularizers.py`, `TotalVariation`), the last slab of the other axes is
    left out and N counts every value of a volume: with β = 2 and equal weights the two add up to its term. An axis of
    length 1 has no variation.
    """
    static: Any = volumes.shape
    _, frames, height, width, channels = static
    # In one long row of values a neighbour along any axis is a fixed distance away. Differences are then plain memory
    # copies; slices of a 5-D tensor and their gradients would cost more than the network.
    row = tf.reshape(volumes, [-1, frames * height * width * channels])
    dw = _difference(row, channels) if width > 1 else tf.zeros_like(row)
    dh = _difference(row, channels * width) if height > 1 else tf.zeros_like(row)
    dt = _difference(row, channels * width * height) if frames > 1 else tf.zeros_like(row)
    inner = _all_inner(frames, height, width, channels)
    count = frames * height * width * channels
    space = inner * _power(tf.square(dh) + tf.square(dw), beta)
    time = inner * _power(tf.square(dt), beta) if frames > 1 else tf.zeros_like(row[:, :1])
    return tf.reduce_sum(space, -1) / count, tf.reduce_sum(time, -1) / count


def squared_variation(volumes: tf.Tensor, axis: int) -> tf.Tensor:
    """The part of `total_variation` with β = 2 along one axis: 1 is time, 2 height, 3 width.

    The gradient is written by hand. TensorFlow's own takes five times as long, which shows in the time of a step.
    """

    def variation(volumes: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        shape: Any = volumes.shape
        if shape[axis] == 1:
            return tf.zeros_like(volumes[:, 0, 0, 0, 0]), lambda upstream: tf.zeros_like(volumes)
        rows: Any = tf.reshape(volumes, (-1, math.prod(shape[1:axis]), shape[axis], math.prod(shape[axis + 1 :])))
        counts = np.ones((1, *shape[1:]), np.float32)
        for other in {1, 2, 3} - {axis}:
            counts *= _inner(shape[other]).reshape([-1 if i == other else 1 for i in range(5)])
        counts = counts.reshape((1, *rows.shape[1:]))[:, :, 1:] / math.prod(shape[1:])
        change = rows[:, :, 1:] - rows[:, :, :-1]
        counted = change * counts

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            inner = counted[:, :, :-1] - counted[:, :, 1:]
            slope = tf.concat([-counted[:, :, :1], inner, counted[:, :, -1:]], 2)
            return tf.reshape(2 * upstream, (-1, 1, 1, 1, 1)) * tf.reshape(slope, tf.shape(volumes))

        return tf.reduce_sum(change * counted, [1, 2, 3]), gradient

    with_gradient: Any = tf.custom_gradient(variation)
    return with_gradient(volumes)


def temporal_variation(volumes: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    """The temporal part of `total_variation` alone, for any β other than 2.

    The gradient is written by hand, as that of `squared_variation`. With `total_variation` and TensorFlow's gradient a
    step took up to a fifth longer.
    """
    static: Any = volumes.shape
    _, frames, height, width, channels = static
    if frames == 1:
        return tf.zeros_like(volumes[:, 0, 0, 0, 0])
    count, distance = frames * height * width * channels, channels * width * height
    inner = (_all_inner(frames, height, width, channels) / count).astype(np.float32)

    def variation(row: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        change = _difference(row, distance)
        squares = tf.square(change) + _epsilon(beta)
        counted = inner * tf.exp(beta / 2 * tf.math.log(squares))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            slope = beta * tf.reshape(upstream, (-1, 1)) * counted * change / squares
            return tf.concat([tf.zeros_like(slope[:, :distance]), slope[:, :-distance]], 1) - slope

        return tf.reduce_sum(counted, -1), gradient

    with_gradient: Any = tf.custom_gradient(variation)
    return with_gradient(tf.reshape(volumes, [-1, count]))


def _inner(size: int) -> np.ndarray:
    """(size,) float32: 1 for an index that has a next one, 0 for the last; a single index counts as having one."""
    return (np.arange(size) < max(size - 1, 1)).astype(np.float32)


def _all_inner(frames: int, height: int, width: int, channels: int) -> np.ndarray:
    """(1, values) float32: 1 for each value of a volume that has a next one along every axis."""
    plane = _inner(height)[:, np.newaxis, np.newaxis] * _inner(width)[:, np.newaxis]  # (height, width, 1)
    inner = _inner(frames)[:, np.newaxis, np.newaxis, np.newaxis] * plane * np.ones(channels, np.float32)
    return inner.reshape(1, -1)


def _difference(row: tf.Tensor, distance: int) -> tf.Tensor:
    """row[:, i + distance] − row[:, i]. The caller masks the values at the end, which have no such neighbour."""
    return tf.concat([row[:, distance:], row[:, -distance:]], 1) - row


def _power(squares: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    """squares^(β/2), smooth at 0 where β < 2."""
    return tf.cond(beta == 2, lambda: squares, lambda: tf.exp(beta / 2 * tf.math.log(squares + _epsilon(beta))))


def _epsilon(beta: tf.Tensor) -> tf.Tensor:
    """Added to a square before its logarithm is taken."""
    return tf.where(beta < 2, tf.constant(_SMOOTH**2), 1e-30)
