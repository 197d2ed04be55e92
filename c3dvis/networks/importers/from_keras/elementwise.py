"""Keras layers and functions that compute each position alone: activation functions, arithmetic, joins of branches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.importers.from_keras import shapes
from c3dvis.networks.importers.from_keras.activation import activations
from c3dvis.networks.importers.from_keras.value import Steps, Value

_OVER_CHANNELS = ("softmax", "log_softmax")


def activation(steps: Steps, value: Value, function: Any, is_keras_2: bool, name: str = "") -> Value:
    """An activation function of a value.

    Args:
        steps: of the layer.
        value: what it is applied to.
        function: as Keras describes it in a layer's settings.
        is_keras_2: whether Keras 2 wrote it.
        name: of the operation, if it is not the layer.
    """
    functions = activations(function, steps.name, is_keras_2)
    name = name or steps.name
    if not functions:
        return steps.add(ops.Dropout(name, (value.name,)), value)
    for number, each in enumerate(functions):
        step_name = f"{name}/{number}" if number else name
        if isinstance(each, tuple):
            value = affine(steps, value, *each, name=step_name)
            continue
        if each.function in _OVER_CHANNELS:
            value = steps.with_channels(value, value.axis(_axis_of(function)))
        value = steps.add(ops.ActivationLayer(step_name, (value.name,), activation=each), value)
    return value


def activated(steps: Steps, value: Value, function: Any, is_keras_2: bool) -> Value:
    """A layer's value with the activation function in its settings."""
    if function in (None, "linear"):
        return value
    return activation(steps, value, function, is_keras_2, f"{steps.name}/activation")


def affine(steps: Steps, value: Value, factor: Any, offset: Any, name: str = "") -> Value:
    """factor · x + offset, with one number or one for each channel; arguments as of `activation`."""
    numbers = [np.asarray(each, np.float32) for each in (factor, offset)]
    axes = "".join({axis: "" for each in numbers for axis in _axes_of_constant(each, value, steps.name)})
    if len(axes) > 1:
        shape = [value.size(axis) if axis in axes else 1 for axis in value.order]
        numbers = [np.broadcast_to(each, shape) if each.size > 1 else each for each in numbers]

    def compute(value: Value, name: str) -> Value:
        pair = tuple(np.broadcast_to(each.reshape(-1), (value.channels,)).copy() for each in numbers)
        op = ops.Scale(name, (value.name,), value.channels)
        return steps.add(op, value, pair=lambda _: pair)  # type: ignore[arg-type, return-value]

    return shapes.as_channels(replace(steps, name=name or steps.name), value, axes, compute)


def merge(steps: Steps, kind: type[ops.Merge], inputs: Sequence[Value], is_function: bool = False) -> Value:
    """An element-wise operation on values.

    A layer broadcasts a vector over the positions of a volume; a function aligns last axes, as NumPy does.
    """
    ranks = {len(value.order) for value in inputs}
    most = max(inputs, key=lambda value: len(value.order))
    if len(ranks) > 1 and (is_function or ranks != {1, len(most.order)} or most.outer):
        raise WeightsDamaged(f"The layer {steps.name[:60]} computes with {_ranks(inputs)} axes.")
    if len(ranks) > 1:
        most = steps.with_channels(most, most.order[-1])
    same = [value if len(value.order) == 1 < max(ranks) else steps.arranged(value, most.order) for value in inputs]
    return steps.join(kind(steps.name, tuple(value.name for value in same)), same, most.order)


def concatenate(steps: Steps, inputs: Sequence[Value], axis: int) -> Value:
    """Values joined along an axis."""
    if len({len(value.order) for value in inputs}) > 1:
        raise WeightsDamaged(f"The layer {steps.name[:60]} joins {_ranks(inputs)} axes.")
    joined = inputs[0].axis(axis)
    order = inputs[0].order.translate(str.maketrans(f"c{joined}", f"{joined}c"))
    same = [steps.arranged(value, order) for value in inputs]
    return steps.join(ops.Concat(steps.name, tuple(value.name for value in same)), same)


def _ranks(inputs: Sequence[Value]) -> str:
    return " and ".join(str(len(value.order)) for value in inputs)


def _axis_of(function: Any) -> int:
    config: Any = function.get("config") if isinstance(function, dict) else None
    axis: Any = config.get("axis", -1) if isinstance(config, dict) else -1
    if isinstance(axis, list) and len(axis) == 1:
        (axis,) = axis
    return int(axis)  # pyright: ignore[reportArgumentType]


def _axes_of_constant(constant: np.ndarray, value: Value, name: str) -> str:
    """The axes along which a constant has a number for each position; none of one number."""
    if constant.size == 1 and constant.ndim <= len(value.order) + 1:
        return ""
    sizes = constant.shape[1:] if constant.ndim == len(value.order) + 1 and constant.shape[0] == 1 else constant.shape
    own = value.sizes[len(value.sizes) - len(sizes) :]
    if len(sizes) > len(value.order) or any(size not in (1, whole) for size, whole in zip(sizes, own, strict=True)):
        raise WeightsDamaged(
            f"The layer {name[:60]} computes with a constant of shape {constant.shape}; expected one number, or one "
            f"for each position along axes of {'×'.join(map(str, value.sizes))}."
        )
    order = value.order[len(value.order) - len(sizes) :]
    return "".join(axis for axis, size in zip(order, sizes, strict=True) if size > 1)
