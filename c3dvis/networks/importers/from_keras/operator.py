"""Translates Keras's functions in a functional model: `x * 0.5`, `1 - x`, `keras.ops.relu(x)`, with their constants.

Keras 3 writes them as operations (`keras.src.ops.numpy.Multiply`), Keras 2 as layers of the class `TFOpLambda` with the
name of a TensorFlow function.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Activation
from c3dvis.networks.graph.shape_operations import AXES
from c3dvis.networks.importers.from_keras import elementwise, shapes, slices
from c3dvis.networks.importers.from_keras.value import Steps, Value

OF_TENSORFLOW = ("TFOpLambda", "SlicingOpLambda")
"""Layers of Keras 2 that are functions of TensorFlow."""

_TENSORFLOW = {
    "math.add": "Add", "__operators__.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply",
    "math.truediv": "Divide", "math.divide": "Divide", "math.negative": "Negative", "math.maximum": "Maximum",
    "math.minimum": "Minimum", "nn.relu": "Relu", "nn.relu6": "Relu6", "math.sigmoid": "Sigmoid",
    "nn.sigmoid": "Sigmoid", "math.tanh": "Tanh", "nn.tanh": "Tanh", "nn.elu": "Elu", "nn.selu": "Selu",
    "math.exp": "Exp", "math.softplus": "Softplus", "nn.softplus": "Softplus", "nn.silu": "Silu", "nn.swish": "Silu",
    "identity": "Identity", "nn.softsign": "Softsign", "math.reduce_mean": "Mean", "math.reduce_max": "Max",
    "math.reduce_sum": "Sum", "reshape": "Reshape", "expand_dims": "ExpandDims", "compat.v1.squeeze": "Squeeze",
    "squeeze": "Squeeze", "compat.v1.transpose": "Transpose", "transpose": "Transpose", "concat": "Concatenate",
    "__operators__.getitem": "GetItem", "math.square": "Square", "math.sqrt": "Sqrt", "math.abs": "Absolute",
}  # fmt: skip
"""Names of TensorFlow's functions in files of Keras 2."""

_ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Selu": "selu", "Softplus": "softplus",
    "Softsign": "softsign", "Silu": "silu", "Exp": "exponential", "LogSigmoid": "log_sigmoid", "HardSigmoid":
    "hard_sigmoid", "HardSilu": "hard_silu", "HardTanh": "hard_tanh", "Mish": "mish", "Identity": None, "Elu": "elu",
}  # fmt: skip
_FUNCTIONS = {"Square": "square", "Sqrt": "sqrt", "Absolute": "abs"}
"""Functions of one value that are no activation functions of Keras."""
_MERGES = {
    "Add": ops.Add, "Subtract": ops.Subtract, "Multiply": ops.Multiply, "Maximum": ops.Maximum, "Minimum": ops.Minimum,
    "Divide": ops.Divide,
}  # fmt: skip
_REDUCTIONS = {"Mean": "mean", "Max": "max", "Sum": "sum"}
_OTHERS = ("TrueDivide", "Negative", "Reshape", "ExpandDims", "Squeeze", "Transpose", "Concatenate", "GetItem")
_NAMES = {  # in the settings of Keras 3, and among the arguments of TensorFlow's functions
    "newshape": "shape", "new_shape": "shape", "axes": "axis", "perm": "axis", "key": "slices", "slice_spec": "slices",
}  # fmt: skip
_FIRST_SETTING = {"Reshape": "shape", "GetItem": "slices"}
"""The setting that a second argument by position is; of other functions it is `axis`."""


def is_known(kind: str) -> bool:
    """Whether a class of Keras 3 is a function that is translated here."""
    return kind in (*_OTHERS, *_ACTIVATIONS, *_FUNCTIONS, *_MERGES, *_REDUCTIONS)


def function_name(kind: str, config: Mapping[str, Any]) -> str:
    """The name of a function in Keras 3, of an operation of Keras 3 or a layer of Keras 2."""
    if kind not in OF_TENSORFLOW:
        return {"TrueDivide": "Divide"}.get(kind, kind)
    return _TENSORFLOW.get(str(config.get("function")), str(config.get("function")))


def translate(
    steps: Steps, function: str, config: Mapping[str, Any], arguments: Sequence[Any], named: Mapping[str, Any]
) -> Value:
    """Translate a call of a function, and return its value.

    Args:
        steps: takes its operations.
        function: from `function_name`.
        config: its settings in Keras 3.
        arguments, named: values and constants.

    Raises:
        WeightsDamaged: the function, or an argument, is not known here.
    """
    given = [*arguments, *(value for key, value in named.items() if value is not None and key != "name")]
    settings = {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype", "function")}
    match given:
        case [Value() as first, Value() as second] if function in _MERGES:
            return elementwise.merge(steps, _MERGES[function], [first, second], is_function=True)
        case [Value() as value, constant] if function in _MERGES and not isinstance(constant, Value):
            return _with_constant(steps, function, value, constant, False)
        case [constant, Value() as value] if function in _MERGES and not isinstance(constant, Value):
            return _with_constant(steps, function, value, constant, True)
        case [Value() as value] if function == "Negative":
            return elementwise.affine(steps, value, -1.0, 0.0)
        case [Value() as value] if function in _ACTIVATIONS and settings in ({}, {"alpha": 1.0}):
            return elementwise.activation(steps, value, _ACTIVATIONS[function], False)
        case [Value() as value] if function in _FUNCTIONS and not settings:
            op = ops.ActivationLayer(steps.name, (value.name,), activation=Activation(_FUNCTIONS[function]))
            return steps.add(op, value)
    made = _of_axes(steps, function, arguments, {**settings, **named})
    if made:
        return made
    received = ", ".join("value" if isinstance(each, Value) else type(each).__name__ for each in given)
    raise WeightsDamaged(
        f"The layer {steps.name[:60]} is a function {function[:60]}({received}), which is not known here."
    )


def _of_axes(steps: Steps, function: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Value | None:
    """A function of a tensor's axes; None if it is none that is known."""
    value, *more = arguments or [None]
    settings = {_NAMES.get(key, key): each for key, each in named.items() if each is not None and key != "name"}
    if more:
        settings[_FIRST_SETTING.get(function, "axis")] = more[0]
    if function == "Concatenate" and isinstance(value, list) and all(isinstance(each, Value) for each in value):
        return elementwise.concatenate(steps, value, int(settings.get("axis", 0)))
    if not isinstance(value, Value) or len(more) > 1:
        return None
    if function == "GetItem" and set(settings) == {"slices"}:
        return slices.sliced(steps, value, settings["slices"])
    axis = settings.get("axis")
    numbers = [int(each) for each in (axis if isinstance(axis, list | tuple) else [axis] if axis is not None else [])]
    match function:
        case "Reshape" if set(settings) == {"shape"} and settings["shape"][0] in (-1, None):
            return shapes.reshape(steps, value, [int(size) for size in settings["shape"][1:]])
        case "Transpose" if numbers[:1] == [0] and set(settings) == {"axis"}:
            return shapes.permute(steps, value, numbers[1:])
        case "ExpandDims" if numbers and set(settings) == {"axis"}:
            return shapes.expand(steps, value, numbers)
        case "Squeeze" if numbers and set(settings) == {"axis"}:
            gone = {value.axis(number) for number in numbers}
            if any(value.size(each) != 1 for each in gone):
                return None
            return shapes.reshape(steps, value, [value.size(each) for each in value.order if each not in gone])
        case _ if function in _REDUCTIONS and numbers and set(settings) <= {"axis", "keepdims"}:
            return _reduced(steps, value, function, numbers, bool(settings.get("keepdims")))
    return None


def _reduced(steps: Steps, value: Value, function: str, numbers: Sequence[int], keeps: bool) -> Value:
    gone = {value.axis(number) for number in numbers}
    if not value.is_volume:
        raise WeightsDamaged(
            f"The layer {steps.name[:60]} is a function {function} of a vector, which is not known here."
        )
    op = ops.Reduce(steps.name, (value.name,), _REDUCTIONS[function], "".join(each for each in AXES if each in gone))  # type: ignore[arg-type]
    left = "".join(each for each in value.order if each not in gone)
    if keeps or left != "c" or value.outer:
        return steps.add(op, value, value.order if keeps else left)
    volume = steps.add(ops.Reduce(f"{steps.name}/kept", op.inputs, op.function, op.axes), value)
    return steps.add(ops.Flatten(steps.name, (volume.name,)), volume, "c")


def _with_constant(steps: Steps, function: str, value: Value, constant: Any, is_first: bool) -> Value:
    """A function of a value and a constant; `is_first`: the constant is its first argument."""
    number = _numbers(constant, steps.name)
    with np.errstate(divide="ignore"):
        inverse = 1 / number
    match function:
        case "Add":
            return elementwise.affine(steps, value, 1.0, number)
        case "Multiply":
            return elementwise.affine(steps, value, number, 0.0)
        case "Subtract":
            return elementwise.affine(steps, value, *((-1.0, number) if is_first else (1.0, -number)))
        case "Divide" if not is_first and np.isfinite(inverse).all():
            return elementwise.affine(steps, value, inverse, 0.0)
        case "Maximum" | "Minimum" if number.size == 1:
            limit = {"low" if function == "Maximum" else "high": float(number.reshape(-1)[0])}
            op = ops.ActivationLayer(steps.name, (value.name,), activation=Activation("clip", **limit))
            return steps.add(op, value)
    raise WeightsDamaged(
        f"The layer {steps.name[:60]} is a function {function[:60]} of a constant, which is not known here."
    )


def _numbers(constant: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(constant, np.float64)
    except (ValueError, TypeError):
        array = np.full(1, np.nan)
    if not np.isfinite(array).all() or not array.size:
        raise WeightsDamaged(f"The layer {name[:60]} computes with a constant that is no number.")
    return array
