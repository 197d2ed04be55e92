"""Reads the description of a Keras model as data: its JSON becomes an `Architecture`, and no layer is ever built.

Keras is not asked to load anything: what a description could make it run (a Lambda, a registered class, a function by
its name) has no way in. Here is told which layers there are and who reads whom, which Keras 2 and 3 write in two ways;
what a single layer is, `keras_layer.py` knows.

A BatchNorm that follows a convolution folds into it, as does the activation function behind them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture, Op
from c3dvis.networks.importers.keras_layer import Arrays, Pair, translate

LayerArrays = Callable[[str], Arrays]
"""From a layer's name to its arrays."""

_MODELS = ("Sequential", "Functional", "Model")
_FOLDS = ("conv", "transposed", "dense", "scale", "add", "average", "maximum", "multiply", "subtract")
_MAX_LAYERS = 2000


@dataclass
class Described:
    """A model as its description has it.

    Attributes:
        ops: in order of computation.
        size: (frames, height, width), None where the model takes any.
        channels: of its input.
        weights: for each operation that has them, what makes its (kernel, bias) from a layer's arrays.
        paths: for each operation whose weights stand in a file: the layer's name and, behind it, what early Keras 3
            calls it; before the two, those of the models it lies in.
        roles: for the same operations, what their layer's arrays are, in Keras 3's order.
    """

    ops: list[Op] = field(default_factory=list)
    size: tuple[int | None, int | None, int | None] = (None, None, None)
    channels: int = 0
    weights: dict[str, Callable[[LayerArrays], Pair]] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read(config: Mapping[str, Any]) -> Described:
    """The operations of a model.

    Args:
        config: what `model.to_json()` or `config.json` in a .keras file holds.

    Raises:
        WeightsDamaged: it is no description of a model, or has a layer that is not known here.
    """
    made = Described()
    try:
        _Reader(made).model(config, None, ())
    except WeightsDamaged:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise WeightsDamaged(f"The model's description cannot be read ({type(error).__name__}: {error}).") from None
    if not any(op.kind == "conv" for op in made.ops):
        raise WeightsDamaged("The model has no Conv3D layer: there is no filter to look into.")
    _fold(made)
    return made


class _Reader:
    def __init__(self, made: Described) -> None:
        self._made = made
        self._names: set[str] = {"input"}
        self._volume: dict[str, bool] = {"input": True}  # whether an output still has frames, height and width
        self._channels: dict[str, int] = {}
        self._counts: dict[tuple[str, ...], dict[str, int]] = {}

    def model(self, described: Mapping[str, Any], source: str | None, path: tuple[str, ...]) -> str:
        """Adds a model's layers; `source` is what its input reads, None for the outermost. Returns its output."""
        kind, config = described["class_name"], described["config"]
        if kind not in _MODELS:
            raise WeightsDamaged(
                f"The model is a {str(kind)[:60]}: expected Sequential or Functional. Models of a class of their own "
                "run code of their own; save it as a functional model."
            )
        layers = config if isinstance(config, list) else config["layers"]
        if len(layers) > _MAX_LAYERS:
            raise WeightsDamaged(f"The model has {len(layers):,} layers; expected at most {_MAX_LAYERS:,}.")
        if kind == "Sequential":
            return self._sequential(config, layers, source, path)
        return self._functional(config, layers, source, path)

    def _sequential(self, config: Any, layers: list[Any], source: str | None, path: tuple[str, ...]) -> str:
        if source is None:
            source = "input"
            shape = layers[0]["config"].get("batch_shape") or layers[0]["config"].get("batch_input_shape")
            if shape is None and isinstance(config, dict):
                shape = config.get("build_input_shape")
            self._input(shape)
        for layer in layers:
            if layer["class_name"] != "InputLayer":
                source = self._layer(layer, [source], path)
            else:
                self._count(path, "InputLayer")
        return source

    def _functional(self, config: Any, layers: list[Any], source: str | None, path: tuple[str, ...]) -> str:
        starts = _histories(config["input_layers"])
        ends = _histories(config["output_layers"])
        if len(starts) != 1:
            raise WeightsDamaged(f"The model has {len(starts)} inputs; expected one clip.")
        outputs: dict[str, str] = {}
        waiting = {}
        for layer in layers:
            name = layer["config"].get("name") or layer["name"]
            if name == starts[0]:
                if source is None:
                    self._input(layer["config"].get("batch_shape") or layer["config"].get("batch_input_shape"))
                outputs[name] = source or "input"
                self._count(path, "InputLayer")
                continue
            nodes = layer["inbound_nodes"]
            if len(nodes) != 1:
                raise WeightsDamaged(f"The layer {name[:60]} is used {len(nodes)} times; expected once.")
            waiting[name] = (layer, _histories(nodes[0]), self._key(path, layer["class_name"]))
        while waiting:
            ready = [name for name, (_, reads, _) in waiting.items() if all(each in outputs for each in reads)]
            if not ready:
                raise WeightsDamaged(f"The layer {next(iter(waiting))[:60]} reads what is not there.")
            for name in ready:
                layer, reads, key = waiting.pop(name)
                outputs[name] = self._layer(layer, [outputs[each] for each in reads], path, key)
        last = outputs[ends[0]]
        if source is None and not any(last in op.inputs for op in self._made.ops):  # the network's output stands last
            self._made.ops.sort(key=lambda op: op.name == last)
        return last

    def _input(self, shape: Any) -> None:
        sizes = tuple(shape or ())
        if len(sizes) != 5 or not isinstance(sizes[4], int) or not 1 <= sizes[4] <= 64:
            raise WeightsDamaged(
                f"The model takes an input of shape {list(sizes)}: expected (batch, frames, height, width, channels), "
                "channels last, from 1 to 64 of them."
            )
        self._made.size, self._made.channels = sizes[1:4], sizes[4]  # type: ignore[assignment]
        self._channels["input"] = sizes[4]

    def _count(self, path: tuple[str, ...], kind: str) -> int:
        counts = self._counts.setdefault(path, {})
        counts[kind] = counts.get(kind, 0) + 1
        return counts[kind] - 1

    def _key(self, path: tuple[str, ...], kind: str) -> str:
        """What early Keras 3 calls a layer in its weights file: its class, and a number from the second on."""
        number = self._count(path, kind)
        return f"{_snake(kind)}_{number}" if number else _snake(kind)

    def _layer(self, layer: Mapping[str, Any], inputs: list[str], path: tuple[str, ...], key: str | None = None) -> str:
        kind, config = layer["class_name"], layer["config"]
        key = key or self._key(path, kind)
        name = str(config.get("name") or layer.get("name") or "")
        if kind in _MODELS:
            return self.model(layer, inputs[0], (*path, name, key))
        if config.get("data_format") == "channels_first":
            raise WeightsDamaged(f"The layer {name[:60]} has its channels first; expected channels last.")
        if (layer.get("module") or "keras").split(".")[0] != "keras" or layer.get("registered_name") not in (
            None,
            kind,
        ):
            raise WeightsDamaged(
                f"The layer {name[:60]} is of a class of its own ({kind[:60]}), which would be code to run."
            )
        unique = name if name not in self._names else "/".join((*path[::2], name))
        if not name or unique in self._names or "." in name or len(name) > 120:
            raise WeightsDamaged(f"The layer {name[:60]!r} has a name that cannot be used, or that another has.")
        return self._add(kind, config, unique, inputs, (*path, name, key))

    def _add(self, kind: str, config: Mapping[str, Any], name: str, inputs: list[str], path: tuple[str, ...]) -> str:
        channels = [self._channels[each] for each in inputs]
        layer = translate(kind, config, name, inputs, channels, self._volume[inputs[0]])
        for op in layer.ops:
            self._made.ops.append(op)
            self._names.add(op.name)
            self._channels[op.name], self._volume[op.name] = layer.channels, layer.is_volume
        if layer.roles:
            self._made.paths[name], self._made.roles[name] = path, layer.roles
        if make := layer.make_pair:
            self._made.weights[name] = lambda arrays: make(arrays(name) if layer.roles else {})
        return layer.ops[-1].name


def architecture(name: str, made: Described) -> Architecture:
    """The network that a description stands for."""
    return Architecture(name, tuple(made.ops), made.channels)


def _fold(made: Described) -> None:
    """Folds normalisations and activation functions into what alone they read."""
    place = 0
    while place < len(made.ops):
        op = made.ops[place]
        readers = [other for other in made.ops if op.name in other.inputs]
        follower = readers[0] if len(readers) == 1 else None
        bare = not op.relu and not op.activation
        if follower and bare and op.kind in ("conv", "dense") and follower.kind == "scale":
            made.weights[op.name] = _scaled(made.weights[op.name], made.weights.pop(follower.name))
            op = replace(op, relu=follower.relu, activation=follower.activation, alpha=follower.alpha)
        elif follower and bare and op.kind in _FOLDS and follower.kind == "activation":
            relu = follower.activation == "relu" and op.kind in ("conv", "transposed", "dense", "scale")
            op = replace(op, relu=relu, activation="" if relu else follower.activation, alpha=follower.alpha)
        else:
            place += 1
            continue
        assert follower
        made.ops[place] = op
        gone = follower.name
        made.ops = [
            replace(each, inputs=tuple(op.name if name == gone else name for name in each.inputs))
            for each in made.ops
            if each.name != gone
        ]


def _scaled(pair: Callable[[LayerArrays], Pair], scale: Callable[[LayerArrays], Pair]) -> Callable[[LayerArrays], Pair]:
    def folded(arrays: LayerArrays) -> Pair:
        (kernel, bias), (factor, offset) = pair(arrays), scale(arrays)
        return (kernel * factor).astype(np.float32), (bias * factor + offset).astype(np.float32)

    return folded


def _histories(node: Any) -> list[str]:
    """Names of the layers that a node reads, in either way of saying it, in order."""
    if isinstance(node, Mapping):
        if "keras_history" in node:
            return [str(node["keras_history"][0])]
        return [name for value in node.values() for name in _histories(value)]
    if isinstance(node, list):
        if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int):
            return [node[0]]
        return [name for value in node for name in _histories(value)]
    return []


def _snake(kind: str) -> str:
    """Conv3D to conv3d, BatchNormalization to batch_normalization, as Keras writes them."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
