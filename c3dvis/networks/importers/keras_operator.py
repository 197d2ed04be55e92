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
from c3dvis.networks.importers.keras_layer import Translated, Value, activation, affine, merge

_TENSORFLOW = {
    "math.add": "Add", "__operators__.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply",
    "math.truediv": "Divide", "math.divide": "Divide", "math.negative": "Negative", "math.maximum": "Maximum",
    "math.minimum": "Minimum", "nn.relu": "Relu", "nn.relu6": "Relu6", "math.sigmoid": "Sigmoid",
    "nn.sigmoid": "Sigmoid", "math.tanh": "Tanh", "nn.tanh": "Tanh", "nn.elu": "Elu", "nn.selu": "Selu",
    "math.exp": "Exp", "math.softplus": "Softplus", "nn.softplus": "Softplus", "nn.silu": "Silu", "nn.swish": "Silu",
    "identity": "Identity", "nn.softsign": "Softsign",
}  # fmt: skip
"""Names of TensorFlow's functions in files of Keras 2."""

_ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Selu": "selu", "Softplus": "softplus",
    "Softsign": "softsign", "Silu": "silu", "Exp": "exponential", "LogSigmoid": "log_sigmoid", "HardSigmoid":
    "hard_sigmoid", "HardSilu": "hard_silu", "HardTanh": "hard_tanh", "Mish": "mish", "Identity": None, "Elu": "elu",
}  # fmt: skip
_MERGES = {
    "Add": ops.Add, "Subtract": ops.Subtract, "Multiply": ops.Multiply, "Maximum": ops.Maximum, "Minimum": ops.Minimum,
}  # fmt: skip


def is_known(kind: str) -> bool:
    """Whether a class of Keras 3 is a function that is translated here."""
    return kind in ("Divide", "TrueDivide", "Negative", *_ACTIVATIONS, *_MERGES)


def function_name(kind: str, config: Mapping[str, Any]) -> str:
    """The name of a function in Keras 3, of an operation of Keras 3 or a layer of Keras 2."""
    if kind != "TFOpLambda":
        return {"TrueDivide": "Divide"}.get(kind, kind)
    return _TENSORFLOW.get(str(config.get("function")), str(config.get("function")))


def translate(
    function: str, config: Mapping[str, Any], arguments: Sequence[Any], named: Mapping[str, Any], name: str
) -> Translated:
    """Translate a call of a function.

    Args:
        function: from `function_name`.
        config: its settings in Keras 3.
        arguments, named: values and constants.
        name: of its operation.

    Raises:
        WeightsDamaged: the function, or an argument, is not known here.
    """
    given = [*arguments, *(value for key, value in named.items() if value is not None and key != "name")]
    settings = {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype", "function")}
    values = [each for each in given if isinstance(each, Value)]
    match given:
        case [Value() as first, Value() as second] if function in _MERGES:
            if first.is_volume != second.is_volume:
                raise WeightsDamaged(f"The function {name[:60]} computes with a volume and a vector.")
            return merge(_MERGES[function], name, [first, second])
        case [Value() as value, constant] if not isinstance(constant, Value):
            return _with_constant(function, name, value, constant, False)
        case [constant, Value() as value] if not isinstance(constant, Value):
            return _with_constant(function, name, value, constant, True)
        case [Value() as value] if function == "Negative":
            return affine(name, value, -1.0, 0.0)
        case [Value() as value] if function in _ACTIVATIONS and settings in ({}, {"alpha": 1.0}):
            return activation(name, value, _ACTIVATIONS[function], False)
    received = ", ".join("value" if each in values else type(each).__name__ for each in given)
    raise WeightsDamaged(f"The layer {name[:60]} is a function {function[:60]}({received}), which is not known here.")


def _with_constant(function: str, name: str, value: Value, constant: Any, is_first: bool) -> Translated:
    """A function of a value and a constant; `is_first`: the constant is its first argument."""
    number = _numbers(constant, name)
    with np.errstate(divide="ignore"):
        inverse = 1 / number
    match function:
        case "Add":
            return affine(name, value, 1.0, number)
        case "Multiply":
            return affine(name, value, number, 0.0)
        case "Subtract":
            return affine(name, value, -1.0, number) if is_first else affine(name, value, 1.0, -number)
        case "Divide" if not is_first and np.isfinite(inverse).all():
            return affine(name, value, inverse, 0.0)
        case "Maximum" | "Minimum" if number.size == 1:
            limit = {"low" if function == "Maximum" else "high": float(number.reshape(-1)[0])}
            op = ops.ActivationLayer(name, (value.name,), activation=Activation("clip", **limit))
            return Translated((op,), Value(name, value.channels, value.is_volume))
    raise WeightsDamaged(f"The layer {name[:60]} is a function {function[:60]} of a constant, which is not known here.")


def _numbers(constant: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(constant, np.float64)
    except (ValueError, TypeError):
        array = np.full(1, np.nan)
    if not np.isfinite(array).all() or not array.size:
        raise WeightsDamaged(f"The layer {name[:60]} computes with a constant that is no number.")
    return array
