"""Reads the JSON description of a Keras model as data and translates it to operations.

Keras does not load the description here, because loading could execute code that it contains or names: a Lambda, a
registered class, a function. This module reads the list of layers and the connections between them, in the forms of
Keras 2 and of Keras 3; `keras_layer.py` translates each layer, `keras_operator.py` each function. What follows a layer
that is not known is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.graph.operations import Conv
from c3dvis.networks.importers import keras_layer, keras_operator
from c3dvis.networks.importers.imported import Pair
from c3dvis.networks.importers.keras_layer import Translated, Value
from c3dvis.networks.importers.keras_node import Call, Ref, calls, ends
from c3dvis.networks.importers.keras_tree import is_function, is_model, is_own_class, name_of, tree
from c3dvis.networks.importers.keras_weights import Arrays, KerasLayer

ReadArrays = Callable[[KerasLayer], Arrays]
"""From a layer to its arrays."""

KerasAddress = tuple[tuple[tuple[str, int], ...], int]
"""Where a Keras model has a value: (layer, number of its call) from the outermost model on, and the output's number."""

_MAX_CALLS = 10_000


@dataclass
class KerasModel:
    """A Keras model as operations.

    Attributes:
        layers: the model as layers with arrays.
        operations: in order of computation.
        output: the operation whose output is the model's first, empty where that is not known.
        size: (frames, height, width), None where the model takes any.
        channels: of its input.
        weights: for each operation with weights, the function that makes its (kernel, bias).
        addresses: for each operation that is a layer's output, where Keras has it.
        unknown: for each layer that could not be translated, why.
    """

    layers: KerasLayer
    operations: list[Operation] = field(default_factory=list)
    output: str = ""
    size: tuple[int | None, int | None, int | None] = (None, None, None)
    channels: int = 0
    weights: dict[str, Callable[[ReadArrays], Pair]] = field(default_factory=dict)
    addresses: dict[str, KerasAddress] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def read(config: Mapping[str, Any], is_keras_2: bool) -> KerasModel:
    """Read the description of a model.

    Args:
        config: the contents of `model.to_json()`, or of `config.json` in a .keras file.
        is_keras_2: whether Keras 2 wrote it.

    Raises:
        WeightsDamaged: it does not describe a model, or no convolution of it can be computed here.
    """
    try:
        if not is_model(config):
            raise WeightsDamaged(
                f"The model is a {str(config['class_name'])[:60]}: expected Sequential or Functional. Models of a "
                "class of their own run code of their own; save it as a functional model."
            )
        model = KerasModel(tree(config))
        outputs = _Reader(model, is_keras_2).outermost(config)
    except WeightsDamaged:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise WeightsDamaged(f"The model's description cannot be read ({type(error).__name__}: {error}).") from None
    if not any(isinstance(op, Conv) for op in model.operations):
        raise WeightsDamaged(
            " ".join(model.unknown[:1]) or "The model has no Conv3D layer: there is no filter to visualise."
        )
    model.output = next((value.name for value in outputs if isinstance(value, Value)), "")
    return model


class _Missing:
    """An output that depends on a layer that is not known."""


_MISSING = _Missing()
_Output = Value | _Missing


class _Reader:
    def __init__(self, model: KerasModel, is_keras_2: bool) -> None:
        self._model, self._is_keras_2 = model, is_keras_2
        self._names: set[str] = {"input"}
        self._num_calls = 0

    def outermost(self, config: Mapping[str, Any]) -> list[_Output]:
        """Read the whole model; its outputs."""
        return self._run(config, None, (), self._model.layers)

    def _run(
        self, model: Mapping[str, Any], inputs: Sequence[_Output] | None, path: tuple[tuple[str, int], ...],
        layers: KerasLayer,
    ) -> list[_Output]:  # fmt: skip
        """Add the operations of a model that is called, and return its outputs; no inputs: it is the outermost."""
        config = model["config"]
        described = config if isinstance(config, list) else config["layers"]
        if model["class_name"] == "Sequential":
            return self._sequential(config, described, inputs, path, layers)
        return self._functional(config, described, inputs, path, layers)

    def _sequential(
        self, config: Any, described: list[Any], inputs: Sequence[_Output] | None, path: tuple[tuple[str, int], ...],
        layers: KerasLayer,
    ) -> list[_Output]:  # fmt: skip
        if inputs is None:
            inputs = self._input(
                described[0]["config"], config.get("build_input_shape") if isinstance(config, dict) else None
            )
        values = list(inputs)
        for layer, found in zip(described, layers.layers, strict=True):
            if layer["class_name"] != "InputLayer":
                values = self._called(layer, Call(values, {}), (*path, (name_of(layer), 0)), found)
        return values

    def _functional(
        self, config: Any, described: list[Any], inputs: Sequence[_Output] | None, path: tuple[tuple[str, int], ...],
        layers: KerasLayer,
    ) -> list[_Output]:  # fmt: skip
        starts = ends(config["input_layers"])
        by_name = {name_of(layer): layer for layer in described}
        if inputs is None:
            if len(starts) != 1:
                raise WeightsDamaged(f"The model has {len(starts)} inputs; expected one clip.")
            inputs = self._input(by_name[starts[0].layer]["config"])
        if len(starts) != len(inputs):
            raise WeightsDamaged(f"A model within the model is called with {len(inputs)} inputs; it has {len(starts)}.")
        values: dict[tuple[str, int], list[_Output]] = {
            (start.layer, 0): [value] for start, value in zip(starts, inputs, strict=True)
        }
        trees = dict(zip(by_name, layers.layers, strict=True))
        first = {name: self._first_call(layer) for name, layer in by_name.items()}

        def value(ref: Ref) -> _Output:
            return values[ref.layer, ref.call - first[ref.layer]][ref.output]

        def end(ref: Ref) -> _Output:
            is_model_of_keras_3 = not self._is_keras_2 and by_name[ref.layer]["class_name"] == "Functional"
            return value(replace(ref, call=ref.call - is_model_of_keras_3))  # which counts its making here alone

        waiting = {
            (name, number): call
            for name, layer in by_name.items()
            if (name, 0) not in values
            for number, call in enumerate(calls(layer))
        }
        while waiting:
            ready = [
                key
                for key, call in waiting.items()
                if all((ref.layer, ref.call - first[ref.layer]) in values for ref in call.refs)
            ]
            if not ready:
                raise WeightsDamaged(f"The layer {next(iter(waiting))[0][:60]} reads a layer that does not exist.")
            for name, number in ready:
                call = _resolved(waiting.pop((name, number)), value)
                values[name, number] = self._called(by_name[name], call, (*path, (name, number)), trees[name])
        return [end(ref) for ref in ends(config["output_layers"])]

    def _first_call(self, layer: Mapping[str, Any]) -> int:
        """The number of a layer's first call: Keras 2 counts the making of a model as a call of it."""
        if not (self._is_keras_2 and is_model(layer)):
            return 0
        inner = layer["config"]["layers"] if isinstance(layer["config"], Mapping) else layer["config"]
        return int(bool(inner) and inner[0]["class_name"] == "InputLayer")

    def _input(self, config: Mapping[str, Any], built_shape: Any = None) -> list[_Output]:
        """Read the input's shape from a layer's settings, or take that with which the model was built."""
        sizes = tuple(config.get("batch_shape") or config.get("batch_input_shape") or built_shape or ())
        if len(sizes) != 5 or not isinstance(sizes[4], int) or not 1 <= sizes[4] <= 64:
            raise WeightsDamaged(
                f"The model takes an input of shape {list(sizes)}: expected (batch, frames, height, width, channels), "
                "channels last, from 1 to 64 of them."
            )
        self._model.size, self._model.channels = sizes[1:4], sizes[4]  # type: ignore[assignment]
        return [Value("input", sizes[4], True)]

    def _called(
        self, layer: Mapping[str, Any], call: Call, path: tuple[tuple[str, int], ...], found: KerasLayer
    ) -> list[_Output]:
        """Add a call of a layer and return its outputs."""
        self._num_calls += 1
        if self._num_calls > _MAX_CALLS:
            raise WeightsDamaged(f"The model calls its layers more than {_MAX_CALLS:,} times.")
        values = _values_in([*call.arguments, *call.named.values()])
        if _MISSING in values:
            return _AllMissing()
        try:
            if is_model(layer):
                if settings := _settings(call):
                    raise WeightsDamaged(f"The model {found.name[:60]} is called with {', '.join(settings)[:60]}.")
                return self._run(layer, values, path, found)
            return [self._add(layer, call, [each for each in values if isinstance(each, Value)], path, found)]
        except WeightsDamaged as error:
            self._model.unknown.append(str(error))
            return _AllMissing()

    def _add(
        self, layer: Mapping[str, Any], call: Call, values: Sequence[Value], path: tuple[tuple[str, int], ...],
        found: KerasLayer,
    ) -> Value:  # fmt: skip
        kind, config, name = layer["class_name"], layer["config"], found.name
        if is_own_class(layer):
            raise WeightsDamaged(
                f"The layer {name[:60]} is of a class of its own ({str(layer['class_name'])[:60]}), which would be "
                "code to run."
            )
        if config.get("data_format") == "channels_first":
            raise WeightsDamaged(f"The layer {name[:60]} has its channels first; expected channels last.")
        if not values:
            raise WeightsDamaged(f"The layer {name[:60]} reads no value of the model.")
        unique = self._unique(name, path)
        if is_function(layer):
            function = keras_operator.function_name(kind, config)
            made = keras_operator.translate(function, config, call.arguments, call.named, unique)
        elif settings := _settings(call):
            raise WeightsDamaged(f"The layer {name[:60]} is called with {', '.join(settings)[:60]}.")
        else:
            made = keras_layer.translate(kind, config, unique, values, self._is_keras_2)
        self._keep(made, found)
        self._model.addresses[made.output.name] = path, 0
        return made.output

    def _keep(self, made: Translated, found: KerasLayer) -> None:
        for op in made.operations:
            self._model.operations.append(op)
            self._names.add(op.name)
        for name, make in made.pairs.items():
            self._model.weights[name] = lambda arrays, make=make: make(arrays(found) if found.roles else {})

    def _unique(self, name: str, path: tuple[tuple[str, int], ...]) -> str:
        """A name for an operation that no other has: the layer's, or with those of the models that contain it."""
        whole = "/".join(each for each, _ in path)
        names = [name, whole, *(f"{whole} ({number})" for number in range(2, _MAX_CALLS))]
        found = next(each for each in names if each not in self._names)
        if not name or len(found) > 200 or not found.isprintable() or {".", "..", ""} & set(found.split("/")):
            raise WeightsDamaged(f"The layer {name[:60]!r} has a name that cannot be used.")
        return found


class _AllMissing(list[_Output]):
    """The outputs of a layer that is not known, however many it has."""

    def __init__(self) -> None:
        super().__init__([_MISSING])

    def __getitem__(self, index: Any) -> Any:
        return _MISSING


def _resolved(call: Call, value: Callable[[Ref], _Output]) -> Call:
    """A call with values in place of references."""

    def resolve(argument: Any) -> Any:
        if isinstance(argument, Ref):
            return value(argument)
        if isinstance(argument, list | tuple):
            return [resolve(each) for each in argument]
        if isinstance(argument, Mapping):
            return {name: resolve(each) for name, each in argument.items()}
        return argument

    return Call([resolve(each) for each in call.arguments], {name: resolve(each) for name, each in call.named.items()})


def _values_in(argument: Any) -> list[_Output]:
    """The values among the arguments of a resolved call, in order."""
    if isinstance(argument, Value | _Missing):
        return [argument]
    if isinstance(argument, Mapping):
        argument = list(argument.values())
    return [value for each in argument for value in _values_in(each)] if isinstance(argument, list) else []


def _settings(call: Call) -> list[str]:
    """The names of a resolved call's arguments that are no values and have an effect, such as `training`."""
    constants = {name: value for name, value in call.named.items() if not _values_in(value)}
    return [name for name, value in constants.items() if name != "name" and value is not None and value is not False]
