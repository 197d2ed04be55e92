"""The Keras layer of each kind of operation, in Keras 3 and in tf_keras, whose constructors take the same arguments."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.networks.compute.tensor_functions import (
    activation_function,
    grouped_convolution,
    steps_along_the_width_alone,
    tensor_function,
)
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import NO_MARGINS, Activation, Operation


def keras_layer(op: Operation, layers: Any, **options: Any) -> Any:
    """A new layer that computes an operation, without its activation function.

    Args:
        op: the operation.
        layers: `keras.layers` or `tf_keras.layers`.
        options: further arguments of the layer's constructor, as `name` and `dtype`.
    """
    function = tensor_function(op)
    if function is not None:
        return layers.Lambda(function, **options)
    match op:
        case ops.Conv():
            is_plain = op.groups == 1 and not steps_along_the_width_alone(op)
            kind = layers.Conv3D if is_plain else _grouped(op, layers)
            return kind(
                op.filters, op.kernel, op.strides, op.padding, dilation_rate=op.dilation, groups=op.groups,
                kernel_initializer="zeros", **options,
            )  # fmt: skip
        case ops.ConvTranspose():
            ends = None
            if any(op.extra):  # Keras adds these to the size that ONNX calls complete, and nothing else
                ends = [more + max(0, step - n) for more, step, n in zip(op.extra, op.strides, op.kernel, strict=True)]
            return layers.Conv3DTranspose(
                op.filters,
                op.kernel,
                op.strides,
                op.padding,
                output_padding=ends,
                kernel_initializer="zeros",
                **options,
            )
        case ops.Dense():
            return layers.Dense(op.filters, kernel_initializer="zeros", **options)
        case ops.Scale():  # a normalisation with mean 0 and variance 1
            return layers.BatchNormalization(epsilon=0.0, moving_variance_initializer="ones", **options)
        case ops.GroupNorm():
            return layers.GroupNormalization(op.groups, epsilon=op.epsilon, **options)
        case ops.LayerNorm():
            return layers.LayerNormalization(epsilon=op.epsilon, **options)
        case ops.PRelu():
            return _prelu(layers)(**options)
        case ops.MaxPool():
            return layers.MaxPooling3D(op.kernel, op.strides, op.padding, **options)
        case ops.AveragePool():
            return layers.AveragePooling3D(op.kernel, op.strides, op.padding, **options)
        case ops.GlobalAveragePool():
            return layers.GlobalAveragePooling3D(**options)
        case ops.GlobalMaxPool():
            return layers.GlobalMaxPooling3D(**options)
        case ops.Flatten():
            return layers.Flatten(**options)
        case ops.ReshapeToVolume():
            return layers.Reshape((1, 1, 1, -1), **options)
        case ops.Pad():
            return layers.ZeroPadding3D(op.pads, **options)
        case ops.Crop():
            return layers.Cropping3D(op.cuts, **options)
        case ops.Upsample():
            return layers.UpSampling3D(op.factors, **options)
        case ops.Dropout() | ops.ActivationLayer():
            return layers.Activation("linear", **options)
        case ops.Concat():
            return layers.Concatenate(**options)
    raise NotImplementedError(f"{type(op).__name__} has no Keras layer. Add one here.")


def activation_layer(activation: Activation, layers: Any, **options: Any) -> Any:
    """A new layer that applies an activation function; arguments as of `keras_layer`."""
    function = activation_function(activation)
    if function is not None:
        return layers.Lambda(function, **options)
    if activation.function == "leaky_relu":
        return layers.LeakyReLU(activation.negative_slope, **options)
    return layers.Activation(activation.function, **options)


def set_weights(layer: Any, op: Operation, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Set the weights of a built layer from `keras_layer`."""
    match op:
        case ops.Scale():
            layer.set_weights([kernel, bias, np.zeros_like(bias), np.ones_like(bias)])
        case ops.PRelu():
            layer.set_weights([kernel.reshape(layer.weights[0].shape)])
        case _:
            layer.set_weights([kernel, bias])


def call(layer: Any, op: Operation, inputs: Sequence[Any], layers: Any) -> Any:
    """Output of a layer from `keras_layer` of the same `layers`.

    Layers that join branches take a list. Keras has no pads in convolutions: they are layers of their own around it.
    """
    if isinstance(op, ops.Join):
        return layer(list(inputs))
    value = inputs[0]
    if isinstance(op, ops.Conv) and op.has_pads:
        value = layers.ZeroPadding3D(op.pads, dtype=layer.dtype_policy)(value)
    value = layer(value)
    if isinstance(op, ops.ConvTranspose) and op.cuts != NO_MARGINS:
        value = layers.Cropping3D(op.cuts, dtype=layer.dtype_policy)(value)
    return value


def _grouped(op: ops.Conv, layers: Any) -> Any:
    """A class of layers: Keras' Conv3D with weights of the same shapes, computed by `grouped_convolution`."""

    def call_grouped(self: Any, inputs: Any) -> Any:
        return tf.nn.bias_add(grouped_convolution(replace(op, pads=NO_MARGINS), inputs, self.kernel), self.bias)

    return type("Conv3D", (layers.Conv3D,), {"call": call_grouped})


def _prelu(layers: Any) -> Any:
    """A class of layers: Keras' PReLU with one slope for each channel, for any number of axes."""

    def build(self: Any, input_shape: Any) -> None:
        self.shared_axes = list(range(1, len(input_shape) - 1))
        layers.PReLU.build(self, input_shape)

    return type("PReLU", (layers.PReLU,), {"build": build})


def layer_name(name: str) -> str:
    """An operation's name as Keras accepts it."""
    return name.replace("/", ".")
