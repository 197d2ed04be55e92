"""A Keras model in Keras itself: `keras` for Keras 3, `tf_keras` for Keras 2, without code of the model's own."""

import importlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from c3dvis.networks.importers.imported import Address
from c3dvis.networks.importers.keras_file import description
from c3dvis.networks.importers.keras_model import KerasAddress
from c3dvis.networks.proof.comparison import CannotRun
from c3dvis.networks.proof.keras_safety import stripped, unsafe_names
from c3dvis.networks.weights.formats import hdf5
from c3dvis.networks.weights.formats.stored_arrays import first_line


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
                self._model = self._load(architecture, weights)
        except Exception as error:  # whatever Keras raises, it does not load the model
            raise CannotRun(f"{self.name} does not load the model ({first_line(error)})") from None

    def responses(self, clip: np.ndarray, addresses: Sequence[Address]) -> list[np.ndarray]:
        """Values of the model; see `Reference`."""
        wanted = [cast(KerasAddress, address) for address in addresses]
        try:
            found = self._values(self._model, [clip[np.newaxis]], wanted)
        except Exception as error:  # as above
            raise CannotRun(f"{self.name} does not compute the model here ({first_line(error)})") from None
        return [np.asarray(found[address], np.float32)[0] for address in wanted]

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
        else:
            model.load_weights(weights)
        return model

    def _values(self, model: Any, inputs: list[Any], wanted: Sequence[KerasAddress]) -> dict[KerasAddress, Any]:
        """Values of a functional model, and of those within it, for its inputs."""
        graph = getattr(model, "_functional", None) or model  # what Keras 3 keeps within a Sequential
        direct: dict[KerasAddress, Any] = {}
        inner: dict[tuple[str, int], list[KerasAddress]] = {}
        for path, output in wanted:
            (layer, call), *rest = path
            if rest:
                inner.setdefault((layer, call), []).append((tuple(rest), output))
            else:
                direct[path, output] = _flat(_nodes(graph, layer)[call].output_tensors)[output]
        entering = {key: _flat(_nodes(graph, key[0])[key[1]].input_tensors) for key in inner}
        tensors = [*direct.values(), *(tensor for each in entering.values() for tensor in each)]
        computed = iter(_flat(self._keras.Model(graph.inputs, tensors)(inputs, training=False)))
        found = {address: next(computed) for address in direct}
        for (layer, call), addresses in inner.items():
            values = [next(computed) for _ in entering[layer, call]]
            below = self._values(_owner(_nodes(graph, layer)[call]), values, addresses)
            found |= {(((layer, call), *path), output): value for (path, output), value in below.items()}
        return found


def _nodes(graph: Any, layer: str) -> list[Any]:
    """The calls of a layer within a model, in order."""
    nodes = [node for depth in graph._nodes_by_depth.values() for node in depth if _owner(node).name == layer]
    return sorted(nodes, key=lambda node: _owner(node)._inbound_nodes.index(node))


def _owner(node: Any) -> Any:
    """The layer that a node is a call of, in Keras 3 or in tf-keras."""
    return node.operation if hasattr(node, "operation") else node.layer


def _flat(values: Any) -> list[Any]:
    return [each for value in values for each in _flat(value)] if isinstance(values, list | tuple) else [values]
