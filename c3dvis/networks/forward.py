"""A network as plain TensorFlow operations: what the engine traces its steps from.

`Network.model` builds the same network from Keras layers; a test holds the two against each other. Tracing these
takes a third of the time of tracing Keras layers, and the first picture waits for it.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from c3dvis.networks.architecture import Architecture, Op

Tensors = Callable[[str], tuple[tf.Tensor, tf.Tensor]]


def forward(architecture: Architecture, tensors: Tensors, clips: tf.Tensor, layer: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Response (N, t, h, w, filters) or (N, units) of a layer, before and after its activation function.

    For a block that joins branches, `before` joins what its branches hold before theirs.

    Args:
        tensors: from an operation's name to its (kernel, bias), of the clips' dtype.
        clips: network input (N, T, H, W, channels), float32 or bfloat16.
        layer: a name from `architecture.layers`.
    """
    before, after = {"input": clips}, {"input": clips}
    for op in architecture.ancestry(layer):
        inputs = [after[name] for name in op.inputs]
        if op.kind == "concat":
            after[op.name] = tf.concat(inputs, -1)
            before[op.name] = tf.concat([before[name] for name in op.inputs], -1) if op.name == layer else inputs[0]
            continue
        before[op.name] = _operation(op, inputs[0], tensors)
        relu = op.relu and op.kind in ("conv", "dense")
        after[op.name] = tf.nn.relu(before[op.name]) if relu else before[op.name]
    return before[layer], after[layer]


def _operation(op: Op, value: tf.Tensor, tensors: Tensors) -> tf.Tensor:
    padding: Any = op.padding.upper()
    match op.kind:
        case "conv":
            kernel, bias = tensors(op.name)
            return tf.nn.bias_add(tf.nn.conv3d(value, kernel, (1, *op.strides, 1), padding), bias)
        case "dense":
            kernel, bias = tensors(op.name)
            return tf.nn.bias_add(tf.matmul(value, kernel), bias)
        case "max_pool":
            return tf.nn.max_pool3d(value, op.kernel, op.strides, padding)
        case "avg_pool":
            return tf.nn.avg_pool3d(value, op.kernel, op.strides, padding)
        case "pad":
            return tf.pad(value, ((0, 0), *op.pads, (0, 0)))
        case "flatten":
            return tf.reshape(value, (-1, value.shape[1:].num_elements()))
        case _:  # dropout, which does nothing outside training
            return value
