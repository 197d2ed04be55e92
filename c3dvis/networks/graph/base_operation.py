"""`Operation`: what all kinds of operations have in common, and their canonical JSON form.

The kinds are in `operations.py`. All sizes are in the order (frames, height, width).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args, get_origin

Triple = tuple[int, int, int]
Margins = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""(before, after) along frames, height and width."""
NO_MARGINS: Margins = ((0, 0), (0, 0), (0, 0))
Counts = Annotated[Triple, "0 or more"]
"""Frames, rows and columns, of which there may be none."""
Padding = Literal["same", "valid"]
"""As TensorFlow defines them."""
Shape = tuple[int, ...]
"""(frames, height, width, channels), or (channels,) where there is no volume; without the batch axis."""

ACTIVATIONS = (
    "relu", "elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "tanh", "softplus", "softsign", "silu", "swish",
    "softmax", "exponential", "relu6", "leaky_relu", "celu", "hard_silu", "mish", "log_softmax", "gelu_tanh", "clip",
    "abs", "square", "sqrt", "reciprocal", "log", "erf", "log_sigmoid", "thresholded_relu",
)  # fmt: skip
"""Known activation functions, by their names in Keras where it has them; `gelu_tanh` is its approximate GELU."""

OPERATIONS: dict[str, type["Operation"]] = {}
"""The class of every kind of operation, by the name of the kind."""


class ReceptiveField(NamedTuple):
    """The part of the clip that one output position depends on, in input frames and pixels.

    Attributes:
        size: extent (t, h, w).
        stride: distance (t, h, w) between the receptive fields of neighbouring positions; below 1 after upsampling.
    """

    size: tuple[int | Fraction, ...]
    stride: tuple[int | Fraction, ...]

    def widened(self, window: Sequence[int], strides: Sequence[int | Fraction]) -> "ReceptiveField":
        """The receptive field of an operation that reads windows of positions with this receptive field."""
        size = (s + (n - 1) * step for s, n, step in zip(self.size, window, self.stride, strict=True))
        stride = (step * factor for step, factor in zip(self.stride, strides, strict=True))
        return ReceptiveField(tuple(size), tuple(stride))


@dataclass(frozen=True)
class Activation:
    """An activation function.

    Args:
        function: one of `ACTIVATIONS`.
        negative_slope: slope below zero of a `leaky_relu`, and below its threshold of a `thresholded_relu`.
        alpha: of an `elu` or a `celu`.
        low, high: bounds of a `clip`; None where there is none. A `leaky_relu` can have the upper one, and a
            `thresholded_relu`, which is the value itself above its threshold `low`.
    """

    function: str
    negative_slope: float = 0.0
    alpha: float = 1.0
    low: float | None = None
    high: float | None = None


RELU = Activation("relu")


@dataclass(frozen=True)
class Operation:
    """One operation of a network. Its subclasses are the kinds of operations.

    By default an operation has no weights, and its output has the shape and the receptive field of its input.

    Args:
        name: unique within the network; the published layer name where there is one.
        inputs: names of the operations whose outputs it reads; `input` is the clip.
        activation: activation function applied to its output, or None.
    """

    name: str
    inputs: tuple[str, ...]
    activation: Activation | None = field(default=None, kw_only=True)

    kind: ClassVar[str]
    is_targetable: ClassVar[bool] = False
    """Whether its output can be maximised."""
    is_computed_here: ClassVar[bool] = True
    """Whether c3dvis computes it, from its fields and weights."""
    _in_keras_vis: ClassVar[bool] = False
    _shift_equivariant: ClassVar[bool] = False

    def __init_subclass__(cls, kind: str = "") -> None:
        if kind:
            cls.kind = kind
            OPERATIONS[kind] = cls

    @property
    def is_in_keras_vis(self) -> bool:
        """Whether the models of the original library, keras-vis, have this operation."""
        return self._in_keras_vis and self.activation in (None, RELU)

    @property
    def is_shift_equivariant(self) -> bool:
        """Whether an input shifted by a multiple of the stride gives the same output, shifted."""
        return self._shift_equivariant

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Shape of the output, given those of the inputs; an input that is too small gives sizes of 0."""
        return inputs[0]

    def parameters(self, input_channels: int) -> int:
        """Number of weights."""
        return 0

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        """Receptive field of one output position.

        Args:
            inputs: receptive fields of one position of each input.
            input_shape: of the first input. None assumes one position where an operation reads the whole input.

        Source: Araujo, Norris, Sim: Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.
        """
        size = tuple(max(column) for column in zip(*(each.size for each in inputs), strict=True))
        return ReceptiveField(size, inputs[0].stride)

    def input_interval(self, first: int, last: int, axis: int, input_size: int, output_size: int) -> tuple[int, int]:
        """First and last input position along an axis that the output positions `first` to `last` depend on."""
        return first, last

    def to_dict(self) -> dict[str, Any]:
        """The canonical JSON form: the kind, and the fields that differ from their defaults."""
        return {"kind": self.kind, **_without_defaults(self)}

    @staticmethod
    def from_dict(described: Mapping[str, Any]) -> "Operation":
        """The operation that `to_dict` described, also after JSON.

        Raises:
            ValueError, TypeError, KeyError: the kind is unknown, or a field is missing, unknown or out of range.
        """
        values = dict(described)
        name, kind = values.get("name"), values.pop("kind")
        if kind not in OPERATIONS:
            raise ValueError(f"the operation {name!r} is of the unknown kind {kind!r}")
        types = {each.name: each.type for each in fields(OPERATIONS[kind])}
        if unknown := sorted(set(values) - set(types)):
            raise ValueError(f"the operation {name!r} ({kind!r}) has the unknown fields {', '.join(unknown)}")
        try:
            return OPERATIONS[kind](**{key: _read(types[key], value) for key, value in values.items()})
        except (ValueError, TypeError) as error:
            raise ValueError(f"the operation {name!r} ({kind!r}) cannot be read: {error}") from None


def _without_defaults(instance: Any) -> dict[str, Any]:
    values = {each.name: getattr(instance, each.name) for each in fields(instance)}
    changed = {each.name: values[each.name] for each in fields(instance) if values[each.name] != each.default}
    return {name: _without_defaults(value) if is_dataclass(value) else value for name, value in changed.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"expected a name of printable characters, received {value!r}")
    return value


def _list(value: Any, length: int | None = None) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) != (length or len(value)) or not value:
        raise ValueError(f"expected a list of {length or 'one or more'}, received {value!r}")
    return value


def _integer(value: Any, least: int = 1) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"expected a whole number of at least {least}, received {value!r}")
    return value


def _choice(value: Any, choices: Sequence[str]) -> Any:
    if value not in choices:
        raise ValueError(f"expected {' or '.join(choices)}, received {value!r}")
    return value


def _margins(value: Any) -> Any:
    return tuple(tuple(_integer(each, least=0) for each in _list(pair, 2)) for pair in _list(value, 3))


def _indices(value: Any) -> tuple[int, ...]:
    return tuple(_integer(each, least=0) for each in _list(value)) if value else ()


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"expected true or false, received {value!r}")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, received {value!r}")
    return float(value)


def _activation(value: Any) -> Activation:
    known = [each.name for each in fields(Activation)]
    if not isinstance(value, Mapping) or not {"function"} <= set(value) <= set(known):
        raise ValueError(f"expected an activation with {', '.join(known)}, received {value!r}")
    return Activation(
        _choice(value["function"], ACTIVATIONS),
        **{name: _number(setting) for name, setting in value.items() if name != "function"},
    )


def _read(kind: Any, value: Any) -> Any:
    """A field of the type `kind` from JSON, checked."""
    return _choice(value, get_args(kind)) if get_origin(kind) is Literal else _READERS[kind](value)


_READERS: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    tuple[str, ...]: lambda value: tuple(map(_text, _list(value))),
    int: _integer,
    Triple: lambda value: tuple(map(_integer, _list(value, 3))),
    Margins: _margins,
    Counts: lambda value: tuple(_integer(each, least=0) for each in _list(value, 3)),
    tuple[int, ...]: lambda value: tuple(_integer(each, least=0) for each in _list(value)),
    tuple[tuple[int, ...], ...]: lambda value: tuple(_indices(each) for each in _list(value)),
    tuple[float, ...]: lambda value: tuple(map(_number, _list(value))),
    float: _number,
    bool: _flag,
    Activation | None: _activation,
}
"""For the type of each field, the function that checks a value read from JSON."""
