"""Reads the JSON description of a Keras model as data and translates it to operations.

Keras does not load the description here, because loading could execute code that it contains or names: a Lambda, a
registered class, a function. This module reads the list of layers and the connections between them, in the forms of
Keras 2 and of Keras 3; `layer.py` translates each layer, `operator.py` each function. What follows a layer
that is not known is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.graph.operations import Conv, Rearrange
from c3dvis.networks.importers.from_keras import layer as layers_of_keras
from c3dvis.networks.importers.from_keras import operator
from c3dvis.networks.importers.from_keras.address import Entry, Held, KerasAddress, Path
from c3dvis.networks.importers.from_keras.inputs import NUM_LAYOUTS, Shape, clip_input, held_input, input_shape
from c3dvis.networks.importers.from_keras.node import Call, Ref, calls, ends
from c3dvis.networks.importers.from_keras.resolved import (
    MASK,
    MISSING,
    AllMissing,
    Output,
    resolved,
    settings_of,
    values_in,
)
from c3dvis.networks.importers.from_keras.tree import (
    is_distributed,
    is_function,
    is_model,
    is_own_class,
    name_of,
    tree,
)
from c3dvis.networks.importers.from_keras.value import Steps, Value
from c3dvis.networks.importers.from_keras.weights import Arrays, KerasLayer
from c3dvis.networks.importers.imported import Pair

ReadArrays = Callable[[KerasLayer], Arrays]
"""From a layer to its arrays."""

_MASKS = ("NotEqual", "Any")
_MAX_CALLS = 10_000
_UNREADABLE = (KeyError, TypeError, ValueError, IndexError, AttributeError)


@dataclass
class KerasModel:
    """A Keras model as operations.

    Attributes:
        layers: the model as layers with arrays.
        operations: in order of computation.
        output: the operation whose output is the model's first, empty where that is not known.
        size: (frames, height, width), None where the model takes any.
        channels: of its input.
        entry: what it is given: the clip, and what its other inputs hold.
        weights: for each operation with weights, the function that makes its (kernel, bias).
        addresses: for each operation that is a layer's output, where Keras has it.
        unknown: for each layer that could not be translated, why.
    """

    layers: KerasLayer
    operations: list[Operation] = field(default_factory=list)
    output: str = ""
    size: tuple[int | None, int | None, int | None] = (None, None, None)
    channels: int = 0
    entry: Entry = field(default_factory=lambda: Entry("thwc", (None,)))
    weights: dict[str, Callable[[ReadArrays], Pair]] = field(default_factory=dict)
    addresses: dict[str, KerasAddress] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def is_natural(self) -> bool:
        """Whether there is a convolution, and none reads the clip with its axes moved."""
        before: set[str] = {"input"}  # what no convolution has computed
        for op in self.operations:
            if before.issuperset(op.inputs) and not isinstance(op, Conv):
                before.add(op.name)
        moved = any(isinstance(op, Rearrange) and op.moves_axes and op.name in before for op in self.operations)
        return not moved and any(isinstance(op, Conv) for op in self.operations)


def read(
    config: Mapping[str, Any],
    is_keras_2: bool,
    size: tuple[int, int, int] | None = None,
    held: tuple[float, ...] = (0.0,),
) -> KerasModel:
    """Read the description of a model.

    Args:
        config: the contents of `model.to_json()`, or of `config.json` in a .keras file.
        is_keras_2: whether Keras 2 wrote it.
        size: (frames, height, width) of a clip; None takes the model's own.
        held: what inputs beside the clip hold: one number, or one for each channel of the clip.

    Raises:
        WeightsDamaged: it does not describe a model, or no convolution of it can be computed here.
    """
    try:
        if not is_model(config):
            raise WeightsDamaged(
                f"The model is a {str(config['class_name'])[:60]}: expected Sequential or Functional. Models of a "
                "class of their own run code of their own; save it as a functional model, or, if you have its code, "
                "add it with `c3dvis networks add --code`."
            )
        model = _in_natural_layout(config, is_keras_2, size, held)
    except WeightsDamaged:
        raise
    except (*_UNREADABLE, RecursionError) as error:
        raise WeightsDamaged(f"The model's description cannot be read ({type(error).__name__}: {error}).") from None
    if not any(isinstance(op, Conv) for op in model.operations):
        raise WeightsDamaged(
            " ".join(model.unknown[:1]) or "The model has no convolution: there is no filter to visualise."
        )
    return model


def _in_natural_layout(
    config: Mapping[str, Any], is_keras_2: bool, size: tuple[int, int, int] | None, held: tuple[float, ...]
) -> KerasModel:
    """The model for that order of the clip's axes in which its convolutions read it."""
    found, refused = [], []
    for number in range(NUM_LAYOUTS):
        model = KerasModel(tree(config))
        try:
            reader = _Reader(model, is_keras_2, number, size, held)
            outputs = reader.outermost(config)
        except WeightsDamaged as error:
            refused.append(error)
            continue
        model.output = next((value.name for value in outputs if isinstance(value, Value)), "")
        if model.is_natural:
            return model
        found.append(model)
    if not found or len(found[0].entry.order) < 4:  # a picture of two dimensions has as many axes as grey frames
        raise refused[0]
    return found[0]


class _Reader:
    def __init__(
        self, model: KerasModel, is_keras_2: bool, layout: int, size: tuple[int, int, int] | None,
        held: tuple[float, ...],
    ) -> None:  # fmt: skip
        self._model, self._is_keras_2 = model, is_keras_2
        self._layout, self._size, self._held = layout, size, held
        self._names: set[str] = {"input"}
        self._num_calls = 0

    def outermost(self, config: Mapping[str, Any]) -> list[Output]:
        """Read the whole model; its outputs."""
        return self._run(config, None, (), self._model.layers)

    def _run(
        self, model: Mapping[str, Any], inputs: Sequence[Output] | None, path: Path,
        layers: KerasLayer,
    ) -> list[Output]:  # fmt: skip
        """Add the operations of a model that is called, and return its outputs; no inputs: it is the outermost."""
        config = model["config"]
        described = config if isinstance(config, list) else config["layers"]
        if model["class_name"] == "Sequential":
            return self._sequential(config, described, inputs, path, layers)
        return self._functional(config, described, inputs, path, layers)

    def _sequential(
        self, config: Any, described: list[Any], inputs: Sequence[Output] | None, path: Path,
        layers: KerasLayer,
    ) -> list[Output]:  # fmt: skip
        if inputs is None:
            built_shape = config.get("build_input_shape") if isinstance(config, dict) else None
            inputs = self._inputs({"clip": input_shape(described[0]["config"], built_shape)})
        values = list(inputs)
        for layer, found in zip(described, layers.layers, strict=True):
            if layer["class_name"] != "InputLayer":
                values = self._called(layer, Call(values, {}), (*path, (name_of(layer), 0)), found)
        return values

    def _functional(
        self, config: Any, described: list[Any], inputs: Sequence[Output] | None, path: Path,
        layers: KerasLayer,
    ) -> list[Output]:  # fmt: skip
        starts = ends(config["input_layers"])
        by_name = {name_of(layer): layer for layer in described}
        if inputs is None:
            inputs = self._inputs({start.layer: input_shape(by_name[start.layer]["config"]) for start in starts})
        if len(starts) != len(inputs):
            raise WeightsDamaged(f"A model within the model is called with {len(inputs)} inputs; it has {len(starts)}.")
        values: dict[tuple[str, int], list[Output]] = {
            (start.layer, 0): [value] for start, value in zip(starts, inputs, strict=True)
        }
        trees = dict(zip(by_name, layers.layers, strict=True))
        first = {name: self._first_call(layer) for name, layer in by_name.items()}

        def value(ref: Ref) -> Output:
            return values[ref.layer, ref.call - first[ref.layer]][ref.output]

        def end(ref: Ref) -> Output:
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
                call = resolved(waiting.pop((name, number)), value)
                values[name, number] = self._called(by_name[name], call, (*path, (name, number)), trees[name])
        return [end(ref) for ref in ends(config["output_layers"])]

    def _first_call(self, layer: Mapping[str, Any]) -> int:
        """The number of a layer's first call: Keras 2 counts the making of a model as a call of it."""
        if not (self._is_keras_2 and is_model(layer)):
            return 0
        inner = layer["config"]["layers"] if isinstance(layer["config"], Mapping) else layer["config"]
        return int(bool(inner) and inner[0]["class_name"] == "InputLayer")

    def _inputs(self, shapes: Mapping[str, Shape]) -> list[Output]:
        """The outermost model's inputs, given their shapes behind the batch: the clip, and constants for others."""
        clip = clip_input(shapes, self._layout, self._size)
        self._model.size, self._model.channels = clip.own_size, clip.sizes["c"]
        held: list[Held | None] = []
        values: list[Output] = []
        for name, shape in shapes.items():
            if name == clip.name:
                held.append(None)
                values.append(clip.value)
            else:
                steps = Steps(self._unique(name, ((name, 0),)))
                value, constant = held_input(steps, name, shape, clip, self._held)
                self._keep(steps, self._model.layers)
                held.append(constant)
                values.append(value)
        self._model.entry = Entry(clip.order, tuple(held))
        return values

    def _called(self, layer: Mapping[str, Any], call: Call, path: Path, found: KerasLayer) -> list[Output]:
        """Add a call of a layer and return its outputs."""
        self._num_calls += 1
        if self._num_calls > _MAX_CALLS:
            raise WeightsDamaged(f"The model calls its layers more than {_MAX_CALLS:,} times.")
        if is_function(layer) and layer["class_name"] in _MASKS:
            return [MASK]
        if is_distributed(layer) or layer["class_name"] == "BatchNormalization":  # which a mask does not change here
            call = Call(call.arguments, {name: value for name, value in call.named.items() if name != "mask"})
        values = values_in([*call.arguments, *call.named.values()])
        if MASK in values:
            self._model.unknown.append(f"The layer {found.name[:60]} computes with a mask, which is not known here.")
        if MASK in values or MISSING in values:
            return AllMissing()
        try:
            if is_model(layer):
                if settings := settings_of(call):
                    raise WeightsDamaged(f"The model {found.name[:60]} is called with {', '.join(settings)[:60]}.")
                return self._run(layer, values, path, found)
            known = [each for each in values if isinstance(each, Value)]
            if is_distributed(layer):
                return self._distributed(layer, known, path, found)
            steps = Steps(self._unique(found.name, path))
            return [self._added(steps, self._translated(steps, layer, call, known), path, found)]
        except WeightsDamaged as error:
            self._model.unknown.append(str(error))
        except _UNREADABLE as error:
            self._model.unknown.append(
                f"The layer {found.name[:60]} has settings that cannot be read ({type(error).__name__}: {error})."
            )
        return AllMissing()

    def _distributed(
        self, layer: Mapping[str, Any], values: Sequence[Value], path: Path, found: KerasLayer
    ) -> list[Output]:
        """Add a call of a TimeDistributed layer: what is in it sees the first axis as a part of the batch."""
        inner, inner_found = layer["config"]["layer"], found.layers[0]
        steps = Steps(self._unique(found.name, path))
        if len(values) != 1 or len(values[0].order) < 2:
            raise WeightsDamaged(f"The layer {steps.name[:60]} is of every frame; expected one value with frames.")
        value = values[0]
        if value.order[0] == "c":
            value = steps.with_channels(value, value.order[-1])
        frame = replace(value, order=value.order[1:], outer=value.outer + value.order[0])

        def whole(made: Output) -> Output:
            if not isinstance(made, Value):
                return made
            return replace(made, order=made.outer[-1] + made.order, outer=made.outer[:-1])

        if is_model(inner):
            self._keep(steps, found)
            return [whole(made) for made in self._run(inner, [frame], path, inner_found)]
        made = self._translated(steps, inner, Call([frame], {}), [frame])
        return [whole(self._added(steps, made, path, inner_found))]

    def _translated(self, steps: Steps, layer: Mapping[str, Any], call: Call, values: Sequence[Value]) -> Value:
        kind, config = layer["class_name"], layer["config"]
        if is_own_class(layer):
            raise WeightsDamaged(
                f"The layer {steps.name[:60]} is of a class of its own ({str(kind)[:60]}), which would be code to run. "
                "If you have its code, add the network with `c3dvis networks add --code`."
            )
        if not values:
            raise WeightsDamaged(f"The layer {steps.name[:60]} reads no value of the model.")
        if is_function(layer):
            function = operator.function_name(kind, config)
            return operator.translate(steps, function, config, call.arguments, call.named)
        if settings := settings_of(call):
            raise WeightsDamaged(f"The layer {steps.name[:60]} is called with {', '.join(settings)[:60]}.")
        return layers_of_keras.translate(steps, kind, config, values, self._is_keras_2)

    def _added(self, steps: Steps, output: Value, path: Path, found: KerasLayer) -> Value:
        """Keep the operations of a layer, and where Keras has its output."""
        self._keep(steps, found)
        address = KerasAddress(path, 0, output.outer + output.order, self._model.entry)
        self._model.addresses[output.name] = address
        return output

    def _keep(self, steps: Steps, found: KerasLayer) -> None:
        for op in steps.operations:
            self._model.operations.append(op)
            self._names.add(op.name)
        for name, make in steps.pairs.items():
            self._model.weights[name] = lambda arrays, make=make: make(arrays(found) if found.roles else {})

    def _unique(self, name: str, path: Path) -> str:
        """A name for an operation that no other has: the layer's, or with those of the models that contain it."""
        whole = "/".join(each for each, _ in path)
        names = [name, whole, *(f"{whole} ({number})" for number in range(2, _MAX_CALLS))]
        found = next(each for each in names if each not in self._names)
        if not name or len(found) > 200 or not found.isprintable() or {".", "..", ""} & set(found.split("/")):
            raise WeightsDamaged(f"The layer {name[:60]!r} has a name that cannot be used.")
        return found
