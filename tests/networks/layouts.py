"""Writes one set of C3D weights in every format and layout in circulation, without the code that reads them."""

import importlib
import io
import json
import pickle
import struct
import sys
import types
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU, Operation
from c3dvis.networks.graph.c3d import ALIASES, CAFFE_POOL5, architecture
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.graph.operations import Conv, Dense, Dropout, Flatten, MaxPool, Pad, Weighted
from c3dvis.networks.network_info import NetworkInfo

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]

SIZE = (16, 112, 112)
_CONVOLUTIONS = ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
_POOLS = {"conv1": (1, 2, 2), "conv2": (2, 2, 2), "conv3b": (2, 2, 2), "conv4b": (2, 2, 2)}


def thin_c3d(
    filters: tuple[int, ...] = (4, 6, 8, 8, 10, 10, 12, 12), units: tuple[int, ...] = (20, 20, 7)
) -> Architecture:
    """C3D's layers with few filters; its clips, and so the volume before fc6, are C3D's own."""
    ops: list[Operation] = []
    source = "input"
    for name, count in zip(_CONVOLUTIONS, filters, strict=True):
        ops.append(Conv(name, (source,), count, (3, 3, 3), activation=RELU))
        source = name
        if name in _POOLS:
            source = f"pool{name[4]}"
            ops.append(MaxPool(source, (name,), kernel=_POOLS[name], strides=_POOLS[name], padding="valid"))
    ops += [
        Pad("zero_padding", ("conv5b",), pads=CAFFE_POOL5),
        MaxPool("pool5", ("zero_padding",), kernel=(2, 2, 2), strides=(2, 2, 2), padding="valid"),
        Flatten("flatten", ("pool5",)),
        Dense("fc6", ("flatten",), units[0], activation=RELU),
        Dropout("dropout_1", ("fc6",)),
        Dense("fc7", ("dropout_1",), units[1], activation=RELU),
        Dropout("dropout_2", ("fc7",)),
        Dense("fc8", ("dropout_2",), units[2]),
    ]
    return Architecture("thin-c3d", tuple(ops), aliases=ALIASES)


THIN = thin_c3d()
DOMAIN = InputDomain((-30.0, -20.0, -10.0), (225.0, 235.0, 245.0), "BGR")


def info_of(network: Architecture) -> NetworkInfo:
    return NetworkInfo(network.name, "", "", "", network, DOMAIN, SIZE, "", None)


def random_weights(network: Architecture, seed: int = 0) -> Arrays:
    """Random weights that keep activations in range, in TensorFlow's layout."""
    generator = np.random.default_rng(seed)
    shapes = network.shapes(*SIZE)
    made: Arrays = {}
    for op in network.operations:
        if isinstance(op, Weighted):
            shape = op.kernel_shape(shapes[op.inputs[0]][-1])
            kernel = generator.standard_normal(shape, np.float32)
            kernel *= np.float32(np.sqrt(2 / np.prod(shape[:-1])))
            made[op.name] = (kernel, generator.normal(0, 0.1, op.filters).astype(np.float32))
    return made


def channels_first_rows(kernel: np.ndarray, channels: int) -> np.ndarray:
    """fc6's rows, from (1, 4, 4, channels) order to (channels, 1, 4, 4)."""
    rows = [kernel[position * channels + channel] for channel in range(channels) for position in range(16)]
    return np.stack(rows)


def _first(name: str, kernel: np.ndarray) -> np.ndarray:
    """A kernel in the layout of Caffe and PyTorch."""
    if kernel.ndim == 5:
        return np.ascontiguousarray(np.moveaxis(kernel, (4, 3), (0, 1)))
    return (channels_first_rows(kernel, len(kernel) // 16) if name == "fc6" else kernel).T.copy()


# HDF5


def _h5(path: Path, arrays: Arrays, kernel: str, bias: str) -> Path:
    with h5py.File(path, "w") as file:
        for name, (weights, offsets) in arrays.items():
            file[kernel.format(name=name)] = weights
            file[bias.format(name=name)] = offsets
        file.create_group("pool1")  # layers without weights are empty groups
    return path


def keras1(folder: Path, arrays: Arrays) -> Path:
    return _h5(folder / "keras1.h5", arrays, "{name}/{name}_W", "{name}/{name}_b")


def keras2(folder: Path, arrays: Arrays) -> Path:
    return _h5(folder / "keras2.h5", arrays, "{name}/{name}/kernel:0", "{name}/{name}/bias:0")


def built(library: Any, arrays: Arrays) -> Any:
    """The network in Keras 2 or 3, with an optimizer that has variables of its own."""
    layers = library.layers
    model = library.Sequential([library.Input((*SIZE, 3))])
    for name, (kernel, _) in arrays.items():
        if kernel.ndim == 5:
            model.add(layers.Conv3D(kernel.shape[-1], 3, padding="same", activation="relu", name=name))
            if name in _POOLS:
                model.add(layers.MaxPooling3D(_POOLS[name], name=f"pool{name[4]}"))
            continue
        if name == "fc6":
            model.add(layers.ZeroPadding3D(CAFFE_POOL5, name="zero_padding"))
            model.add(layers.MaxPooling3D((2, 2, 2), name="pool5"))
            model.add(layers.Flatten(name="flatten"))
        model.add(layers.Dense(kernel.shape[-1], activation=None if name == "fc8" else "relu", name=name))
    for name, pair in arrays.items():
        model.get_layer(name).set_weights(list(pair))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def _saved(library_name: str, save: str, name: str) -> Callable[[Path, Arrays], Path]:
    def write(folder: Path, arrays: Arrays) -> Path:
        library = importlib.import_module(library_name)  # only here: most who import this module need no TensorFlow
        with warnings.catch_warnings():
            # what Keras says of itself while it writes
            warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file")
            warnings.filterwarnings("ignore", "__array__ implementation")
            getattr(built(library, arrays), save)(folder / name)
        return folder / name

    return write


def keras3_unnamed(folder: Path, arrays: Arrays) -> Path:
    """An early Keras 3, which stores no names of layers: groups are named after classes, in order."""
    counts = {"conv3d": 0, "dense": 0}
    with h5py.File(folder / "early.weights.h5", "w") as file:
        for kernel, bias in arrays.values():
            kind = "conv3d" if kernel.ndim == 5 else "dense"
            group = f"layers/{kind}_{counts[kind]}" if counts[kind] else f"layers/{kind}"
            counts[kind] += 1
            file[f"{group}/vars/0"], file[f"{group}/vars/1"] = kernel, bias
        file.create_group("layers/dropout/vars")
    return folder / "early.weights.h5"


def theano(folder: Path, arrays: Arrays) -> Path:
    """Keras 0 on Theano: layers by number, flipped kernels, no names."""
    path = folder / "c3d-sports1M_weights.h5"
    with h5py.File(path, "w") as file:
        # conv1 stands first; pools, padding, flatten and dropouts have groups of their own without arrays
        place = 0
        file.attrs["nb_layers"] = 2 * len(arrays)
        for name, (kernel, bias) in arrays.items():
            turned = _first(name, kernel)[:, :, ::-1, ::-1, ::-1] if kernel.ndim == 5 else _first(name, kernel).T
            file[f"layer_{place}/param_0"] = turned
            file[f"layer_{place}/param_1"] = bias
            file[f"layer_{place}"].attrs["nb_params"] = 2
            file.create_group(f"layer_{place + 1}").attrs["nb_params"] = 0
            place += 2
    return path


def keras1_theano(folder: Path, arrays: Arrays) -> Path:
    """Keras 1 on Theano: named layers, flipped kernels."""
    turned = {
        name: (_first(name, kernel)[:, :, ::-1, ::-1, ::-1] if kernel.ndim == 5 else _first(name, kernel).T, bias)
        for name, (kernel, bias) in arrays.items()
    }
    return _h5(folder / "theano.h5", turned, "{name}/{name}_W", "{name}/{name}_b")


# Caffe


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protobuf message: an integer, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def _blob(array: np.ndarray, dialect: str) -> bytes:
    data = np.ascontiguousarray(array, "<f4").tobytes()
    if dialect == "caffe":
        shape = b"".join(varint(n) for n in array.shape)
        return field(5, data) + field(7, field(1, shape))
    sizes = (1,) * (5 - array.ndim) + array.shape
    return b"".join(field(number, n) for number, n in enumerate(sizes, 1)) + field(6, data)


def _caffe(folder: Path, arrays: Arrays, dialect: str) -> Path:
    path = folder / ("conv3d_deepnetA_sport1m_iter_1900000" if dialect == "c3d" else "c3d.caffemodel")
    called = {own: other for other, own in ALIASES.items()}
    with path.open("wb") as file:
        file.write(field(1, b"DeepConv3DNet_Sport1M"))
        file.write(field(2, field(3, b"data") + field(4, b"data") + field(5, 33)))
        for name, (kernel, bias) in arrays.items():
            layer = field(2, b"below") + field(3, name.encode()) + field(4, called.get(name, name).encode())
            layer += field(5, 30 if kernel.ndim == 5 else 14)
            layer += field(6, _blob(_first(name, kernel), dialect)) + field(6, _blob(bias, dialect))
            file.write(field(2, layer + b"\x3d" + struct.pack("<f", 1.0)))  # blobs_lr
            file.write(field(2, field(4, b"relu" + name.encode()) + field(5, 18)))
    return path


def caffe(folder: Path, arrays: Arrays) -> Path:
    return _caffe(folder, arrays, "c3d")


def caffe_shapes(folder: Path, arrays: Arrays) -> Path:
    return _caffe(folder, arrays, "caffe")


# PyTorch


class _Storage:
    def __init__(self, key: str, array: np.ndarray) -> None:
        self.key, self.array = key, array


class _Tensor:
    def __init__(self, storage: _Storage, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage, self.shape, self.stride = storage, shape, stride


@contextmanager
def _names_of_torch() -> Iterator[dict[str, Any]]:
    """Modules under PyTorch's names for a pickler to refer to, for as long as it writes."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    names: dict[str, Any] = {}
    for storage in ("FloatStorage", "DoubleStorage", "HalfStorage", "LongStorage"):
        names[storage] = type(storage, (), {"__module__": "torch"})
        setattr(torch, storage, names[storage])

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = names["rebuild"] = _rebuild_tensor_v2  # type: ignore[attr-defined]
    absent = {"torch", "torch._utils"} - set(sys.modules)
    assert len(absent) == 2
    sys.modules["torch"], sys.modules["torch._utils"] = torch, utils
    try:
        yield names
    finally:
        del sys.modules["torch"], sys.modules["torch._utils"]


def torch_pickle(tree: Any, names: dict[str, Any], old: bool) -> bytes:
    """A tree of dicts and `_Tensor` as PyTorch pickles it."""
    kinds = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if isinstance(obj, _Storage):
                kind = names[kinds[obj.array.dtype.str[1:]]]
                pid = ("storage", kind, obj.key, "cpu", obj.array.size)
                return (*pid, None) if old else pid
            return None

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, _Tensor):
                return names["rebuild"], (obj.storage, 0, obj.shape, obj.stride, False, OrderedDict())
            return NotImplemented

    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(tree)
    return stream.getvalue()


def torch_state(named: dict[str, np.ndarray]) -> tuple[OrderedDict[str, _Tensor], list[_Storage]]:
    state: OrderedDict[str, _Tensor] = OrderedDict()
    storages = []
    for number, (name, array) in enumerate(named.items()):
        array = array.copy(order="C")
        storages.append(_Storage(str(number), array.reshape(-1)))
        stride = tuple(step // array.itemsize for step in array.strides)
        state[name] = _Tensor(storages[-1], array.shape, stride)
    return state, storages


def torch_zip(path: Path, tree: Any, storages: list[_Storage], pickled: bytes | None = None) -> Path:
    with _names_of_torch() as names, zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", torch_pickle(tree, names, old=False) if pickled is None else pickled)
        archive.writestr("archive/byteorder", "little")
        for storage in storages:
            archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def torch_old(path: Path, tree: Any, storages: list[_Storage]) -> Path:
    with _names_of_torch() as names, path.open("wb") as file:
        machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        for value in (0x1950A86A20F9469CFC6C, 1001, machine):
            pickle.dump(value, file, protocol=2)
        file.write(torch_pickle(tree, names, old=True))
        pickle.dump([storage.key for storage in storages], file, protocol=2)
        for storage in storages:
            file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
    return path


def _named(arrays: Arrays, name_of: Callable[[str], str]) -> dict[str, np.ndarray]:
    named = {}
    for name, (kernel, bias) in arrays.items():
        named[f"{name_of(name)}.weight"] = _first(name, kernel)
        named[f"{name_of(name)}.bias"] = bias
    return named


def davidea(folder: Path, arrays: Arrays) -> Path:
    """`c3d.pickle`: names as the layers', the form from before PyTorch 1.6."""
    return torch_old(folder / "c3d.pickle", *torch_state(_named(arrays, lambda name: name)))


def _mmaction_name(name: str) -> str:
    conv = {"conv1": "conv1a", "conv2": "conv2a"}.get(name, name)
    return f"{conv}.conv" if name.startswith("conv") else name


def safetensors(folder: Path, arrays: Arrays) -> Path:
    """A PyTorch state dict, as the library safetensors saves it; bfloat16 where that keeps all bits of the values."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    values = b""
    for name, array in _named(arrays, lambda name: f"model.{name}").items():
        data, kind = np.ascontiguousarray(array, "<f4"), "F32"
        stored = data.tobytes()
        if not (data.view(np.uint32) & 0xFFFF).any():
            stored, kind = (data.view(np.uint32) >> 16).astype("<u2").tobytes(), "BF16"
        place = [len(values), len(values) + len(stored)]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": place}
        values += stored
    described = json.dumps(header).encode()
    described += b" " * (-len(described) % 8)
    path = folder / "model.safetensors"
    path.write_bytes(len(described).to_bytes(8, "little") + described + values)
    return path


def mmaction(folder: Path, arrays: Arrays) -> Path:
    """mmaction2's checkpoint: a dict around the state dict, `conv1a.conv.weight`; a counter and a note among it."""
    state, storages = torch_state(_named(arrays, _mmaction_name) | {"bn.num_batches_tracked": np.array(7)})
    return torch_zip(folder / "c3d.pth", {"meta": {"epoch": 3, "note": "made up"}, "state_dict": state}, storages)


# NumPy


def npz(folder: Path, arrays: Arrays) -> Path:
    named = {
        f"{name}/{role}": part
        for name, pair in arrays.items()
        for role, part in zip(("kernel", "bias"), pair, strict=True)
    }
    np.savez(folder / "c3d.npz", **named)  # type: ignore[arg-type]
    return folder / "c3d.npz"


def npz_channels_first(folder: Path, arrays: Arrays) -> Path:
    np.savez_compressed(folder / "c3d-first.npz", **_named(arrays, lambda name: name))  # type: ignore[arg-type]
    return folder / "c3d-first.npz"


def npz_flat_names(folder: Path, arrays: Arrays) -> Path:
    """`conv1_W`, as scripts that dump Keras 1 weights call them."""
    named = {f"{name}_{role}": part for name, pair in arrays.items() for role, part in zip("Wb", pair, strict=True)}
    np.savez(folder / "c3d-flat.npz", **named)  # type: ignore[arg-type]
    return folder / "c3d-flat.npz"


def convolutions(path: Path, dtype: str = "float16") -> Path:
    """A file of C3D's convolutional part; each array has one value, so that the file is small."""
    whole = architecture()
    shapes = whole.shapes(*SIZE)
    with h5py.File(path, "w") as file:
        for op in whole.operations:
            if isinstance(op, Conv):
                kernel = op.kernel_shape(shapes[op.inputs[0]][-1])
                file.create_dataset(f"{op.name}/{op.name}/kernel:0", kernel, dtype, fillvalue=0.01)
                file.create_dataset(f"{op.name}/{op.name}/bias:0", (op.filters,), dtype, fillvalue=0.5)
    return path


WRITERS: dict[str, Callable[[Path, Arrays], Path]] = {
    "keras 0, theano": theano,
    "keras 1, theano": keras1_theano,
    "keras 1": keras1,
    "keras 2": keras2,
    "keras 2 by itself": _saved("tf_keras", "save_weights", "weights.h5"),
    "keras 2 model": _saved("tf_keras", "save", "model.h5"),
    "keras 3, early": keras3_unnamed,
    "keras 3": _saved("keras", "save_weights", "model.weights.h5"),
    "keras 3 model": _saved("keras", "save", "model.h5"),
    "caffe of c3d": caffe,
    "caffe": caffe_shapes,
    "pytorch, old form": davidea,
    "pytorch, mmaction2": mmaction,
    "safetensors": safetensors,
    "npz": npz,
    "npz, channels first": npz_channels_first,
    "npz, flat names": npz_flat_names,
}
