"""The kinds of operations that Keras has no layer for, as functions of tensors (N, t, h, w, channels)."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Activation, Operation
from c3dvis.networks.graph.shape_operations import AXES

Function = Callable[..., Any]
Tensor = Any
"""A `tf.Tensor` whose shape is known; its stubs say that each size may be None."""


def tensor_function(op: Operation) -> Function | None:
    """The function that computes an operation without weights, and without its activation function.

    Returns:
        None where Keras has a layer for the operation that is right. The function of a `Merge` takes a list of tensors.
    """
    match op:
        case ops.MaxPool() if not op.is_plain:
            return partial(_max_pool, op)
        case ops.AveragePool() if not op.is_plain:
            return partial(_average_pool, op)
        case ops.Pad() if not op.adds_zeros:
            return partial(_pad, op)
        case ops.Crop() if op.steps != (1, 1, 1):
            return partial(_crop, op)
        case ops.Constant():
            return partial(_constant, op)
        case ops.Take():
            return lambda value: tf.gather(value, op.indices, axis=AXES.index(op.axis) - 4)
        case ops.Rearrange():
            return partial(_rearrange, op)
        case ops.Resize():
            return partial(_resize, op)
        case ops.Reduce():
            return partial(_reduce, op)
        case ops.Average():
            return lambda values: reduce(tf.add, values) / len(values)
        case ops.Merge():  # Keras 3.15 adds (N, t, 1, 1, 1) to the channels where there are as many of them as frames
            return partial(_merge, _MERGES[type(op)])
    return None


def activation_function(activation: Activation) -> Function | None:
    """The function that an activation function is, or None where Keras has it."""
    if activation.function == "elu" and activation.alpha == 1:
        return None
    if activation.function == "leaky_relu" and (activation.high is not None or activation.negative_slope < 0):
        return partial(_leaky_relu, activation)  # Keras refuses a slope below zero
    function = _ACTIVATIONS.get(activation.function)
    return function and partial(function, activation)


def grouped_convolution(op: ops.Conv, value: Tensor, kernel: Tensor) -> Tensor:
    """A convolution with groups, without its bias; TensorFlow has none for volumes on a CPU that is fast.

    Where each channel is a group of its own, the kernel's frames are convolutions of images. Groups of several
    channels are computed together as one convolution without groups, whose kernel is zero between the groups.
    """
    value = padded(op, value)
    inputs = value.shape[-1]
    if inputs == op.groups and op.strides[1] == op.strides[2] and (op.strides[1] == 1 or op.dilation[1:] == (1, 1)):
        return _depthwise(op, value, kernel)
    together = max(1, min(op.groups, _CHANNELS_TOGETHER // (inputs // op.groups)))
    parts = []
    for first in range(0, op.groups, together):
        count = min(together, op.groups - first)
        channels, filters = inputs // op.groups, op.filters // op.groups
        groups = [kernel[..., (first + n) * filters : (first + n + 1) * filters] for n in range(count)]
        rows = [
            tf.pad(each, ((0, 0),) * 3 + ((n * channels, (count - n - 1) * channels), (0, 0)))
            for n, each in enumerate(groups)
        ]
        part = value[..., first * channels : (first + count) * channels]
        part, taps = read_rightly(op, part, tf.concat(rows, -1))
        parts.append(tf.nn.convolution(part, taps, op.strides, _upper(op), "NDHWC", op.dilation))
    return tf.concat(parts, -1)


def steps_along_the_width_alone(op: ops.Conv) -> bool:
    """Whether TensorFlow may read a volume of one channel wrongly for a convolution (see `read_rightly`)."""
    return op.strides[1] == 1 < op.strides[2]


def read_rightly(op: ops.Conv, value: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """A volume and a kernel as TensorFlow's convolution needs them.

    TensorFlow 2.21 reads beyond a volume of one channel on a CPU if the convolution strides along the width and not
    along the height, and gives one column. A second channel of zeros avoids that.
    """
    if value.shape[-1] != 1 or not steps_along_the_width_alone(op):
        return value, kernel
    # a pad would be merged into the convolution by TensorFlow's graph optimiser, which knows those of positions alone
    return tf.concat([value, tf.zeros_like(value)], -1), tf.concat([kernel, tf.zeros_like(kernel)], 3)


_CHANNELS_TOGETHER = 64
_MERGES: dict[type[ops.Merge], Function] = {
    ops.Add: tf.add, ops.Subtract: tf.subtract, ops.Multiply: tf.multiply, ops.Divide: tf.divide,
    ops.Maximum: tf.maximum, ops.Minimum: tf.minimum,
}  # fmt: skip


def padded(op: Any, value: Tensor, extra: Sequence[int] = (0, 0, 0), filling: float = 0.0) -> Tensor:
    """A volume with the pads of an operation around it, and `extra` positions at its ends."""
    margins = [(before, after + more) for (before, after), more in zip(op.pads, extra, strict=True)]
    if not any(map(any, margins)):
        return value
    return tf.pad(value, ((0, 0), *margins, (0, 0)), constant_values=tf.constant(filling, value.dtype))


def _upper(op: Any) -> Any:
    return op.padding.upper()


def _merge(function: Function, values: Sequence[Tensor]) -> Tensor:
    return reduce(function, values)


def _depthwise(op: ops.Conv, value: Tensor, kernel: Tensor) -> Tensor:
    """Each frame of the kernel convolves images; the frames' results are added."""
    frames = value.shape[1]
    step, gap = op.strides[0], op.dilation[0]
    count = max(0, (frames - op.window[0]) // step + 1)
    if op.padding == "same":
        count = -(-frames // step)
        missing = max(0, (count - 1) * step + op.window[0] - frames)
        value = tf.pad(value, ((0, 0), (missing // 2, missing - missing // 2), (0, 0), (0, 0), (0, 0)))
    parts = []
    for tap in range(op.kernel[0]):
        part = value[:, tap * gap : tap * gap + (count - 1) * step + 1 : step]
        images = tf.reshape(part, (-1, *part.shape[2:]))
        taps = tf.reshape(kernel[tap], (*op.kernel[1:], value.shape[-1], -1))
        strides, padding = (1, *op.strides[1:], 1), _upper(op)
        parts.append(tf.nn.depthwise_conv2d(images, taps, strides, padding, dilations=op.dilation[1:]))
    total = tf.add_n(parts)
    return tf.reshape(total, (-1, count, *total.shape[1:]))


def _constant(op: ops.Constant, value: Tensor) -> Tensor:
    shape = op.output_shape([tuple(value.shape[1:])])
    return tf.broadcast_to(tf.constant(op.values, value.dtype), (tf.shape(value)[0], *shape))


def _max_pool(op: ops.MaxPool, value: Tensor) -> Tensor:
    beyond = [op.beyond(size, axis) for axis, size in enumerate(value.shape[1:4])]
    value = padded(op, value, beyond, float(value.dtype.min))
    return tf.nn.max_pool3d(value, op.kernel, op.strides, _upper(op))


def _average_pool(op: ops.AveragePool, value: Tensor) -> Tensor:
    """The sum over each window, divided by how many of its positions count."""
    sizes = list(value.shape[1:4])
    beyond = [op.beyond(size, axis) for axis, size in enumerate(sizes)]
    pooled: Any = tf.nn.avg_pool3d(padded(op, value, beyond), op.kernel, op.strides, _upper(op))
    factor = np.ones((), np.float32)
    for axis, size in enumerate(sizes):
        before, after = op.pads[axis]
        counted = np.zeros(before + size + after + beyond[axis])
        counted[(slice(0, before + size + after) if op.counts_pads else slice(before, before + size))] = 1
        same = 0
        if op.padding == "same":
            same = max(0, (pooled.shape[1 + axis] - 1) * op.strides[axis] + op.kernel[axis] - len(counted))
        starts = np.arange(pooled.shape[1 + axis]) * op.strides[axis] - same // 2
        windows = [(max(start, 0), min(start + op.kernel[axis], len(counted))) for start in starts]
        share = [(end - start) / max(counted[start:end].sum(), 1) for start, end in windows]
        factor = np.expand_dims(factor, -1) * np.asarray(share, np.float32)
    return pooled * tf.constant(factor[..., np.newaxis], pooled.dtype)


def _pad(op: ops.Pad, value: Tensor) -> Tensor:
    if op.mode == "constant":
        return padded(op, value, filling=op.value)
    if op.mode == "reflect":
        return tf.pad(value, ((0, 0), *op.pads, (0, 0)), "REFLECT")
    for axis, (before, after) in enumerate(op.pads, 1):
        indices = np.clip(np.arange(-before, value.shape[axis] + after), 0, value.shape[axis] - 1)
        value = tf.gather(value, indices, axis=axis) if before or after else value
    return value


def _crop(op: ops.Crop, value: Tensor) -> Tensor:
    inside = (
        slice(before, size - after, step)
        for (before, after), step, size in zip(op.cuts, op.steps, value.shape[1:4], strict=True)
    )
    return value[(slice(None), *inside)]


def _rearrange(op: ops.Rearrange, value: Tensor) -> Tensor:
    shape = tuple(value.shape[1:])
    sizes: Any = op.factors(shape)
    order = [factor for join in op.joins for factor in join]
    value = tf.transpose(tf.reshape(value, (-1, *sizes)), (0, *(factor + 1 for factor in order)))
    return tf.reshape(value, (-1, *op.output_shape([shape])))


def _resize(op: ops.Resize, value: Tensor) -> Tensor:
    """Each axis by a matrix (output positions, input positions) of weights."""
    for axis in (1, 2, 3):
        up, down = op.ratio(axis - 1, value.shape[axis])
        if up != down:
            weights = tf.constant(op.weights(axis - 1, value.shape[axis]), value.dtype)
            value = tf.tensordot(value, weights, ((axis,), (1,)))
            value = tf.transpose(value, (*range(axis), 4, *range(axis, 4)))
    return value


def _reduce(op: ops.Reduce, value: Tensor) -> Tensor:
    axes = [1 + index for index in op.indices(len(value.shape) - 1)]
    return getattr(tf, f"reduce_{op.function}")(value, axes, keepdims=True)


def _clip(activation: Activation, value: Tensor) -> Tensor:
    if activation.high is not None:
        value = tf.minimum(value, tf.constant(activation.high, value.dtype))
    return value if activation.low is None else tf.maximum(value, tf.constant(activation.low, value.dtype))


def _leaky_relu(activation: Activation, value: Tensor) -> Tensor:
    slope = tf.constant(activation.negative_slope, value.dtype)
    value = tf.nn.relu(value) + slope * tf.minimum(value, 0)
    return value if activation.high is None else tf.minimum(value, tf.constant(activation.high, value.dtype))


def _thresholded_relu(activation: Activation, value: Tensor) -> Tensor:
    """The value above the threshold, and below it the slope times its distance from there."""
    numbers = activation.low or 0.0, activation.negative_slope
    threshold, slope = (tf.constant(number, value.dtype) for number in numbers)
    above = value * tf.cast(value > threshold, value.dtype)
    if activation.high is not None:
        above = tf.clip_by_value(above, tf.constant(0, value.dtype), tf.constant(activation.high, value.dtype))
    return above - slope * tf.nn.relu(threshold - value)


def _elu(activation: Activation, value: Tensor) -> Tensor:
    alpha = tf.constant(activation.alpha, value.dtype)
    return tf.nn.relu(value) + alpha * (tf.exp(tf.minimum(value, 0)) - 1)


def _celu(activation: Activation, value: Tensor) -> Tensor:
    alpha = tf.constant(activation.alpha, value.dtype)
    return tf.nn.relu(value) + alpha * (tf.exp(tf.minimum(value / alpha, 0)) - 1)


_ACTIVATIONS: dict[str, Function] = {
    "clip": _clip,
    "elu": _elu,
    "celu": _celu,
    "hard_silu": lambda _, value: value * tf.nn.relu6(value + 3) / 6,
    "mish": lambda _, value: value * tf.tanh(tf.math.softplus(value)),
    "log_softmax": lambda _, value: tf.nn.log_softmax(value),
    "gelu_tanh": lambda _, value: tf.nn.gelu(value, approximate=True),
    "abs": lambda _, value: tf.abs(value),
    "square": lambda _, value: tf.square(value),
    "sqrt": lambda _, value: tf.sqrt(value),
    "reciprocal": lambda _, value: 1 / value,
    "log": lambda _, value: tf.math.log(value),
    "erf": lambda _, value: tf.math.erf(value),
    "thresholded_relu": _thresholded_relu,
}
"""Those that Keras has not, or not in both of its generations."""
