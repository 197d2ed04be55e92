"""A network as plain TensorFlow operations: what the engine traces its steps from.

`Network.model` builds the same network from Keras layers; a test holds the two against each other. Tracing these
takes a third of the time of tracing Keras layers, and the first picture waits for it. What only networks of users have
(a transposed convolution, say) is left to its Keras layer.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from c3dvis.networks.architecture import WEIGHTED, Architecture, Op

Tensors = Callable[[str], tuple[tf.Tensor, tf.Tensor]]
Rest = Callable[[Op, list[tf.Tensor]], tf.Tensor]
Finish = Callable[[Op, tf.Tensor], tf.Tensor]


def forward(
    architecture: Architecture, tensors: Tensors, rest: Rest, activate: Finish, clips: tf.Tensor, layer: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Response (N, t, h, w, filters) or (N, units) of a layer, before and after its activation function.

    For a block that joins branches, `before` joins what its branches hold before theirs.

    Args:
        tensors: from an operation's name to its (kernel, bias), of the clips' dtype.
        rest: does an operation that is not done here.
        activate: applies an activation function other than a ReLU.
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
        before[op.name] = _operation(op, inputs, tensors, rest)
        after[op.name] = before[op.name]
        if op.activation:
            after[op.name] = activate(op, before[op.name])
        elif op.relu and op.kind in WEIGHTED:
            after[op.name] = tf.nn.relu(before[op.name])
    return before[layer], after[layer]


def _operation(op: Op, inputs: list[tf.Tensor], tensors: Tensors, rest: Rest) -> tf.Tensor:
    value = inputs[0]
    padding: Any = op.padding.upper()
    match op.kind:
        case "conv" if op.groups == 1 and op.dilation == (1, 1, 1):
            kernel, bias = tensors(op.name)
            return tf.nn.bias_add(tf.nn.conv3d(value, kernel, (1, *op.strides, 1), padding), bias)
        case "dense":
            kernel, bias = tensors(op.name)
            return tf.nn.bias_add(tf.matmul(value, kernel), bias)
        case "scale":
            factor, offset = tensors(op.name)
            return value * factor + offset
        case "max_pool":
            return tf.nn.max_pool3d(value, op.kernel, op.strides, padding)
        case "avg_pool":
            return tf.nn.avg_pool3d(value, op.kernel, op.strides, padding)
        case "add":
            return tf.add_n(inputs) if all(each.shape == value.shape for each in inputs) else rest(op, inputs)
        case "pad":
            return tf.pad(value, ((0, 0), *op.pads, (0, 0)))
        case "flatten":
            return tf.reshape(value, (-1, value.shape[1:].num_elements()))
        case "dropout":  # does nothing outside training
            return value
        case _:
            return rest(op, inputs)
