"""Reads PyTorch state dicts without PyTorch: the zip format of 1.6 and later, and the older sequence of pickles.

    zip     NAME/data.pkl describes the tensors, and each NAME/data/KEY holds the values of one storage
    older   four pickles (magic number, protocol, machine, state dict), a fifth with the list of storage keys, then for
            each key a count (int64) and the values

The state dict may be inside a checkpoint, and its names may have a prefix (`module.`, `backbone.`). What else a
checkpoint holds is skipped.
"""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats import restricted_unpickler
from c3dvis.networks.weights.formats.restricted_unpickler import Loaded, Storage, Tensor
from c3dvis.networks.weights.formats.stored_arrays import (
    BFLOAT16,
    Contents,
    StoredArray,
    first_line,
    from_bfloat16,
    refuse_unreadable,
)

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, NotImplementedError, RuntimeError,
               EOFError, struct.error, OverflowError)  # fmt: skip
_MAX_DEPTH = 4


def is_old_form(head: bytes) -> bool:
    """Whether the first bytes of a file are those of PyTorch's older format: a pickle of its magic number."""
    return head[:1] == b"\x80" and _MAGIC.to_bytes(10, "little") in head[:20]


def zip_contents(path: Path) -> Contents:
    """The tensors of a PyTorch zip.

    Raises:
        WeightsDamaged: the file is damaged, or holds something that no state dict holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
            if len(names) != 1:
                raise WeightsDamaged(f"{path} holds {len(names)} data.pkl; expected the one of a PyTorch file.")
            if names[0].file_size > restricted_unpickler.MAX_PICKLE:
                raise WeightsDamaged(f"{path} describes its tensors in {names[0].file_size:,} bytes: too many.")
            folder = names[0].filename.removesuffix("data.pkl")
            orders = [info for info in archive.infolist() if info.filename == f"{folder}byteorder"]
            if orders and _member(archive, orders[0], 16) != b"little":
                raise WeightsDamaged(f"{path} was saved on a big-endian machine; save it again on a little-endian one.")
            data = _member(archive, names[0], restricted_unpickler.MAX_PICKLE)
            sizes = {info.filename: info.file_size for info in archive.infolist()}
    except _UNREADABLE as error:
        raise WeightsDamaged(f"{path} is not a readable PyTorch file: {first_line(error)}.") from None
    loaded = _load(path, data)

    def locate(storage: Storage) -> Callable[[], np.ndarray]:
        name, size = f"{folder}data/{storage.key}", storage.count * storage.dtype.itemsize
        if sizes.get(name) != size:
            raise WeightsDamaged(
                f"{path} has another size than it declares: expected {size:,} bytes at {name[:80]}, received "
                f"{sizes.get(name, 0):,}."
            )

        def read() -> np.ndarray:
            try:
                with zipfile.ZipFile(path) as archive:
                    return np.frombuffer(_member(archive, archive.getinfo(name), size), storage.dtype)
            except _UNREADABLE as error:
                raise WeightsDamaged(f"{path} cannot be read at {name[:80]}: {first_line(error)}.") from None

        return read

    return Contents("PyTorch state dict (zip)", _tensors(path, loaded, locate), False)


def old_contents(path: Path) -> Contents:
    """The tensors of a PyTorch file from before 1.6; see `zip_contents`."""
    with refuse_unreadable(path), path.open("rb") as file:
        head = file.read(restricted_unpickler.MAX_PICKLE)
        total = file.seek(0, 2)
    parts, place = [], 0
    for _ in range(5):
        try:
            end = restricted_unpickler.extent(head, place)
        except WeightsDamaged as error:
            raise WeightsDamaged(f"{path} is not a readable PyTorch file: {error}.") from None
        parts.append(head[place:end])
        place = end
    loaded = [_load(path, part) for part in parts]
    magic, protocol, _, _, keys = (each.tree for each in loaded)
    if magic != _MAGIC or protocol != _PROTOCOL or not isinstance(keys, list):
        raise WeightsDamaged(f"{path} is not a PyTorch file: it begins with another magic number or protocol.")
    wanted = loaded[3].storages
    places: dict[str, int] = {}
    with path.open("rb") as file:
        for key in keys:
            storage = wanted.get(key) if isinstance(key, str) else None
            if storage is None:
                raise WeightsDamaged(f"{path} holds values that belong to no tensor; save it again as a state dict.")
            file.seek(place)
            (count,) = struct.unpack("<q", file.read(8).ljust(8, b"\0"))
            size = storage.count * storage.dtype.itemsize
            if count != storage.count or place + 8 + size > total:
                raise WeightsDamaged(
                    f"{path} has another size than it declares: expected {storage.count:,} values for {key[:40]}, "
                    f"received {count:,}, and {max(0, total - place - 8):,} bytes are left."
                )
            places[key] = place + 8
            place += 8 + size

    def locate(storage: Storage) -> Callable[[], np.ndarray]:
        if storage.key not in places:
            raise WeightsDamaged(f"{path} describes the storage {storage.key[:40]}, which it does not hold.")

        def read() -> np.ndarray:
            values = np.fromfile(path, storage.dtype, storage.count, offset=places[storage.key])
            if values.size != storage.count:
                raise WeightsDamaged(f"{path} ends in the middle of a tensor.")
            return values

        return read

    return Contents("PyTorch state dict (before 1.6)", _tensors(path, loaded[3], locate), False)


def _load(path: Path, data: bytes) -> Loaded:
    try:
        restricted_unpickler.extent(data)
        return restricted_unpickler.load(data)
    except WeightsDamaged as error:
        raise WeightsDamaged(f"{path} is refused: {str(error).rstrip('.')}.") from None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """The bytes of a member; at most one more than `most` is decompressed."""
    with archive.open(info) as stream:
        data = stream.read(most + 1)
    if len(data) != info.file_size or len(data) > most:
        raise WeightsDamaged(f"{archive.filename} holds another length at {info.filename[:80]} than it declares.")
    return data


def _walk(tree: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested dicts, with its path."""
    if not isinstance(tree, Mapping) or depth > _MAX_DEPTH:
        return
    for name, value in tree.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(name, str) and not name.startswith("optimizer"):
            yield from _walk(value, f"{prefix}{name}.", depth + 1)


def _tensors(
    path: Path, loaded: Loaded, locate: Callable[[Storage], Callable[[], np.ndarray]]
) -> tuple[StoredArray, ...]:
    """The tensors of a checkpoint.

    Raises:
        WeightsDamaged: it has none, or one is described by what does not fit.
    """
    found = tuple(_described(path, loaded.tree, locate))
    if not found and loaded.skipped:
        raise WeightsDamaged(
            f"{path} holds no arrays by name, but {', '.join(loaded.skipped[:3])}; no code of it was run. Save the "
            "arrays: torch.save(model.state_dict(), FILE)."
        )
    return found


def _described(path: Path, tree: Any, locate: Callable[[Storage], Callable[[], np.ndarray]]) -> Iterator[StoredArray]:
    for name, tensor in _walk(tree, "", 0):
        if not _sound(tensor):
            raise WeightsDamaged(f"{path} describes the tensor {name[:80]} with objects of the wrong type.")
        if 0 in tensor.shape:
            continue
        read = locate(tensor.storage)
        view = partial(_view, path, name, tensor, read)
        dtype = tensor.storage.dtype
        if dtype == BFLOAT16:
            dtype, view = np.dtype(np.float32), partial(from_bfloat16, view)
        yield StoredArray(name.replace(".", "/"), tensor.shape, dtype, view)


def _sound(tensor: Tensor) -> bool:
    """Whether shape, strides and offset are integers that stay inside the storage."""
    shape, stride = tensor.shape, tensor.stride
    if not isinstance(tensor.storage, Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        return False
    if len(shape) != len(stride) or len(shape) > 8:
        return False
    if any(type(n) is not int or n < 0 for n in (*shape, *stride, tensor.offset)):
        return False
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    return 0 in shape or last < tensor.storage.count


def _view(path: Path, name: str, tensor: Tensor, read: Callable[[], np.ndarray]) -> np.ndarray:
    """A tensor's values in the storage that `read` reads."""
    flat = read()
    steps = tuple(step * flat.itemsize for step in tensor.stride)
    if flat.size <= tensor.offset:
        raise WeightsDamaged(f"{path} ends before the tensor {name[:80]}.")
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, steps, writeable=False)
