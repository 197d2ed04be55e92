"""Forward and backward pass of a network as raw TensorFlow operations, from which the `fast` engine traces its steps.

`Network.model` builds the same network from Keras layers; a test compares responses and gradients of the two. This
module defines the backward pass of each operation beside its forward pass, with respect to the clips only. Tracing it
takes half of the time that TensorFlow's own gradient takes, and the first picture waits for tracing. Parallel
convolutions with equal kernel size, stride and padding, as in an Inception block, are merged into one. Pointwise
convolutions are computed as matrix products. Operations that occur in users' networks only (a transposed convolution,
for example) use their Keras layer and TensorFlow's gradient of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf

from c3dvis.networks.compute import input_gradient
from c3dvis.networks.compute.device_weights import DeviceWeights
from c3dvis.networks.compute.input_gradient import SubPixelGradient
from c3dvis.networks.compute.raw_ops import create_op
from c3dvis.networks.compute.tensor_functions import grouped_convolution, padded, read_rightly, tensor_function
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU, Operation

Backward = Callable[..., Sequence[tf.Tensor]]
"""From the gradients with respect to a computation's outputs to those with respect to its inputs."""

_BEFORE = "\0before"  # suffix of a value before its activation function; NUL occurs in no operation's name
_WITH = "\0with\0"  # joins the name of a value and the pads around it
_AND = "\0and\0"  # joins the names of merged operations


@dataclass(frozen=True)
class Response:
    """A layer's response, and its backward pass.

    Attributes:
        before, after: (N, t, h, w, filters) or (N, units), before and after the layer's activation function. For a
            block that joins branches, `before` joins the branches before their activation functions.
        rectified: whether `after` is ReLU(`before`).
        backward: from the gradients with respect to `before` and `after`, either of which may be None, to the gradient
            with respect to the clips.
    """

    before: tf.Tensor
    after: tf.Tensor
    rectified: bool
    backward: Callable[[tf.Tensor | None, tf.Tensor | None], tf.Tensor]


def forward(architecture: Architecture, weights: DeviceWeights, clips: tf.Tensor, layer: str) -> Response:
    """Response of a layer to clips.

    Args:
        architecture: of the network.
        weights: in the clips' precision.
        clips: network input (N, T, H, W, channels), float32 or bfloat16.
        layer: a name from `architecture.layers`.
    """
    tape = _Tape(weights, clips)
    needed = architecture.ancestry(layer)
    last = needed[-1]
    is_block = isinstance(last, ops.Concat) and last.activation is None
    ends = last.inputs if is_block else (layer,)
    for group in merge_parallel_convolutions(needed):
        tape.forward(group, {layer, *ends})
    if is_block:
        tape.concat(layer + _BEFORE, [tape.before(name) for name in ends])
    before, after = tape.values[tape.before(layer)], tape.values[layer]
    if before is after:  # a gradient tape would count one tensor as both, and give each the whole gradient
        before = tf.identity(before)
    # A merge with a ReLU could count as rectified too, but that would change the rounding of clips.
    rectified = all(isinstance(op, ops.Weighted) and op.activation == RELU for op in needed if op.name in ends)
    return Response(before, after, rectified, lambda *grads: tape.backward(layer, *grads))


def responses(architecture: Architecture, weights: DeviceWeights, clips: tf.Tensor) -> dict[str, tf.Tensor]:
    """Responses of all layers that can be targeted, by name; arguments as of `forward`."""
    found = values(architecture, weights, clips, architecture.layers)
    return {layer: after for layer, (_, after) in found.items()}


def values(
    architecture: Architecture, weights: DeviceWeights, clips: tf.Tensor, layers: Sequence[str]
) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """Responses (before, after) the activation function of several layers, each of which is computed once.

    In a graph, `tf.gradients` gives the gradient of one with respect to another. Arguments as of `forward`.
    """
    needed = {op.name for layer in layers for op in architecture.ancestry(layer)}
    tape = _Tape(weights, clips)
    for group in merge_parallel_convolutions([op for op in architecture.operations if op.name in needed]):
        tape.forward(group, set(layers))
    return {layer: (tape.values[tape.before(layer)], tape.values[layer]) for layer in layers}


def merge_parallel_convolutions(operations: Sequence[Operation]) -> list[list[Operation]]:
    """The operations in order, in lists: convolutions that can be computed as one are in the same list."""
    groups: dict[Any, list[Operation]] = {}
    for op in operations:
        key: Any = op.name
        if isinstance(op, ops.Conv) and op.is_standard and op.activation == RELU and op.inputs != ("input",):
            key = op.inputs, op.kernel, op.strides, op.padding, op.pads
        groups.setdefault(key, []).append(op)
    return list(groups.values())


class _Tape:
    """Records computations by the names of their values, and runs them backward.

    Attributes:
        values: computed so far, by name.
    """

    def __init__(self, weights: DeviceWeights, clips: tf.Tensor) -> None:
        self.values: dict[str, tf.Tensor] = {"input": clips}
        self._weights = weights
        self._records: list[tuple[Sequence[str], Sequence[str], Backward]] = []
        self._constants: dict[Any, tf.Tensor] = {}

    def before(self, name: str) -> str:
        """Name of the value before an operation's activation function; its own name if it has none."""
        return name + _BEFORE if name + _BEFORE in self.values else name

    def forward(self, group: Sequence[Any], wanted: set[str]) -> None:
        """Compute a list from `merge_parallel_convolutions`, with its activation function.

        Args:
            wanted: operations whose values before the activation function are needed too.
        """
        op, name = group[0], _AND.join(each.name for each in group)
        before = name + _BEFORE if op.activation else name
        self._operation(op, group, before)
        if op.activation == RELU:
            self._relu(before, name)
        elif op.activation:
            self._differentiate([before], name, lambda value: self._weights.activate(op, value))
        if len(group) > 1:
            sizes = tuple(each.filters for each in group)
            self._split(name, [each.name for each in group], sizes)
            if wanted & {each.name for each in group}:
                self._split(before, [each.name + _BEFORE for each in group], sizes)

    def backward(self, layer: str, grad_before: tf.Tensor | None, grad_after: tf.Tensor | None) -> tf.Tensor:
        """Gradient with respect to the clips, of those with respect to a layer's two values."""
        gradients: dict[str, list[tf.Tensor]] = {}
        for name, grad in ((self.before(layer), grad_before), (layer, grad_after)):
            if grad is not None:
                gradients.setdefault(name, []).append(grad)

        def total(name: str) -> tf.Tensor:
            found = gradients.pop(name, None)
            if found is None:
                return tf.zeros_like(self.values[name])
            return found[0] if len(found) == 1 else create_op("AddN", found, found[0].dtype, N=len(found))

        for inputs, outputs, backward in reversed(self._records):
            if any(name in gradients for name in outputs):
                for name, grad in zip(inputs, backward(*map(total, outputs)), strict=True):
                    gradients.setdefault(name, []).append(grad)
        return total("input")

    def concat(self, name: str, inputs: Sequence[str]) -> None:
        """Concatenate values along the channels."""
        parts = [self.values[each] for each in inputs]
        sizes: Any = tuple(part.shape[-1] for part in parts)
        self._record(inputs, [name], [self._concatenated(parts)], lambda grad: self._parts(grad, sizes))

    def _record(
        self, inputs: Sequence[str], outputs: Sequence[str], values: Sequence[tf.Tensor], backward: Backward
    ) -> None:
        self.values.update(zip(outputs, values, strict=True))
        self._records.append((inputs, outputs, backward))

    def _operation(self, op: Operation, group: Sequence[Any], name: str) -> None:
        """Compute an operation, or a group that is merged into one, without its activation function."""
        value = self.values[op.inputs[0]]
        match op:
            case ops.Conv() if op.is_pointwise:
                self._matrix_product(op.inputs[0], name, *self._weights.kernel_and_bias(group))
            case ops.Conv() if op.is_standard:
                self._convolution(op, group, name)
            case ops.Conv() if op.groups > 1:
                kernel, bias = self._weights.kernel_and_bias([op])
                self._differentiate(
                    op.inputs, name, lambda value: tf.nn.bias_add(grouped_convolution(op, value, kernel), bias)
                )
            case ops.Dense():
                self._matrix_product(op.inputs[0], name, *self._weights.kernel_and_bias(group))
            case ops.MaxPool() if op.is_plain:
                self._max_pool(op, name)
            case ops.Concat():
                self.concat(name, op.inputs)
            case ops.Dropout() | ops.ActivationLayer():
                self._record(op.inputs, [name], [value], lambda grad: [grad])
            case ops.Scale():
                factor, offset = self._weights.kernel_and_bias([op])
                self._differentiate(op.inputs, name, lambda value: value * factor + offset)
            case ops.AveragePool() if op.is_plain:
                padding: Any = op.padding.upper()
                pool = partial(tf.nn.avg_pool3d, ksize=op.kernel, strides=op.strides, padding=padding)
                self._differentiate(op.inputs, name, pool)
            case ops.Add() if all(self.values[each].shape == value.shape for each in op.inputs):
                self._differentiate(op.inputs, name, lambda *values: tf.add_n(values))
            case ops.Pad() if op.adds_zeros:
                self._differentiate(op.inputs, name, lambda value: padded(op, value))
            case ops.Flatten():
                size = value.shape[1:].num_elements()
                self._differentiate(op.inputs, name, lambda value: tf.reshape(value, (-1, size)))
            case _ if function := tensor_function(op):
                takes_list = isinstance(op, ops.Join)
                self._differentiate(op.inputs, name, lambda *values: function(values if takes_list else values[0]))
            case _:
                self._differentiate(op.inputs, name, lambda *values: self._weights.apply(op, values))

    def _convolution(self, op: ops.Conv, group: Sequence[ops.Conv], name: str) -> None:
        source = op.inputs[0]
        if op.has_pads:
            source = f"{op.inputs[0]}{_WITH}{op.pads}"
            if source not in self.values:
                self._differentiate(op.inputs, source, lambda value: padded(op, value))
        value = self.values[source]
        shape: Any = value.shape
        kernel, bias = self._weights.kernel_and_bias(group)
        attributes: dict[str, Any] = {"strides": (1, *op.strides, 1), "padding": op.padding.upper()}
        result = create_op("Conv3D", read_rightly(op, value, kernel), kernel.dtype, **attributes)

        def backward(grad: tf.Tensor) -> list[tf.Tensor]:
            if input_gradient.is_faster(op, shape[-1]):
                gradient = SubPixelGradient(op, tuple(shape[1:4]))
                return [gradient.gradient(grad, self._weights.gradient_kernel(group, gradient))]
            inputs = [self._shape(value), kernel, grad]
            return [create_op("Conv3DBackpropInputV2", inputs, kernel.dtype, Tshape=tf.int32, **attributes)]

        self._record([source], [name], [create_op("BiasAdd", [result, bias], bias.dtype)], backward)

    def _matrix_product(self, source: str, name: str, kernel: tf.Tensor, bias: tf.Tensor) -> None:
        """A dense layer, or a pointwise convolution: the same matrix product at every position."""
        value = self.values[source]
        is_volume = len(value.shape) > 2
        flat = self._reshaped(value, self._constant((-1, value.shape[-1]))) if is_volume else value
        result = create_op("BiasAdd", [create_op("MatMul", [flat, kernel], kernel.dtype), bias], bias.dtype)
        if is_volume:
            result = self._reshaped(result, self._shape(value, kernel.shape[-1]))

        def backward(grad: tf.Tensor) -> list[tf.Tensor]:
            flat = self._reshaped(grad, self._constant((-1, kernel.shape[-1]))) if is_volume else grad
            grad_input = create_op("MatMul", [flat, kernel], kernel.dtype, transpose_b=True)
            return [self._reshaped(grad_input, self._shape(value)) if is_volume else grad_input]

        self._record([source], [name], [result], backward)

    def _max_pool(self, op: ops.MaxPool, name: str) -> None:
        value = self.values[op.inputs[0]]
        attributes: dict[str, Any] = {
            "strides": (1, *op.strides, 1), "padding": op.padding.upper(), "ksize": (1, *op.kernel, 1),
        }  # fmt: skip
        pooled = create_op("MaxPool3D", [value], value.dtype, **attributes)

        def backward(grad: tf.Tensor) -> list[tf.Tensor]:
            return [create_op("MaxPool3DGrad", [value, pooled, grad], value.dtype, TInput=value.dtype, **attributes)]

        self._record(op.inputs, [name], [pooled], backward)

    def _relu(self, before: str, name: str) -> None:
        value = create_op("Relu", [self.values[before]], self.values[before].dtype)
        self._record([before], [name], [value], lambda grad: [create_op("ReluGrad", [grad, value], grad.dtype)])

    def _split(self, name: str, parts: list[str], sizes: tuple[int, ...]) -> None:
        values = self._parts(self.values[name], sizes)
        self._record([name], parts, values, lambda *grads: [self._concatenated(grads)])

    def _differentiate(self, inputs: Sequence[str], name: str, function: Callable[..., tf.Tensor]) -> None:
        """Compute a function whose gradient is left to TensorFlow."""
        values = [tf.identity(self.values[each]) for each in inputs]  # distinct, also where one is read twice
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(values)
            result = function(*values)

        def backward(grad: tf.Tensor) -> Sequence[tf.Tensor]:
            zero = tf.UnconnectedGradients.ZERO
            grads: Any = tape.gradient([result], values, [grad], unconnected_gradients=zero)
            return grads

        self._record(inputs, [name], [result], backward)

    def _concatenated(self, parts: Sequence[tf.Tensor]) -> tf.Tensor:
        return create_op("ConcatV2", [*parts, self._constant(-1)], parts[0].dtype, N=len(parts), Tidx=tf.int32)

    def _parts(self, value: tf.Tensor, sizes: tuple[int, ...]) -> list[tf.Tensor]:
        inputs, count = [value, self._constant(sizes), self._constant(-1)], len(sizes)
        return create_op("SplitV", inputs, value.dtype, count, num_split=count, Tlen=tf.int32)

    def _reshaped(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        return create_op("Reshape", [value, shape], value.dtype, Tshape=tf.int32)

    def _shape(self, value: tf.Tensor, channels: int | None = None) -> tf.Tensor:
        """Shape of a value, or that shape with other channels; the number of clips may be unknown until run time."""
        shape: Any = (*value.shape[:-1], channels or value.shape[-1])
        if None in shape:
            return tf.concat([tf.shape(value)[:-1], tf.constant(shape[-1:])], 0)
        return self._constant(shape)

    def _constant(self, value: int | tuple[Any, ...]) -> tf.Tensor:
        """A constant, created once: every operation takes time to trace."""
        if value not in self._constants:
            self._constants[value] = tf.constant(value)
        return self._constants[value]
