"""The layers of a Keras model with the paths that its weights files have for them."""

import re
from collections.abc import Mapping
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.importers.from_keras import operator
from c3dvis.networks.importers.from_keras.roles import roles
from c3dvis.networks.importers.from_keras.weights import KerasLayer

_MODELS = ("Sequential", "Functional", "Model")
_MAX_LAYERS = 2000


def is_model(described: Mapping[str, Any]) -> bool:
    """Whether a layer's description is that of a model of Keras's own classes."""
    return described["class_name"] in _MODELS and not is_own_class(described)


def is_distributed(described: Mapping[str, Any]) -> bool:
    """Whether a layer applies the layer in its settings to every frame."""
    return described["class_name"] == "TimeDistributed" and not is_own_class(described)


def is_own_class(described: Mapping[str, Any]) -> bool:
    """Whether a layer is of a class of the user, whatever its name."""
    package = (described.get("module") or "keras").split(".")[0]
    return package not in ("keras", "tf_keras") or described.get("registered_name") not in (
        None, described["class_name"],
    )  # fmt: skip


def is_function(described: Mapping[str, Any]) -> bool:
    """Whether a layer is a function, such as `x * 0.5`, in place of a layer.

    Where Keras 3 writes `.h5`, it leaves out the module. Layers and functions of one name then differ in how they are
    called: a layer takes one list.
    """
    if described["class_name"] in operator.OF_TENSORFLOW:
        return True
    if "module" in described:
        return (described["module"] or "").startswith(("keras.src.ops", "keras.ops"))
    if not operator.is_known(described["class_name"]):
        return False
    arguments = [node["args"] for node in described.get("inbound_nodes") or () if isinstance(node, Mapping)]
    is_layer = roles(described["class_name"], {}) is not None
    return not is_layer or any(len(each) > 1 for each in arguments)


def name_of(layer: Mapping[str, Any]) -> str:
    """A layer's name in its model."""
    config = layer["config"]
    return str(layer.get("name") or (config.get("name") if isinstance(config, Mapping) else "") or "")


def tree(described: Mapping[str, Any], key: str = "") -> KerasLayer:
    """A model, or a layer, with the layers in it.

    Raises:
        WeightsDamaged: a model has too many layers.
    """
    config = described["config"]
    settings = config if isinstance(config, Mapping) else {}
    frozen = settings.get("trainable") is False
    if is_distributed(described):
        inner = tree(settings["layer"], f"{key}/layer")
        return KerasLayer(name_of(described), key, is_frozen=frozen, layers=[inner])
    if not is_model(described):
        no_arrays: tuple[tuple[str, ...], int] = (), 0
        known: tuple[tuple[str, ...], int] | None = no_arrays
        if not is_function(described):
            known = None if is_own_class(described) else roles(described["class_name"], settings)
        own, num_trained = known or no_arrays
        return KerasLayer(name_of(described), key, own, num_trained, known is not None, frozen)
    layers = config if isinstance(config, list) else config["layers"]
    if len(layers) > _MAX_LAYERS:
        raise WeightsDamaged(f"The model has {len(layers):,} layers; expected at most {_MAX_LAYERS:,}.")
    counts: dict[str, int] = {}
    found = []
    for layer in layers:
        kind = _snake(layer["class_name"])
        place = ""
        is_layer = not is_function(layer) or layer["class_name"] in operator.OF_TENSORFLOW
        if is_layer and not (described["class_name"] == "Sequential" and layer["class_name"] == "InputLayer"):
            number = counts[kind] = counts.get(kind, -1) + 1
            place = f"{key}/layers/{kind}_{number}" if number else f"{key}/layers/{kind}"
        found.append(tree(layer, place.removeprefix("/")))
    return KerasLayer(name_of(described), key, is_frozen=frozen, layers=found)


def _snake(kind: str) -> str:
    """Conv3D to conv3d, BatchNormalization to batch_normalization, as Keras writes them."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
