"""Reads Caffe's NetParameter: the release of C3D (`conv3d_deepnetA_sport1m_iter_1900000`) and similar files.

Only the fields that weights need are declared here, with the field numbers of caffe.proto. Values are packed floats,
which are encoded like a little-endian float32 array: declared as bytes, they are parsed as a whole instead of one by
one. C3D's fork of Caffe has blobs of five axes (num, channels, length, height, width); Caffe itself has a shape.
"""

from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats.stored_arrays import Contents, StoredArray, first_line, refuse_unreadable

_MAX_FIELDS = 200_000
# Numbers of the fields with nested messages: layers in a net, blobs in a layer, none in a blob.
_NET, _LAYER, _BLOB = frozenset((2, 100)), frozenset((6, 7)), frozenset[int]()

# name, field number, type, repeated
_INT, _BYTES = 3, 12  # FieldDescriptorProto.Type: int64 and bytes
_BLOBS = {
    "c3d": (("num", 1, _INT, False), ("channels", 2, _INT, False), ("length", 3, _INT, False),
            ("height", 4, _INT, False), ("width", 5, _INT, False), ("data", 6, _BYTES, True)),
    "caffe": (("num", 1, _INT, False), ("channels", 2, _INT, False), ("height", 3, _INT, False),
              ("width", 4, _INT, False), ("data", 5, _BYTES, True), ("shape", 7, ".{package}.Shape", False)),
}  # fmt: skip


@cache
def message_classes(dialect: str) -> dict[str, Any]:
    """Message classes `Net`, `Layer`, `NewLayer`, `Blob` and `Shape` of a dialect, `c3d` or `caffe`."""
    package = f"c3dvis.{dialect}"
    file = descriptor_pb2.FileDescriptorProto(name=f"c3dvis/{dialect}.proto", package=package, syntax="proto2")
    messages = {
        "Shape": (("dim", 1, _INT, True),),
        "Blob": _BLOBS[dialect],
        "Layer": (("name", 4, _BYTES, False), ("blobs", 6, ".{package}.Blob", True)),
        "NewLayer": (("name", 1, _BYTES, False), ("blobs", 7, ".{package}.Blob", True)),
        "Net": (("layers", 2, ".{package}.Layer", True), ("layer", 100, ".{package}.NewLayer", True)),
    }
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            made = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                made.type_name = kind.format(package=package)
            else:
                made.type = kind
                made.options.packed = repeated and kind == _INT
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[attr-defined]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


def contents(path: Path) -> Contents:
    """The blobs of a Caffe file.

    Raises:
        WeightsDamaged: the file is not a NetParameter, or a blob has another size than it declares.
    """
    for dialect in ("c3d", "caffe"):
        net = _parse(path, dialect)
        layers = [layer for layer in (*net.layers, *net.layer) if layer.blobs]
        if any(blob.data for layer in layers for blob in layer.blobs):
            arrays = tuple(array for layer in layers for array in _arrays(path, layer, dialect))
            return Contents("Caffe NetParameter" + (" of C3D" if dialect == "c3d" else ""), arrays, False)
    raise WeightsDamaged(f"{path} is not a weights file of a known format: it holds no values of Caffe's layers.")


def _parse(path: Path, dialect: str) -> Any:
    net = message_classes(dialect)["Net"]()
    with refuse_unreadable(path):
        data = path.read_bytes()
    try:
        _count_fields(data, 0, len(data), (_NET, _LAYER, _BLOB), [0])
        net.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise WeightsDamaged(f"{path} is not a weights file of a known format: {first_line(error)}.") from None
    return net


def _count_fields(data: bytes, place: int, end: int, levels: tuple[frozenset[int], ...], count: list[int]) -> None:
    """Refuses a file with more fields than any network, before it is parsed.

    A parsed field takes many times its bytes in the file: two bytes can become a hundred. The encoding is described at
    https://protobuf.dev/programming-guides/encoding.

    Args:
        data: the file.
        place, end: start and end of the message in `data`.
        levels: numbers of the fields that hold messages: those of this message first, then of the nested ones.
        count: its one element is the number of fields found so far.

    Raises:
        ValueError: there are too many fields, or a length exceeds the message.
    """
    while place < end:
        count[0] += 1
        if count[0] > _MAX_FIELDS:
            raise ValueError("it holds more fields than a network")
        key, place = _varint(data, place, end)
        number, wire = key >> 3, key & 7
        if wire == 0:
            _, place = _varint(data, place, end)
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        elif wire == 2:
            length, place = _varint(data, place, end)
            if place + length > end:
                raise ValueError("a field is longer than the message that holds it")
            if levels and number in levels[0]:
                _count_fields(data, place, place + length, levels[1:], count)
            place += length
        else:
            raise ValueError("it is not a protobuf message")


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("an integer does not end")


def _arrays(path: Path, layer: Any, dialect: str) -> list[StoredArray]:
    made = []
    for role, blob in zip(("kernel", "bias"), layer.blobs, strict=False):
        name = f"{layer.name.decode('utf-8', 'replace')}/{role}"
        count = sum(len(part) for part in blob.data) // 4
        shape = _shape(blob, dialect)
        if role == "bias":
            shape = tuple(n for n in shape if n != 1) or (1,)
        elif dialect == "c3d" and shape[:3] == (1, 1, 1):
            shape = shape[3:]  # the last two axes are the sizes of an inner product
        elif dialect == "caffe" and len(shape) == 4 and shape[:2] == (1, 1):
            shape = shape[2:]
        if any(n < 1 for n in shape) or int(np.prod(shape, dtype=object)) != count:
            raise WeightsDamaged(
                f"{path} does not hold what it declares at {name[:80]}: expected {'×'.join(map(str, shape))} values, "
                f"received {count:,}."
            )
        made.append(StoredArray(name, shape, np.dtype("<f4"), partial(_read, path, name, blob, shape)))
    return made


def _shape(blob: Any, dialect: str) -> tuple[int, ...]:
    if dialect == "caffe" and blob.shape.dim:
        return tuple(blob.shape.dim)
    return tuple(getattr(blob, name) for name, _, kind, _ in _BLOBS[dialect] if kind == _INT)


def _read(path: Path, name: str, blob: Any, shape: tuple[int, ...]) -> np.ndarray:
    parts = list(blob.data)
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(data) % 4:
        raise WeightsDamaged(f"{path} is cut in the middle of a value at {name[:80]}.")
    return np.frombuffer(data, "<f4").reshape(shape)
