"""Reads Keras HDF5 weights (layout T, H, W, in, out) of a known architecture, as plain arrays.

No model is ever loaded from the file: layers are found by name, shapes and values are checked, and links that
leave the file are refused. Three forms are known, each also inside a saved model:

    Keras 1    conv1/conv1_W, conv1/conv1_b
    Keras 2    conv1/conv1/kernel:0, conv1/conv1/bias:0
    Keras 3    layers/conv3d/vars/0 and /1, the layer's name standing in an attribute of `vars`
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.architecture import Architecture

_MAX_OBJECTS = 10_000
_UNREADABLE = (OSError, KeyError, RuntimeError, ValueError, TypeError)  # what h5py raises on a damaged file


class KerasH5(Mapping[str, tuple[np.ndarray, np.ndarray]]):
    """The (kernel, bias) pairs of a file, each read when it is asked for.

    Args:
        path: an HDF5 file of Keras 1, 2 or 3 whose layers carry the architecture's names.
        architecture: what the file must fit. Dense layers may be missing altogether (a file of the
            convolutional part); a convolution may not.
        size: (frames, height, width) of the clip the dense layers were made for.

    Raises:
        WeightsDamaged: not HDF5, a layer is missing, or a shape or dtype is wrong.
    """

    def __init__(self, path: Path, architecture: Architecture, size: tuple[int, int, int]) -> None:
        self.path = path
        shapes = architecture.shapes(*size)
        self._found: dict[str, tuple[str, str]] = {}
        try:
            with h5py.File(path, "r") as file:
                layers = _by_layer(file, path)
                for op in architecture.ops:
                    if op.kind not in ("conv", "dense"):
                        continue
                    inputs = shapes[op.inputs[0]][-1]
                    expected = (*op.kernel, inputs, op.filters) if op.kind == "conv" else (inputs, op.filters)
                    if op.name in layers:
                        self._found[op.name] = _pair(path, op.name, layers[op.name], expected)
                    elif op.kind == "conv":
                        raise WeightsDamaged(
                            f"{path} has no weights of layer {op.name}: expected a kernel {expected} and a bias "
                            f"({op.filters},), received layers {', '.join(sorted(layers)[:12]) or 'none'}."
                        )
        except _UNREADABLE as error:
            raise WeightsDamaged(f"{path} is not a readable HDF5 file: {_first_line(error)}.") from None

    def __getitem__(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        kernel, bias = self._found[name]
        try:
            with h5py.File(self.path, "r") as file:
                return self._values(file, kernel), self._values(file, bias)
        except _UNREADABLE as error:
            raise WeightsDamaged(f"{self.path} cannot be read at {kernel}: {_first_line(error)}.") from None

    def __contains__(self, name: object) -> bool:
        return name in self._found  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def _values(self, file: h5py.File, name: str) -> np.ndarray:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
            values = np.asarray(file[name], np.float32)
        if not np.isfinite(values).all():
            raise WeightsDamaged(f"{self.path} holds values at {name} that are not finite. Use another copy of it.")
        return values


def _by_layer(file: h5py.File, path: Path) -> dict[str, dict[str, h5py.Dataset]]:
    """The datasets of every layer, by their paths; what an optimizer left in a saved model is passed over.

    A dataset belongs to each group it lies in, since a saved model or a model inside it may stand around a layer.
    """
    layers: dict[str, dict[str, h5py.Dataset]] = {}
    for name, item in _datasets(file, path).items():
        *groups, _ = name.split("/")
        if not groups or groups[0] in ("optimizer", "optimizer_weights"):
            continue
        if groups[-1] == "vars":  # Keras 3: the groups are called after the layer's class
            given = item.parent.attrs.get("name")
            groups = [given] if isinstance(given, str) else []
        for group in groups:
            layers.setdefault(group, {})[name] = item
    return layers


def _datasets(file: h5py.File, path: Path) -> dict[str, h5py.Dataset]:
    """Every dataset by its path; links that lead elsewhere, and data kept in other files, are refused."""
    found: dict[str, h5py.Dataset] = {}
    seen: set[int] = set()

    def walk(group: h5py.Group, prefix: str) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise WeightsDamaged(f"{path} holds a link at {prefix}{name}; expected plain arrays alone.")
            item = group[name]
            address = h5o.get_info(item.id).addr
            if address in seen:  # a second name for it, or a group that holds itself
                raise WeightsDamaged(f"{path} holds one thing twice, at {prefix}{name}; expected plain arrays alone.")
            seen.add(address)
            if len(seen) > _MAX_OBJECTS:
                raise WeightsDamaged(f"{path} holds more than {_MAX_OBJECTS} groups and arrays: not a weights file.")
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise WeightsDamaged(f"{path} keeps {prefix}{name} in another file; expected plain arrays alone.")
                found[f"{prefix}{name}"] = item
            elif isinstance(item, h5py.Group):
                walk(item, f"{prefix}{name}/")

    walk(file, "")
    return found


def _pair(path: Path, layer: str, mine: Mapping[str, h5py.Dataset], expected: tuple[int, ...]) -> tuple[str, str]:
    """Names of a layer's kernel and bias."""
    shapes = {name: tuple(item.shape) for name, item in mine.items()}
    kernels = [name for name, shape in shapes.items() if shape == expected]
    biases = [name for name, shape in shapes.items() if shape == expected[-1:]]
    if len(kernels) != 1 or len(biases) != 1:
        raise WeightsDamaged(
            f"{path} does not fit layer {layer}: expected one kernel {expected} and one bias {expected[-1:]}, "
            f"received {', '.join(str(shape) for shape in shapes.values())}."
        )
    for name in (kernels[0], biases[0]):
        item = mine[name]
        if item.dtype.kind != "f" or item.dtype.itemsize > 8:
            raise WeightsDamaged(f"{path} holds {item.dtype} at {name}; expected floating-point numbers.")
    return kernels[0], biases[0]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
