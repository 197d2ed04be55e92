"""Translates what is computed number by number: activation functions, arithmetic with constants and between values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Activation, Operation
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated
from c3dvis.networks.importers.from_onnx.view import NotAView, View

_WITHOUT_SETTINGS = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign",
    "Mish": "mish", "HardSwish": "hard_silu", "Abs": "abs", "Sqrt": "sqrt", "Exp": "exponential", "Log": "log",
    "Erf": "erf", "Reciprocal": "reciprocal",
}  # fmt: skip
_SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
_MERGES: dict[str, type[ops.Merge]] = {
    "Add": ops.Add, "Sum": ops.Add, "Sub": ops.Subtract, "Mul": ops.Multiply, "Div": ops.Divide, "Max": ops.Maximum,
    "Min": ops.Minimum, "Mean": ops.Average,
}  # fmt: skip
_LARGEST = 1e30
"""Bounds of a Clip beyond which there is none."""


def activation(node: Node) -> View:
    view = node.view()

    def made(function: str, **settings: Any) -> View:
        return node.build.activation(node.name, view, function, **settings)

    match node.kind:
        case "LeakyRelu":
            return made("leaky_relu", negative_slope=float(node.attribute("alpha", 0.01)))
        case "ThresholdedRelu":
            return made("thresholded_relu", low=float(node.attribute("alpha", 1.0)))
        case "Elu" | "Celu":
            return made(node.kind.lower(), alpha=float(node.attribute("alpha", 1.0)))
        case "Selu":
            settings = {name: float(node.attribute(name, value)) for name, value in _SELU.items()}
            if any(abs(settings[name] - value) > 1e-5 for name, value in _SELU.items()):
                raise NotTranslated(f"Selu with {settings} is not known here")
            return made("selu")
        case "Gelu":
            return made("gelu_tanh" if node.attribute("approximate", "none") == "tanh" else "gelu")
        case "HardSigmoid":
            slope, offset = float(node.attribute("alpha", 0.2)), float(node.attribute("beta", 0.5))
            view = node.build.scale(f"{node.name}.slope", view, slope, offset)
            return made("clip", low=0.0, high=1.0)
        case "Swish":
            slope = float(node.attribute("alpha", 1.0))
            if slope != 1:
                raise NotTranslated(f"Swish with alpha {slope} is not known here")
            return made("silu")
        case "Clip":
            low, high = (_bound(node, name, index) for name, index in (("min", 1), ("max", 2)))
            if (low, high) in ((0.0, 6.0), (0.0, None)):
                return made("relu6" if high else "relu")
            return view if low is high is None else made("clip", low=low, high=high)
        case "Softmax" | "LogSoftmax":
            return _softmax(node, view)
        case "Neg":
            return node.build.scale(node.name, view, -1.0)
    return made(_WITHOUT_SETTINGS[node.kind])


def prelu(node: Node) -> View:
    view = node.view()
    slopes = view.per_channel(node.weights(1))
    if (slopes == slopes[0]).all():
        return node.build.activation(node.name, view, "leaky_relu", negative_slope=float(slopes[0]))
    return node.build.weighted(view, ops.PRelu(node.name, (view.operation,), len(slopes)), slopes)


def power(node: Node) -> View:
    view, exponents = node.view(), node.weights(1).reshape(-1)
    exponent = float(exponents[0]) if len(exponents) == 1 else None
    match exponent:
        case 1.0:
            return view
        case 2.0:
            return node.build.activation(node.name, view, "square")
        case 3.0:
            square = node.build.activation(f"{node.name}.square", view, "square")
            return _joined(node, ops.Multiply, [square, view])
        case 0.5:
            return node.build.activation(node.name, view, "sqrt")
        case -1.0:
            return node.build.activation(node.name, view, "reciprocal")
    raise NotTranslated(f"the power {exponents[:4].tolist()} is not known here")


def arithmetic(node: Node) -> View:
    """Add, Sub, Mul, Div, Max, Min, Sum and Mean, of values and constants."""
    if node.kind in ("Sub", "Div") and isinstance(node.value(0), np.ndarray):
        return _constant_first(node)
    views = [value for value in node.inputs if isinstance(value, View)]
    result = views[0]
    if len(views) > 1:
        gated = _gated(node, views) if node.kind == "Mul" and len(views) == 2 else None
        result = gated or _joined(node, _MERGES[node.kind], views)
    for index, value in enumerate(node.inputs):
        if isinstance(value, np.ndarray):
            if node.kind == "Mean":
                raise NotTranslated("the mean with a constant is not known here")
            result = _with_constant(node, result, node.weights(index))
    return result


def _with_constant(node: Node, view: View, constant: np.ndarray) -> View:
    """The value, then the constant: `x + c`, `x - c`, `x * c`, `x / c`, `max(x, c)`, `min(x, c)`."""
    numbers = view.per_channel(constant)
    match node.kind:
        case "Add" | "Sum":
            return node.build.scale(node.name, view, 1.0, numbers)
        case "Sub":
            return node.build.scale(node.name, view, 1.0, -numbers)
        case "Mul":
            return node.build.scale(node.name, view, numbers)
        case "Div" if (numbers != 0).all():
            return node.build.scale(node.name, view, 1 / numbers)
        case "Max" | "Min" if (numbers == numbers[0]).all():
            bound = {"low" if node.kind == "Max" else "high": float(numbers[0])}
            return node.build.activation(node.name, view, "clip", **bound)
    raise NotTranslated(f"{node.kind} with these constants is not known here")


def _constant_first(node: Node) -> View:
    """`c - x` and `c / x`."""
    view, constant = node.view(1), node.weights(0)
    numbers = view.per_channel(constant)
    if node.kind == "Sub":
        return node.build.scale(node.name, view, -1.0, numbers)
    inverse = node.build.activation(f"{node.name}.reciprocal", view, "reciprocal")
    return node.build.scale(node.name, inverse, numbers)


def _gated(node: Node, views: Sequence[View]) -> View | None:
    """`x * sigmoid(x)` as one activation function: exporters write SiLU so."""
    by_name = {op.name: op for op in node.build.operations}
    for value, gate in (views, views[::-1]):
        op = by_name.get(gate.operation)
        sigmoid = Activation("sigmoid")
        if not isinstance(op, ops.ActivationLayer) or op.activation != sigmoid:
            continue
        if op.inputs == (value.operation,) and value.axes == gate.axes:
            return node.build.activation(node.name, value, "silu")
    return None


def _joined(node: Node, kind: type[ops.Merge], views: Sequence[View]) -> View:
    """An element-wise operation on values, broadcast as ONNX does."""
    if len({view.is_volume for view in views}) > 1:
        views = [_with_volume(node, view) for view in views]
    try:
        return _merged(node, kind, views)
    except NotAView:
        if any(len(view.axes) != 5 for view in views):
            raise
    return _merged(node, kind, [node.build.as_volume(f"{node.name}.{n}", view) for n, view in enumerate(views)])


def _merged(node: Node, kind: type[ops.Merge], views: Sequence[View]) -> View:
    rank = max(len(view.axes) for view in views)
    columns = zip(*([()] * (rank - len(view.axes)) + list(view.axes) for view in views), strict=True)
    axes = []
    for column in columns:
        largest = max(column, key=len)
        if any(axis not in ((), largest) for axis in column):
            raise NotAView("values are joined whose axes are not the same")
        axes.append(largest)
    used = [factor for axis in axes for factor in axis]
    if len(set(used)) < len(used):
        raise NotAView("values are joined along different axes")
    for sizes in zip(*(view.shape for view in views), strict=True):
        if len(set(sizes) - {1}) > 1:
            raise NotAView("values of different sizes are joined")
    op: Operation = kind(node.name, tuple(view.operation for view in views))
    name = node.build.add(op)
    return View(name, node.build.shape(name), tuple(axes))


def _with_volume(node: Node, view: View) -> View:
    """The value of a vector as that of a volume of one position."""
    if view.is_volume:
        return view
    made = node.build.add(ops.ReshapeToVolume(f"{node.name}.volume", (view.operation,)))
    return replace(view, operation=made, shape=node.build.shape(made))


def _softmax(node: Node, view: View) -> View:
    rank = len(view.axes)
    axis = node.axis(node.attribute("axis", -1 if node.opset >= 13 else 1), rank)
    along = view.axes[axis : axis + 1] if node.opset >= 13 else view.axes[axis:]
    factors = [factor for each in along for factor in each]
    is_channels = all(factor.axis == "c" for factor in factors)
    if not factors or not is_channels or math.prod(factor.size for factor in factors) != view.size_of["c"]:
        raise NotTranslated(f"{node.kind} over other axes than the channels is not known here")
    return node.build.activation(node.name, view, "softmax" if node.kind == "Softmax" else "log_softmax")


def _bound(node: Node, name: str, index: int) -> float | None:
    """A bound of a Clip, None where there is none."""
    value = node.setting(name, index)
    while isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return None if value is None or not abs(value) < _LARGEST else float(value)


TRANSLATIONS: dict[str, Callable[[Node], View]] = {
    **dict.fromkeys(_WITHOUT_SETTINGS, activation),
    **dict.fromkeys(
        (
            "LeakyRelu",
            "ThresholdedRelu",
            "Elu",
            "Celu",
            "Selu",
            "Gelu",
            "HardSigmoid",
            "Swish",
            "Clip",
            "Softmax",
            "LogSoftmax",
            "Neg",
        ),
        activation,
    ),
    **dict.fromkeys(_MERGES, arithmetic),
    "PRelu": prelu,
    "Pow": power,
}
"""From the operator's name to its translation."""
