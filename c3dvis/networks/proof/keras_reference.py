"""A Keras model in Keras itself: `keras` for Keras 3, `tf_keras` for Keras 2, without code of the model's own."""

import importlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from c3dvis.networks.importers.from_keras import address as keras_address
from c3dvis.networks.importers.from_keras.address import KerasAddress
from c3dvis.networks.importers.from_keras.file import description
from c3dvis.networks.importers.from_keras.tree import tree
from c3dvis.networks.importers.from_keras.weights import are_of_attributes, attribute_keys
from c3dvis.networks.importers.imported import Address
from c3dvis.networks.proof.comparison import CannotRun
from c3dvis.networks.proof.keras_safety import stripped, unsafe_names
from c3dvis.networks.weights.formats import hdf5
from c3dvis.networks.weights.formats.stored_arrays import first_line

_Place = tuple[keras_address.Path, int]
"""The path of a layer, and the number of its output."""


class KerasReference:
    """A Keras model, loaded by Keras in its safe mode.

    Args:
        library: `keras` or `tf_keras`.
        architecture: the model's file, or its description as JSON.
        weights: its weights, or None.

    Raises:
        CannotRun: Keras does not load it.
    """

    def __init__(self, library: str, architecture: Path, weights: Path | None) -> None:
        keras = importlib.import_module(library)
        self.name = f"{'Keras' if library == 'keras' else 'tf-keras'} {keras.__version__}"
        self._keras: Any = keras
        for file in filter(None, (architecture, weights)):
            self._refuse_code(file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._model = self._in_float32(self._load(architecture, weights))
        except CannotRun:
            raise
        except Exception as error:  # whatever Keras raises, it does not load the model
            raise CannotRun(f"{self.name} does not load the model ({first_line(error)})") from None

    def responses(self, clip: np.ndarray, addresses: Sequence[Address]) -> list[np.ndarray]:
        """Values of the model; see `Reference`."""
        wanted = [cast(KerasAddress, address) for address in addresses]
        tensors = wanted[0].entry.tensors(clip)
        try:
            found = self._computed(tensors, [(address.path, address.output) for address in wanted])
        except Exception as error:  # as above
            raise CannotRun(f"{self.name} does not compute the model here ({first_line(error)})") from None
        values = (np.asarray(found[address.path, address.output], np.float32)[0] for address in wanted)
        return [address.arranged(value) for address, value in zip(wanted, values, strict=True)]

    def _refuse_code(self, file: Path) -> None:
        with file.open("rb") as opened:
            head = opened.read(8)
        if head.startswith(hdf5.MAGIC) and hdf5.attribute(file, "model_config") is None:
            return  # weights alone
        if unsafe := sorted(set(unsafe_names(description(file)[0]))):
            raise CannotRun(
                f"the model contains {', '.join(unsafe[:3])}, which is or could be code, and {self.name} is not given "
                "that"
            )

    def _load(self, architecture: Path, weights: Path | None) -> Any:
        with architecture.open("rb") as file:
            is_json = file.read(8).lstrip()[:1] == b"{"
        if is_json:
            model = self._keras.models.model_from_json(json.dumps(stripped(description(architecture)[0])))
        else:
            model = self._keras.models.load_model(architecture, compile=False, safe_mode=True)
        if weights is None:
            return model
        with weights.open("rb") as file:
            packed = file.read(2) == b"PK"
        if packed:  # the weights of another .keras file
            model.set_weights(self._keras.models.load_model(weights, compile=False, safe_mode=True).get_weights())
        elif hdf5.keras_groups(weights) is None and are_of_attributes(arrays := hdf5.keras_arrays(weights)):
            _, guessed = attribute_keys(weights, tree(description(architecture)[0]), arrays)
            if guessed:
                raise CannotRun(
                    f"which weights {' and '.join(guessed[:4])} have is taken from their order, which the file does "
                    "not confirm"
                )
            holder = self._keras.Model()  # a model with the attributes after which the file names its weights
            for layer in model.layers:
                setattr(holder, layer.name, layer)
            holder.built = True  # its layers are
            holder.load_weights(weights)
        else:
            model.load_weights(weights)
        return model

    def _in_float32(self, model: Any) -> Any:
        """A model that computes in half precision, in single precision with the same weights."""
        described = json.loads(model.to_json())
        changed = _in_single_precision(described)
        if changed == described:
            return model
        twin = self._keras.models.model_from_json(json.dumps(changed))
        twin.set_weights([np.asarray(each).astype(np.float32) for each in model.get_weights()])
        return twin

    def _computed(self, tensors: list[Any], wanted: Sequence[_Place]) -> dict[_Place, Any]:
        """Values of the model; a convolution with its channels first runs on a processor when XLA compiles it."""
        import tensorflow as tf

        if "channels_first" not in self._model.to_json():
            return self._values(self._model, tensors, wanted)
        compute: Any = tf.function(lambda *each: self._values(self._model, list(each), wanted), jit_compile=True)
        return compute(*map(tf.constant, tensors))

    def _values(self, model: Any, inputs: list[Any], wanted: Sequence[_Place]) -> dict[_Place, Any]:
        """Values of a functional model, and of those within it, for its inputs."""
        graph = getattr(model, "_functional", None) or model  # what Keras 3 keeps within a Sequential
        direct: dict[_Place, Any] = {}
        inner: dict[tuple[str, int], list[_Place]] = {}
        for path, output in wanted:
            (layer, call), *rest = path
            if rest:
                inner.setdefault((layer, call), []).append((tuple(rest), output))
            else:
                direct[path, output] = _flat(_nodes(graph, layer)[call].output_tensors)[output]
        entering = {key: _flat(_nodes(graph, key[0])[key[1]].input_tensors) for key in inner}
        tensors = [*direct.values(), *(tensor for each in entering.values() for tensor in each)]
        computed = iter(_flat(self._keras.Model(graph.inputs, tensors)(inputs, training=False)))
        found = {place: next(computed) for place in direct}
        for (layer, call), places in inner.items():
            values = [next(computed) for _ in entering[layer, call]]
            below = self._within(_owner(_nodes(graph, layer)[call]), values, places)
            found |= {(((layer, call), *path), output): value for (path, output), value in below.items()}
        return found

    def _within(self, layer: Any, inputs: list[Any], wanted: Sequence[_Place]) -> dict[_Place, Any]:
        """Values of a model within the model, or of that in a TimeDistributed layer, which sees frames as a batch."""
        if type(layer).__name__ != "TimeDistributed":
            return self._values(layer, inputs, wanted)
        first = np.shape(inputs[0])[:2]
        frames = [_reshaped(value, (-1, *value.shape[2:])) for value in inputs]
        inside = self._within(layer.layer, frames, wanted)
        return {place: _reshaped(value, (*first, *value.shape[1:])) for place, value in inside.items()}


def _in_single_precision(described: Any) -> Any:
    """A model's description in which no layer computes in half precision."""
    if isinstance(described, list):
        return [_in_single_precision(each) for each in described]
    if isinstance(described, dict):
        if described.get("class_name") in ("DTypePolicy", "Policy"):
            return "float32" if "16" in str(described.get("config")) else described
        return {name: _in_single_precision(each) for name, each in described.items()}
    return "float32" if described in ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16") else described


def _reshaped(value: Any, shape: tuple[int, ...]) -> Any:
    import tensorflow as tf

    return tf.reshape(value, shape)


def _nodes(graph: Any, layer: str) -> list[Any]:
    """The calls of a layer within a model, in order."""
    nodes = [node for depth in graph._nodes_by_depth.values() for node in depth if _owner(node).name == layer]
    return sorted(nodes, key=lambda node: _owner(node)._inbound_nodes.index(node))


def _owner(node: Any) -> Any:
    """The layer that a node is a call of, in Keras 3 or in tf-keras."""
    return node.operation if hasattr(node, "operation") else node.layer


def _flat(values: Any) -> list[Any]:
    return [each for value in values for each in _flat(value)] if isinstance(values, list | tuple) else [values]
