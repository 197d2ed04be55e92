"""Finds a Keras layer's arrays in a weights file, as Keras itself does.

Keras does not match by names, which depend on how many layers were made before in the session:

    `.keras`, `.weights.h5`   by path: `layers/conv3d_1/vars/0` is the first array of the second Conv3D in its model
    `.h5`                     by order: the n-th layer with weights has the arrays of the n-th group with weights. A
                              nested model is one layer; what is trained comes first in its group.

A `.weights.h5` of a model of a class of its own has the names of its attributes in place of `layers/…`. It fits a
description of the model whose layers are named after the attributes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats import hdf5
from c3dvis.networks.weights.formats.stored_arrays import StoredArray, check_dtype

Arrays = dict[str, np.ndarray]
"""A layer's arrays by role, such as kernel, bias, gamma, moving_mean."""

UNREAD = "count"
"""The role of an array that a layer has and that its output does not depend on."""


@dataclass
class KerasLayer:
    """A layer of a Keras model, or a model within it, as far as its arrays are concerned.

    Attributes:
        name: in its model.
        key: path of its group in a file of Keras 3, `layers/conv3d_1`; empty of a function, which is no layer there.
        roles: of its own arrays, in Keras's order: what is trained comes first.
        num_trained: how many of them are trained.
        is_known: whether the roles are known; a layer of an unknown class may have any.
        is_frozen: whether it was excluded from training.
        layers: of a model, in order.
    """

    name: str
    key: str
    roles: tuple[str, ...] = ()
    num_trained: int = 0
    is_known: bool = True
    is_frozen: bool = False
    layers: list["KerasLayer"] = field(default_factory=list)


class KerasWeights:
    """The arrays of a weights file, for the layers of a model.

    Args:
        file: as the user named it, for error messages.
        path: the HDF5 file itself.
        model: its layers.

    Raises:
        WeightsDamaged: the file does not fit the model.
    """

    def __init__(self, file: Path, path: Path, model: KerasLayer) -> None:
        self._file, self._path = file, path
        self._arrays: dict[tuple[int, str], StoredArray] = {}
        in_order = hdf5.keras_groups(path)
        if in_order is None:
            arrays = hdf5.keras_arrays(path)
            if are_of_attributes(arrays):
                keys, _ = attribute_keys(file, model, arrays)
                groups = ((group, name) for name in arrays for group in keys if name.startswith(f"{group}/"))
                arrays = {keys[group] + name.removeprefix(group): arrays[name] for group, name in groups}
            self._by_path(model, arrays)
        else:
            self._by_order(model.layers, in_order)

    @property
    def is_float16(self) -> bool:
        """Whether an array is stored in half precision."""
        return any(array.dtype.itemsize < 4 for array in self._arrays.values())

    def read(self, layer: KerasLayer) -> Arrays:
        """A layer's arrays by role.

        Raises:
            WeightsDamaged: one is missing, or cannot be read.
        """
        return {role: self._read(layer, role) for role in layer.roles if role != UNREAD}

    def _read(self, layer: KerasLayer, role: str) -> np.ndarray:
        array = self._arrays.get((id(layer), role))
        if array is None:
            raise WeightsDamaged(f"{self._file} lacks weights of the layer {layer.name[:60]}: {role!r} is missing.")
        check_dtype(self._file, array.name, array.dtype)
        if array.size * array.dtype.itemsize > self._path.stat().st_size * 1000:
            raise WeightsDamaged(
                f"{self._file} declares {array.size:,} numbers at {array.name[:80]}, more than it holds."
            )
        return array.read()

    def _by_path(self, model: KerasLayer, arrays: dict[str, StoredArray]) -> None:
        for layer in model.layers:
            for number, role in enumerate(layer.roles):
                if array := arrays.get(f"{layer.key}/vars/{number}"):
                    self._arrays[id(layer), role] = array
            if layer.is_known and f"{layer.key}/vars/{len(layer.roles)}" in arrays and not layer.layers:
                raise WeightsDamaged(
                    f"{self._file} does not fit the layer {layer.name[:60]}: expected {len(layer.roles)} arrays "
                    f"({', '.join(layer.roles) or 'none'}), received more."
                )
            self._by_path(layer, arrays)

    def _by_order(self, layers: Sequence[KerasLayer], groups: list[tuple[str, list[StoredArray]]]) -> None:
        layers = [layer for layer in layers if layer.key]
        if [name for name, _ in groups] == [layer.name for layer in layers]:
            pairs = [(layer, arrays) for layer, (_, arrays) in zip(layers, groups, strict=True)]
        else:
            if unknown := next((layer.name for layer in layers if not _is_known(layer)), None):
                raise WeightsDamaged(
                    f"{self._file} names its layers differently than the model, so that order alone tells which is "
                    f"which, and the layer {unknown[:60]} is of a class that is not known here. Save model and weights "
                    "together in one .keras file."
                )
            with_weights = [layer for layer in layers if _slots(layer)]
            filled = [group for group in groups if group[1]]
            if len(with_weights) != len(filled):
                raise WeightsDamaged(
                    f"{self._file} does not fit the model: expected weights of {len(with_weights)} layers "
                    f"({', '.join(layer.name[:40] for layer in with_weights[:4])}, …), received {len(filled)}."
                )
            pairs = [(layer, arrays) for layer, (_, arrays) in zip(with_weights, filled, strict=True)]
        for layer, arrays in pairs:
            if not _is_known(layer):
                self._by_inner_names(layer, arrays)
                continue
            slots = _slots(layer)
            if len(slots) != len(arrays):
                raise WeightsDamaged(
                    f"{self._file} does not fit the layer {layer.name[:60]}: expected {len(slots)} arrays, received "
                    f"{len(arrays)}."
                )
            self._arrays |= {(id(each), role): array for (each, role), array in zip(slots, arrays, strict=True)}

    def _by_inner_names(self, layer: KerasLayer, arrays: list[StoredArray]) -> None:
        """The arrays of a model that contains a layer of an unknown class: by name, where a name occurs once."""
        for inner in _within(layer):
            for role in inner.roles:
                found = [a for a in arrays if a.name.partition(":")[0].endswith(f"/{inner.name}/{role}")]
                if len(found) == 1:
                    self._arrays[id(inner), role] = found[0]


def are_of_attributes(arrays: Iterable[str]) -> bool:
    """Whether the paths of a file's arrays begin with attributes of a model of its own class."""
    return bool({name.partition("/")[0] for name in arrays} - {"layers", "vars", "_layer_checkpoint_dependencies"})


def attribute_keys(file: Path, model: KerasLayer, arrays: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The layers of a description for the groups of a file that has the attributes of a model of its own class.

    Keras goes through the attributes in alphabetical order. One of them is `layers`, a list of all layers: those whose
    attributes come later stand there, numbered within their class in the order in which they were made.

    Args:
        file: as the user named it, for error messages.
        model: its layers, which are named after the attributes.
        arrays: paths of the file's arrays.

    Returns:
        From each group to the key of its layer, and the names of layers that only their order tells apart.

    Raises:
        WeightsDamaged: a layer with weights is named after no attribute.
    """
    names = [name.split("/") for name in arrays]
    attributes = {parts[0] for parts in names} - {"layers", "vars"}
    numbered: dict[str, set[int]] = {}
    for parts in names:
        if parts[0] == "layers" and len(parts) > 1 and (found := re.fullmatch(r"(.*?)(?:_(\d+))?", parts[1])):
            numbered.setdefault(f"layers/{found[1]}", set()).add(int(found[2] or 0))
    keys = {layer.name: layer.key for layer in model.layers if layer.name in attributes}
    later: dict[str, list[KerasLayer]] = {}
    for layer in model.layers:
        if layer.name not in attributes and _slots(layer):
            later.setdefault(re.sub(r"_\d+$", "", layer.key), []).append(layer)
    for kind, layers in later.items():
        numbers = sorted(numbered.get(kind, ()))
        if len(numbers) != len(layers) or any(layer.name < "layers" for layer in layers):
            raise WeightsDamaged(
                f"{file} names its weights after the attributes of a class ({', '.join(sorted(attributes))[:200]}): "
                f"expected a description whose layers have these names, received the layer {layers[0].name[:60]}."
            )
        groups = (f"{kind}_{number}" if number else kind for number in numbers)
        keys |= {group: layer.key for group, layer in zip(groups, layers, strict=True)}
    return keys, [layer.name for layers in later.values() if len(layers) > 1 for layer in layers]


def _within(layer: KerasLayer) -> list[KerasLayer]:
    return [layer, *(each for inner in layer.layers for each in _within(inner))]


def _is_known(layer: KerasLayer) -> bool:
    return all(each.is_known for each in _within(layer))


def _slots(layer: KerasLayer) -> list[tuple[KerasLayer, str]]:
    """The arrays of a layer's group in order: (layer, role)."""
    trained, others = [], []
    for each, is_frozen in _with_frozen(layer, False):
        for number, role in enumerate(each.roles):
            (trained if number < each.num_trained and not is_frozen else others).append((each, role))
    return [*trained, *others]


def _with_frozen(layer: KerasLayer, is_frozen: bool) -> list[tuple[KerasLayer, bool]]:
    """A layer and those within it, with whether they are excluded from training."""
    is_frozen = is_frozen or layer.is_frozen
    return [(layer, is_frozen), *(each for inner in layer.layers for each in _with_frozen(inner, is_frozen))]
