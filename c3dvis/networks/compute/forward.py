"""A network as plain TensorFlow operations, forward and back: what the engine traces its steps from.

`Network.model` builds the same network from Keras layers; a test holds the two against each other, responses and
gradients. Here the way back is written down beside the way forward, and goes to the clip alone: tracing it takes half
of what TensorFlow's own gradient takes, and the first picture waits for it. Convolutions that read the same input
through equal windows, as the branches of an Inception block do, are done as one, and those of a single tap as a matrix
product. What only networks of users have (a transposed convolution, say) is left to its Keras layer and to TensorFlow's
gradient of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf

from c3dvis.networks.compute.graph_operations import emit
from c3dvis.networks.compute.input_gradient import Blocks, pay
from c3dvis.networks.graph.architecture import WEIGHTED, Architecture, Op

PullBack = Callable[..., Sequence[tf.Tensor]]

_BEFORE = "\0before"  # marks what an operation holds before its activation function; no name has such a sign
_AND = "\0and\0"


class Parts(Protocol):
    """A network's weights on the device, and what is not done here."""

    def weights(self, names: tuple[str, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        """(kernel, bias) of some operations, joined along their filters; a kernel of one tap is (in, out)."""
        ...

    def blocks(self, names: tuple[str, ...], blocks: Blocks) -> tf.Tensor:
        """Kernel by which some operations, joined along their filters, go back by blocks."""
        ...

    def layer(self, op: Op, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Does any operation, without its activation function."""
        ...

    def activate(self, op: Op, value: tf.Tensor) -> tf.Tensor:
        """Applies an activation function other than a ReLU."""
        ...


@dataclass(frozen=True)
class Response:
    """What a layer responds, and the way back from it.

    Attributes:
        before, after: (N, t, h, w, filters) or (N, units), before and after its activation function. For a block that
            joins branches, `before` joins what its branches hold before theirs.
        rectified: `after` is `before` cut off at zero.
        pull_back: from the gradients by `before` and `after`, either of which may be None, to that by the clips.
    """

    before: tf.Tensor
    after: tf.Tensor
    rectified: bool
    pull_back: Callable[[tf.Tensor | None, tf.Tensor | None], tf.Tensor]


def forward(architecture: Architecture, parts: Parts, clips: tf.Tensor, layer: str) -> Response:
    """Response of a layer to clips.

    Args:
        parts: in the clips' precision.
        clips: network input (N, T, H, W, channels), float32 or bfloat16.
        layer: a name from `architecture.layers`.
    """
    way = _Way(parts, clips)
    needed = architecture.ancestry(layer)
    ends = needed[-1].inputs if needed[-1].kind == "concat" else (layer,)
    wanted = {layer, *ends}  # `before` of these is asked for
    for group in together(needed):
        way.go(group, wanted)
    if needed[-1].kind == "concat":
        way.concat(layer + _BEFORE, [way.before(name) for name in needed[-1].inputs])
    before, after = way.values[way.before(layer)], way.values[layer]
    if before is after:  # a tape would take two names of one tensor for one, and give both the whole gradient
        before = tf.identity(before)
    rectified = all(_is_rectified(op) for op in needed if op.name in ends)
    return Response(before, after, rectified, lambda *by: way.back(layer, *by))


def together(operations: Sequence[Op]) -> list[list[Op]]:
    """The operations in order, those that are done as one in one list."""
    groups: dict[Any, list[Op]] = {}
    for op in operations:
        groups.setdefault(_window(op), []).append(op)
    return list(groups.values())


def _window(op: Op) -> Any:
    """The same for operations that can be done as one."""
    if _is_plain_convolution(op) and op.relu and not op.activation and op.inputs != ("input",):
        return op.inputs, op.kernel, op.strides, op.padding
    return op.name


def _is_plain_convolution(op: Op) -> bool:
    return op.kind == "conv" and op.groups == 1 and op.dilation == (1, 1, 1)


def _is_rectified(op: Op) -> bool:
    return op.relu and op.kind in WEIGHTED and not op.activation


def has_one_tap(op: Op) -> bool:
    """Whether a convolution is a matrix product."""
    return _is_plain_convolution(op) and op.kernel == op.strides == (1, 1, 1)


class _Way:
    """The operations done so far, by the names of their values, and how each pulls a gradient back."""

    def __init__(self, parts: Parts, clips: tf.Tensor) -> None:
        self.values: dict[str, tf.Tensor] = {"input": clips}
        self._parts = parts
        self._records: list[tuple[Sequence[str], Sequence[str], PullBack]] = []
        self._constants: dict[Any, tf.Tensor] = {}

    def before(self, name: str) -> str:
        """Name of what stands before an activation function, if one follows."""
        return name + _BEFORE if name + _BEFORE in self.values else name

    def back(self, layer: str, by_before: tf.Tensor | None, by_after: tf.Tensor | None) -> tf.Tensor:
        """Gradient by the clips, of the gradients by a layer's two values."""
        gradients: dict[str, list[tf.Tensor]] = {}
        for name, by in ((self.before(layer), by_before), (layer, by_after)):
            if by is not None:
                gradients.setdefault(name, []).append(by)

        def total(name: str) -> tf.Tensor:
            found = gradients.pop(name, None)
            if found is None:
                return tf.zeros_like(self.values[name])
            return found[0] if len(found) == 1 else emit("AddN", found, found[0].dtype, N=len(found))

        for inputs, outputs, pull_back in reversed(self._records):
            if any(name in gradients for name in outputs):
                for name, gradient in zip(inputs, pull_back(*map(total, outputs)), strict=True):
                    gradients.setdefault(name, []).append(gradient)
        return total("input")

    def go(self, group: list[Op], wanted: set[str]) -> None:
        """Do operations as one, the activation function with them, and part what they make."""
        op, name = group[0], _AND.join(each.name for each in group)
        relu = _is_rectified(op)
        held = name + _BEFORE if relu or op.activation else name
        self._operation(op, [each.name for each in group], held)
        if relu:
            self._relu(held, name)
        elif op.activation:
            self._by_tensorflow([held], name, lambda value: self._parts.activate(op, value))
        if len(group) > 1:
            sizes = tuple(each.filters for each in group)
            self._split(name, [each.name for each in group], sizes)
            if wanted & {each.name for each in group}:
                self._split(held, [each.name + _BEFORE for each in group], sizes)

    def concat(self, name: str, inputs: list[str]) -> None:
        """Join values along the channels."""
        parts = [self.values[each] for each in inputs]
        sizes: Any = tuple(part.shape[-1] for part in parts)
        self._record(inputs, [name], [self._joined(parts)], lambda by: self._parted(by, sizes))

    def _record(
        self, inputs: Sequence[str], outputs: Sequence[str], values: Sequence[tf.Tensor], pull_back: PullBack
    ) -> None:
        self.values.update(zip(outputs, values, strict=True))
        self._records.append((inputs, outputs, pull_back))

    def _split(self, name: str, parts: list[str], sizes: tuple[int, ...]) -> None:
        self._record([name], parts, self._parted(self.values[name], sizes), lambda *by: [self._joined(by)])

    def _joined(self, parts: Sequence[tf.Tensor]) -> tf.Tensor:
        return emit("ConcatV2", [*parts, self._constant(-1)], parts[0].dtype, N=len(parts), Tidx=tf.int32)

    def _parted(self, value: tf.Tensor, sizes: tuple[int, ...]) -> list[tf.Tensor]:
        inputs, count = [value, self._constant(sizes), self._constant(-1)], len(sizes)
        return emit("SplitV", inputs, value.dtype, count, num_split=count, Tlen=tf.int32)

    def _relu(self, held: str, name: str) -> None:
        value = emit("Relu", [self.values[held]], self.values[held].dtype)
        self._record([held], [name], [value], lambda by: [emit("ReluGrad", [by, value], by.dtype)])

    def _operation(self, op: Op, names: list[str], made: str) -> None:
        value = self.values[op.inputs[0]]
        shape: Any = value.shape
        window: dict[str, Any] = {"strides": (1, *op.strides, 1), "padding": op.padding.upper()}
        match op.kind:
            case "conv" if has_one_tap(op):
                kernel, bias = self._parts.weights(tuple(names))
                self._product(op.inputs[0], made, kernel, bias)
            case "conv" if _is_plain_convolution(op):
                kernel, bias = self._parts.weights(tuple(names))
                result = emit("Conv3D", [value, kernel], kernel.dtype, **window)
                if pay(op, shape[-1]):
                    blocks = Blocks(op, tuple(shape[1:4]))

                    def unconvolve(by: tf.Tensor) -> list[tf.Tensor]:
                        return [blocks.pull_back(by, self._parts.blocks(tuple(names), blocks))]
                else:

                    def unconvolve(by: tf.Tensor) -> list[tf.Tensor]:
                        size = self._shape(value)
                        inputs = [size, kernel, by]
                        return [emit("Conv3DBackpropInputV2", inputs, kernel.dtype, Tshape=tf.int32, **window)]

                self._record(op.inputs, [made], [emit("BiasAdd", [result, bias], bias.dtype)], unconvolve)
            case "dense":
                self._product(op.inputs[0], made, *self._parts.weights((op.name,)))
            case "max_pool":
                window["ksize"] = (1, *op.kernel, 1)
                pooled = emit("MaxPool3D", [value], value.dtype, **window)

                def unpool(by: tf.Tensor) -> list[tf.Tensor]:
                    return [emit("MaxPool3DGrad", [value, pooled, by], value.dtype, TInput=value.dtype, **window)]

                self._record(op.inputs, [made], [pooled], unpool)
            case "concat":
                self.concat(made, list(op.inputs))
            case "dropout":  # does nothing outside training
                self._record(op.inputs, [made], [value], lambda by: [by])
            case _:
                self._by_tensorflow(op.inputs, made, lambda *values: self._other(op, list(values)))

    def _product(self, name: str, made: str, kernel: tf.Tensor, bias: tf.Tensor) -> None:
        """A dense layer, or a convolution of one tap: at every position the same."""
        value = self.values[name]
        volume = len(value.shape) > 2
        flat = self._reshaped(value, self._constant((-1, value.shape[-1]))) if volume else value
        result = emit("BiasAdd", [emit("MatMul", [flat, kernel], kernel.dtype), bias], bias.dtype)
        if volume:
            result = self._reshaped(result, self._shape(value, kernel.shape[-1]))

        def pull_back(by: tf.Tensor) -> list[tf.Tensor]:
            flat = self._reshaped(by, self._constant((-1, kernel.shape[-1]))) if volume else by
            before = emit("MatMul", [flat, kernel], kernel.dtype, transpose_b=True)
            return [self._reshaped(before, self._shape(value)) if volume else before]

        self._record([name], [made], [result], pull_back)

    def _other(self, op: Op, inputs: list[tf.Tensor]) -> tf.Tensor:
        value = inputs[0]
        match op.kind:
            case "scale":
                factor, offset = self._parts.weights((op.name,))
                return value * factor + offset
            case "avg_pool":
                padding: Any = op.padding.upper()
                return tf.nn.avg_pool3d(value, op.kernel, op.strides, padding)
            case "add" if all(each.shape == value.shape for each in inputs):
                return tf.add_n(inputs)
            case "pad":
                return tf.pad(value, ((0, 0), *op.pads, (0, 0)))
            case "flatten":
                return tf.reshape(value, (-1, value.shape[1:].num_elements()))
        return self._parts.layer(op, inputs)

    def _by_tensorflow(self, inputs: Sequence[str], made: str, function: Callable[..., tf.Tensor]) -> None:
        values = [tf.identity(self.values[name]) for name in inputs]  # apart, also where one is read twice
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(values)
            result = function(*values)

        def pull_back(by: tf.Tensor) -> Sequence[tf.Tensor]:
            zero = tf.UnconnectedGradients.ZERO
            slopes: Any = tape.gradient([result], values, [by], unconnected_gradients=zero)
            return slopes

        self._record(inputs, [made], [result], pull_back)

    def _reshaped(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        return emit("Reshape", [value, shape], value.dtype, Tshape=tf.int32)

    def _shape(self, value: tf.Tensor, channels: int | None = None) -> tf.Tensor:
        """Shape of a value, or of one with other channels; the number of clips may be known at run time alone."""
        shape: Any = (*value.shape[:-1], channels or value.shape[-1])
        if None in shape:
            return tf.concat([tf.shape(value)[:-1], tf.constant(shape[-1:])], 0)
        return self._constant(shape)

    def _constant(self, value: int | tuple[Any, ...]) -> tf.Tensor:
        """A number or some, made once: an operation more takes its time to trace."""
        if value not in self._constants:
            self._constants[value] = tf.constant(value)
        return self._constants[value]
