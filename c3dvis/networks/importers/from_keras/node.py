"""The calls of a Keras model's layers, in the notations of Keras 2 and 3."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ref:
    """An output of a layer's call.

    Attributes:
        layer: its name.
        call: number of the call, for a layer that is used several times.
        output: number of the output.
    """

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        arguments: by position: references, constants, and lists of these.
        named: by name, likewise.
    """

    arguments: Sequence[Any]
    named: Mapping[str, Any]

    @property
    def refs(self) -> list[Ref]:
        """The outputs that it reads, in order."""
        return list(refs_in([*self.arguments, *self.named.values()]))


def calls(layer: Mapping[str, Any]) -> list[Call]:
    """The calls of a layer in a functional model's description."""
    return [_call(node) for node in layer["inbound_nodes"]]


def ends(described: Any) -> list[Ref]:
    """The inputs or outputs of a model's description: `input_layers` or `output_layers`, in any nesting."""
    if isinstance(described, Mapping):
        return [ref for value in described.values() for ref in ends(value)]
    if _is_ref(described):
        return [Ref(str(described[0]), described[1], described[2])]
    return [ref for value in described for ref in ends(value)]


def refs_in(value: Any) -> Iterator[Ref]:
    """The references in an argument."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from refs_in(each)
    elif isinstance(value, Mapping):
        yield from refs_in(list(value.values()))


def _call(node: Any) -> Call:
    if isinstance(node, Mapping):  # Keras 3
        return Call(_decoded(node["args"]), {str(name): _decoded(value) for name, value in node["kwargs"].items()})
    if _is_ref(node):  # Keras 2, of one value
        node = [node]
    arguments, named = [], {}
    for entry in node:
        arguments.append(_old(entry[:3]))
        if len(entry) > 3:
            named |= {str(name): _old(value) for name, value in entry[3].items()}
    return Call(arguments, named)


def _is_ref(value: Any) -> bool:
    """Whether a list is [layer, call, output, …] of Keras 2, or the ends of a model in Keras 3."""
    is_long = isinstance(value, list) and len(value) >= 3
    return is_long and isinstance(value[0], str) and type(value[1]) is int


def _old(value: Any) -> Any:
    """An argument in the notation of Keras 2."""
    if _is_ref(value):
        return value[2] if value[0] == "_CONSTANT_VALUE" else Ref(value[0], value[1], value[2])
    if isinstance(value, list):
        return [_old(each) for each in value]
    return value


def _decoded(value: Any) -> Any:
    """An argument in the notation of Keras 3."""
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    config = value.get("config") or {}
    match value.get("class_name"):
        case "__keras_tensor__":
            layer, call, output = config["keras_history"]
            return Ref(str(layer), call, output)
        case "__tuple__":
            return tuple(_decoded(each) for each in value["items"])
        case "__tensor__" | "__numpy__":
            return np.asarray(config["value"], np.float32)
    return {name: _decoded(each) for name, each in value.items()}
