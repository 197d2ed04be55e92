"""Reads HDF5 weights as plain arrays: the formats of Keras 0, 1, 2 and 3, and c3dvis's own.

No model is loaded from the file. Links, data in other files, compressed data and objects with two names are refused, so
that no file takes more time or memory than its own bytes need. The paths of a layer's kernel and bias, also inside a
saved model:

    Keras 0    layer_0/param_0 and /param_1, in the order of the layers
    Keras 1    conv1/conv1_W, conv1/conv1_b
    Keras 2    conv1/conv1/kernel:0, conv1/conv1/bias:0
    Keras 3    layers/conv3d/vars/0 and /1; an attribute of `vars` has the layer's name. Early versions have no such
               attribute, and the order of the layers is used.
    c3dvis     conv1/kernel, conv1/bias
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5o  # pyright: ignore[reportAttributeAccessIssue]

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats.stored_arrays import BFLOAT16, Contents, StoredArray, first_line, from_bfloat16

C3DVIS_FORMAT = "c3dvis weights 1"
"""Value of the attribute `format` in files of c3dvis's own format."""

MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_OBJECTS = 10_000
_MAX_DEPTH = 32
_MAX_ATTRIBUTE = 16 << 20
_UNNAMED = re.compile(r"(?:^|/)layers/(conv3d|dense)(?:_(\d+))?/vars/(\d+)$")
_UNREADABLE = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, AttributeError)
"""What h5py raises for a damaged file."""


def contents(path: Path) -> Contents:
    """The arrays of an HDF5 file.

    Raises:
        WeightsDamaged: the file is not HDF5, or holds something that plain weights do not need.
    """
    with _opened(path) as file:
        c3dvis_format = _text(file, "format")
        backend, version = _text(file, "backend"), _text(file, "keras_version")
        if c3dvis_format and c3dvis_format.startswith("c3dvis weights"):
            if c3dvis_format != C3DVIS_FORMAT:
                raise WeightsDamaged(
                    f"{path} has the format {c3dvis_format!r}; expected {C3DVIS_FORMAT!r}. Convert the original file "
                    "again, or use the version of c3dvis that wrote this one."
                )
            attributes = {name: text for name in file.attrs if (text := _text(file, name)) is not None}
            return Contents("c3dvis's own HDF5", tuple(_arrays(file, path)), False, attributes=attributes)
        arrays = tuple(_with_layers_name(file, array) for array in _arrays(file, path))
    form, flipped = "HDF5 without names of Keras", None
    numbered = bool(arrays) and all(re.search(r"(^|/)layer_\d+/param_\d+$", a.name) for a in arrays)
    if numbered:
        form, arrays = "Keras 0 HDF5 (Theano)", tuple(sorted(arrays, key=_number))
        flipped = True  # Keras 0 ran 3D convolutions on Theano alone
    elif arrays and all(_UNNAMED.search(array.name) for array in arrays):
        form, numbered = f"Keras {version or 3} HDF5 without names of layers", True
        arrays = tuple(sorted(arrays, key=_class_number))
    elif any(array.name.endswith(("/kernel:0", "/kernel")) for array in arrays):
        form = f"Keras {version or 2} HDF5"
    elif any("_W" in array.name for array in arrays):
        form = f"Keras {version or 1} HDF5"
    elif any("/vars/" in f"/{array.name}" for array in arrays):
        form = f"Keras {version or 3} HDF5"
    if backend:
        form, flipped = f"{form}, written with {backend[:40]}", backend == "theano"
    return Contents(form, arrays, flipped, numbered, by_keras=form.startswith("Keras"))


def attribute(path: Path, name: str) -> str | None:
    """A text attribute of an HDF5 file, or None.

    Raises:
        WeightsDamaged: the file is not HDF5.
    """
    with _opened(path) as file:
        return _text(file, name)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except _UNREADABLE as error:
        raise WeightsDamaged(f"{path} is not a readable HDF5 file: {first_line(error)}.") from None


def _text(item: Any, name: str) -> str | None:
    """A short text attribute, or None; attributes of other types are not read."""
    if name not in item.attrs:
        return None
    attribute = item.attrs.get_id(name)
    if attribute.shape != () or attribute.get_storage_size() > _MAX_ATTRIBUTE:
        return None
    if not h5py.check_string_dtype(attribute.dtype):
        return None
    value = item.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def keras_groups(path: Path) -> list[tuple[str, list[StoredArray]]] | None:
    """The arrays of each layer in the older form of Keras (`.h5`), by the layer's name, in the order of its lists.

    The lists are attributes: `layer_names` of the model, `weight_names` of each layer. None in another form.

    Raises:
        WeightsDamaged: the file is not HDF5, or a list names an array that is not there.
    """
    with _opened(path) as file:
        root: Any = file.get("model_weights", file)
        names = _texts(root, "layer_names")
        if names is None:
            return None
        arrays = {array.name: array for array in _arrays(file, path)}
        prefix = "model_weights/" if root.name == "/model_weights" else ""
        groups = []
        for name in names:
            keys = [f"{prefix}{name}/{each}" for each in _texts(root[name], "weight_names") or ()]
            if missing := [key for key in keys if key not in arrays]:
                raise WeightsDamaged(f"{path} lists an array {missing[0][:120]!r} that it does not hold.")
            groups.append((name, [arrays[key] for key in keys]))
        return groups


def _texts(item: Any, name: str) -> list[str] | None:
    """A list of texts in an attribute, or in several (`name0`, `name1`, …) where it is long; None without it."""
    names = [name] if name in item.attrs else [f"{name}{n}" for n in range(_MAX_OBJECTS) if f"{name}{n}" in item.attrs]
    texts: list[str] = []
    for each in names:
        attribute = item.attrs.get_id(each)
        if len(attribute.shape) != 1 or attribute.shape[0] > _MAX_OBJECTS:
            raise WeightsDamaged(f"The attribute {each} is no list of at most {_MAX_OBJECTS:,} texts.")
        if attribute.shape[0] == 0:
            continue
        if attribute.get_storage_size() > _MAX_ATTRIBUTE:
            raise WeightsDamaged(f"The attribute {each} is too large.")
        if attribute.dtype.kind != "S" and not h5py.check_string_dtype(attribute.dtype):
            raise WeightsDamaged(f"The attribute {each} is no list of texts.")
        texts += [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in item.attrs[each]]
    return texts if names else None


def keras_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of a file in Keras 3's form (`.weights.h5`) by their paths: `layers/conv3d_1/vars/0`.

    Raises:
        WeightsDamaged: the file is not HDF5, or holds something that plain weights do not need.
    """
    with _opened(path) as file:
        return {array.name: array for array in _arrays(file, path)}


def _arrays(file: h5py.File, path: Path) -> Iterator[StoredArray]:
    """Every array, by its path in the file."""
    for name, item in _datasets(path, file, set()):
        if name.split("/")[0] in ("optimizer", "optimizer_weights"):  # the state of an optimizer in a saved model
            continue
        if problem := _problem(item):
            raise WeightsDamaged(f"{path} {problem.format(name=name)}; expected plain arrays alone.")
        shape = tuple(item.shape)
        read = partial(_read, path, name, shape, item.dtype)
        if item.dtype == BFLOAT16:
            yield StoredArray(name, shape, np.dtype(np.float32), partial(from_bfloat16, read))
        else:
            yield StoredArray(name, shape, item.dtype, read)


def _with_layers_name(file: h5py.File, array: StoredArray) -> StoredArray:
    """An array of Keras 3, whose groups are named after the layer's class, under the layer's own name if it has it."""
    group, _, last = array.name.rpartition("/")
    if group.rpartition("/")[2] != "vars" or not (given := _text(file[group], "name")):
        return array
    return replace(array, name=f"{given}/vars/{last}")


def _problem(item: h5py.Dataset) -> str | None:
    """Why reading a dataset would need more than its own bytes or another file, as text; None if it would not."""
    if item.external or item.is_virtual:
        return "keeps {name} in another file"
    if item.shape is None or any(size < 0 for size in item.shape):
        return "holds no array at {name}"
    layout = item.id.get_create_plist()
    if layout.get_nfilters():
        return "holds compressed data at {name} (`h5repack -f NONE` unpacks it)"
    bytes_here = item.dtype.itemsize * int(np.prod(item.shape, dtype=object))
    if layout.get_layout() == h5d.CHUNKED:
        chunk = item.dtype.itemsize * int(np.prod(layout.get_chunk(), dtype=object))
        if chunk > max(bytes_here, 1 << 20):
            return f"declares chunks of {chunk:,} bytes at {{name}}, more than the array has"
    return None


def _read(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    with _opened(path) as file:
        item = file[name]
        if not isinstance(item, h5py.Dataset) or tuple(item.shape) != shape or item.dtype != dtype:
            raise WeightsDamaged(f"{path} changed at {name} while it was read. Read it again.")
        return np.asarray(item[()])


def _datasets(
    path: Path, group: h5py.Group, seen: set[int], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset with its path; links are refused. `seen` collects the addresses of the objects."""
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise WeightsDamaged(f"{path} holds a link at {prefix}{name}; expected plain arrays alone.")
        item = group[name]
        address = h5o.get_info(item.id).addr
        if address in seen:  # a second name of an object, or a group that contains itself
            raise WeightsDamaged(
                f"{path} holds one object under two names, at {prefix}{name}; expected plain arrays alone."
            )
        seen.add(address)
        if len(seen) > _MAX_OBJECTS or depth > _MAX_DEPTH:
            raise WeightsDamaged(f"{path} holds more groups and arrays than any weights file.")
        if isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}", item
        elif isinstance(item, h5py.Group):
            yield from _datasets(path, item, seen, f"{prefix}{name}/", depth + 1)


def _class_number(array: StoredArray) -> tuple[str, int, int]:
    """Sort key: convolutions come before dense layers, as in the networks that files without names are read for."""
    found = _UNNAMED.search(array.name)
    assert found
    return found[1], int(found[2] or 0), int(found[3])


def _number(array: StoredArray) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", array.name)[-2:])
