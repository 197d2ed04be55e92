"""`DeviceWeights`: a network's weights on the device in one precision, made when they are first used."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from c3dvis.networks.compute import keras_layers
from c3dvis.networks.compute.input_gradient import SubPixelGradient
from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.graph.operations import Conv, Weighted

KernelAndBias = tuple[np.ndarray, np.ndarray]


class DeviceWeights:
    """Weights as tensors and as Keras layers, shared by all graphs of a network.

    Args:
        read: from an operation's name to its (kernel, bias) float32.
        precision: `float32` or `bfloat16`.
    """

    def __init__(self, read: Callable[[str], KernelAndBias], precision: str) -> None:
        self._read = read
        self._precision = precision
        self._made: dict[Any, Any] = {}

    def kernel_and_bias(self, operations: Sequence[Weighted]) -> tuple[tf.Tensor, tf.Tensor]:
        """(kernel, bias) of operations, concatenated along their filters; a pointwise kernel is (in, out)."""

        def concatenated() -> tuple[tf.Tensor, ...]:
            kernels, biases = zip(*(self._read(op.name) for op in operations), strict=True)
            first = operations[0]
            if isinstance(first, Conv) and first.is_pointwise:
                kernels = [kernel.reshape(kernel.shape[-2:]) for kernel in kernels]
            return self._tensor(np.concatenate(kernels, -1)), self._tensor(np.concatenate(biases, -1))

        return self._once(tuple(op.name for op in operations), concatenated)

    def gradient_kernel(self, operations: Sequence[Conv], gradient: SubPixelGradient) -> tf.Tensor:
        """Kernel for the input gradient of convolutions that are concatenated along their filters."""

        def kernel() -> tf.Tensor:
            return self._tensor(gradient.kernel(np.concatenate([self._read(op.name)[0] for op in operations], -1)))

        return self._once((tuple(op.name for op in operations), gradient), kernel)

    def apply(self, op: Operation, inputs: Sequence[Any]) -> Any:
        """Output of an operation's Keras layer, without its activation function, to (symbolic) tensors."""
        if not isinstance(op, Weighted):
            made = keras_layers.keras_layer(op, keras.layers, dtype=self._precision)
            return keras_layers.call(made, op, inputs, keras.layers)

        def layer() -> Any:
            name = keras_layers.layer_name(op.name)
            made = keras_layers.keras_layer(op, keras.layers, name=name, dtype=self._precision, trainable=False)
            clips, *positions, channels = inputs[0].shape
            made.build((clips, *[None] * len(positions), channels))  # at any size, as the layer is shared
            keras_layers.set_weights(made, op, *self._read(op.name))
            return made

        return keras_layers.call(self._once(op, layer), op, inputs, keras.layers)

    def activate(self, op: Operation, value: Any) -> Any:
        """An operation's activation function of a (symbolic) tensor."""
        if op.activation is None:
            return value
        return keras_layers.activation_layer(op.activation, keras.layers, dtype=self._precision)(value)

    def _tensor(self, array: np.ndarray) -> tf.Tensor:
        return tf.cast(tf.constant(array), self._precision)

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            with tf.init_scope():  # outside of the graph that is being traced: other graphs use the weights too
                self._made[key] = make()
        return self._made[key]
