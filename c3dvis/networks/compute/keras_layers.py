"""The Keras layer of each kind of operation, in Keras 3 and in tf_keras, whose constructors take the same arguments."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Activation, Operation


def keras_layer(op: Operation, layers: Any, **options: Any) -> Any:
    """A new layer that computes an operation, without its activation function.

    Args:
        op: the operation.
        layers: `keras.layers` or `tf_keras.layers`.
        options: further arguments of the layer's constructor, as `name` and `dtype`.
    """
    match op:
        case ops.Conv():
            return layers.Conv3D(
                op.filters, op.kernel, op.strides, op.padding, dilation_rate=op.dilation, groups=op.groups,
                kernel_initializer="zeros", **options,
            )  # fmt: skip
        case ops.ConvTranspose():
            return layers.Conv3DTranspose(
                op.filters, op.kernel, op.strides, op.padding, kernel_initializer="zeros", **options
            )
        case ops.Dense():
            return layers.Dense(op.filters, kernel_initializer="zeros", **options)
        case ops.Scale():  # a normalisation with mean 0 and variance 1
            return layers.BatchNormalization(epsilon=0.0, moving_variance_initializer="ones", **options)
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
        case ops.ZeroPad():
            return layers.ZeroPadding3D(op.pads, **options)
        case ops.Crop():
            return layers.Cropping3D(op.cuts, **options)
        case ops.Upsample():
            return layers.UpSampling3D(op.factors, **options)
        case ops.Dropout() | ops.ActivationLayer():
            return layers.Activation("linear", **options)
        case ops.Concat():
            return layers.Concatenate(**options)
        case ops.Merge():  # these classes are named like Keras's layers
            return getattr(layers, type(op).__name__)(**options)
    raise NotImplementedError(f"{type(op).__name__} has no Keras layer. Add one here.")


def activation_layer(activation: Activation, layers: Any, **options: Any) -> Any:
    """A new layer that applies an activation function; arguments as of `keras_layer`."""
    if activation.function == "leaky_relu":
        return layers.LeakyReLU(activation.negative_slope, **options)
    return layers.Activation(activation.function, **options)


def set_weights(layer: Any, op: Operation, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Set the weights of a built layer from `keras_layer`."""
    statistics = [np.zeros_like(bias), np.ones_like(bias)] if isinstance(op, ops.Scale) else []
    layer.set_weights([kernel, bias, *statistics])


def call(layer: Any, op: Operation, inputs: Sequence[Any]) -> Any:
    """Output of a layer from `keras_layer`: layers that join branches take a list."""
    return layer(list(inputs) if isinstance(op, ops.Join) else inputs[0])


def layer_name(name: str) -> str:
    """An operation's name as Keras accepts it."""
    return name.replace("/", ".")
