"""Reads the JSON description of a Keras model as data and translates it to operations.

Keras does not load the description, because loading could execute code that it contains or names: a Lambda, a
registered class, a function. This module reads the list of layers and the connections between them, in the forms of
Keras 2 and of Keras 3. `keras_layer.py` translates each layer.

A BatchNormalization after a convolution is folded into it, as is the activation function after them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.graph.operations import ActivationLayer, Conv, Dense, Merge, Scale, Weighted
from c3dvis.networks.importers.keras_layer import Arrays, Pair, translate

LayerArrays = Callable[[str], Arrays]
"""From a layer's name to its arrays."""

_MODELS = ("Sequential", "Functional", "Model")
_MAX_LAYERS = 2000


@dataclass
class KerasModel:
    """A Keras model as operations.

    Attributes:
        operations: in order of computation.
        size: (frames, height, width), None where the model takes any.
        channels: of its input.
        weights: for each operation with weights, the function that makes its (kernel, bias) from a layer's arrays.
        paths: for each operation whose weights are in a file: the layer's name, then its name in files of early
            Keras 3; before the two, those of the models that contain it.
        roles: for the same operations, the roles of their layer's arrays, in Keras 3's order.
    """

    operations: list[Operation] = field(default_factory=list)
    size: tuple[int | None, int | None, int | None] = (None, None, None)
    channels: int = 0
    weights: dict[str, Callable[[LayerArrays], Pair]] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read(config: Mapping[str, Any]) -> KerasModel:
    """Read the description of a model.

    Args:
        config: the contents of `model.to_json()`, or of `config.json` in a .keras file.

    Raises:
        WeightsDamaged: it does not describe a model, or a layer is not known here.
    """
    model = KerasModel()
    try:
        _Reader(model).model(config, None, ())
    except WeightsDamaged:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise WeightsDamaged(f"The model's description cannot be read ({type(error).__name__}: {error}).") from None
    if not any(isinstance(op, Conv) for op in model.operations):
        raise WeightsDamaged("The model has no Conv3D layer: there is no filter to visualise.")
    _fold(model)
    return model


class _Reader:
    def __init__(self, model: KerasModel) -> None:
        self._model = model
        self._names: set[str] = {"input"}
        self._volume: dict[str, bool] = {"input": True}  # whether an output has frames, height and width
        self._channels: dict[str, int] = {}
        self._counts: dict[tuple[str, ...], dict[str, int]] = {}

    def model(self, described: Mapping[str, Any], source: str | None, path: tuple[str, ...]) -> str:
        """Add a model's layers and return its output; `source` is what its input reads, None for the outermost."""
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
            self._input(layers[0]["config"], config.get("build_input_shape") if isinstance(config, dict) else None)
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
                    self._input(layer["config"])
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
                raise WeightsDamaged(f"The layer {next(iter(waiting))[:60]} reads a layer that does not exist.")
            for name in ready:
                layer, reads, key = waiting.pop(name)
                outputs[name] = self._layer(layer, [outputs[each] for each in reads], path, key)
        last = outputs[ends[0]]
        if source is None and not any(last in op.inputs for op in self._model.operations):
            self._model.operations.sort(key=lambda op: op.name == last)  # the network's output comes last
        return last

    def _input(self, config: Mapping[str, Any], built_shape: Any = None) -> None:
        """Read the input's shape from a layer's settings, or take that with which the model was built."""
        sizes = tuple(config.get("batch_shape") or config.get("batch_input_shape") or built_shape or ())
        if len(sizes) != 5 or not isinstance(sizes[4], int) or not 1 <= sizes[4] <= 64:
            raise WeightsDamaged(
                f"The model takes an input of shape {list(sizes)}: expected (batch, frames, height, width, channels), "
                "channels last, from 1 to 64 of them."
            )
        self._model.size, self._model.channels = sizes[1:4], sizes[4]  # type: ignore[assignment]
        self._channels["input"] = sizes[4]

    def _count(self, path: tuple[str, ...], kind: str) -> int:
        counts = self._counts.setdefault(path, {})
        counts[kind] = counts.get(kind, 0) + 1
        return counts[kind] - 1

    def _key(self, path: tuple[str, ...], kind: str) -> str:
        """A layer's name in weights files of early Keras 3: its class, and a number from the second on."""
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
        package = (layer.get("module") or "keras").split(".")[0]
        if package != "keras" or layer.get("registered_name") not in (None, kind):
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
        for op in layer.operations:
            self._model.operations.append(op)
            self._names.add(op.name)
            self._channels[op.name], self._volume[op.name] = layer.channels, layer.is_volume
        if layer.roles:
            self._model.paths[name], self._model.roles[name] = path, layer.roles
        if make := layer.make_pair:
            self._model.weights[name] = lambda arrays: make(arrays(name) if layer.roles else {})
        return layer.operations[-1].name


def _fold(model: KerasModel) -> None:
    """Fold normalisations and activation functions into the operation before them, where nothing else reads that."""
    index = 0
    while index < len(model.operations):
        op = model.operations[index]
        readers = [other for other in model.operations if op.name in other.inputs]
        follower = readers[0] if len(readers) == 1 and op.activation is None else None
        if isinstance(op, Conv | Dense) and isinstance(follower, Scale):
            model.weights[op.name] = _scaled(model.weights[op.name], model.weights.pop(follower.name))
        elif not (isinstance(op, Weighted | Merge) and isinstance(follower, ActivationLayer)):
            index += 1
            continue
        folded = follower.name
        model.operations[index] = replace(op, activation=follower.activation)
        model.operations = [
            replace(each, inputs=tuple(op.name if name == folded else name for name in each.inputs))
            for each in model.operations
            if each.name != folded
        ]


def _scaled(pair: Callable[[LayerArrays], Pair], scale: Callable[[LayerArrays], Pair]) -> Callable[[LayerArrays], Pair]:
    def folded(arrays: LayerArrays) -> Pair:
        (kernel, bias), (factor, offset) = pair(arrays), scale(arrays)
        return (kernel * factor).astype(np.float32), (bias * factor + offset).astype(np.float32)

    return folded


def _histories(node: Any) -> list[str]:
    """Names of the layers that a node reads, in order, in the notation of Keras 2 or 3."""
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
