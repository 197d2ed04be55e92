"""Reads safetensors: a JSON header with the type, shape and place of each array, and their values.

    8 bytes     length of the header, little-endian
    header      {"conv1.weight": {"dtype": "F32", "shape": [64, 3, 3, 3, 3], "data_offsets": [0, 20736]}, …}
    values      without gaps

https://huggingface.co/docs/safetensors/index#format
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats.stored_arrays import (
    BFLOAT16,
    Contents,
    StoredArray,
    first_line,
    from_bfloat16,
    refuse_unreadable,
)

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "|V2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U8": "<u1", "BOOL": "|b1",
}  # fmt: skip
_MAX_HEADER = 16 << 20
_MAX_ARRAYS = 20_000
_UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)


def is_safetensors(head: bytes, size: int) -> bool:
    """Whether the first ten bytes of a file of that size are those of this format."""
    return head[8:10] == b'{"' and int.from_bytes(head[:8], "little") <= size - 8


def contents(path: Path) -> Contents:
    """The arrays of a safetensors file, most of which PyTorch writes.

    Raises:
        WeightsDamaged: the file is damaged, or an array lies outside it.
    """
    with refuse_unreadable(path), path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MAX_HEADER:
            raise WeightsDamaged(f"{path} describes its arrays in {length:,} bytes: too many.")
        header = file.read(length)
        total = file.seek(0, 2) - 8 - length
    try:
        described = json.loads(header)
        described.pop("__metadata__", None)
        if len(described) > _MAX_ARRAYS:
            raise ValueError(f"it holds {len(described):,} arrays")
        arrays = tuple(_array(path, name, each, 8 + length, total) for name, each in described.items())
    except (*_UNREADABLE, AttributeError) as error:
        raise WeightsDamaged(f"{path} is not a readable safetensors file: {first_line(error)}.") from None
    return Contents("safetensors", arrays, False)


def _array(path: Path, name: str, described: Mapping[str, Any], start: int, total: int) -> StoredArray:
    shape, (first, end) = tuple(described["shape"]), described["data_offsets"]
    if described["dtype"] not in _DTYPES or any(type(each) is not int or each < 0 for each in (*shape, first, end)):
        raise ValueError(f"{name[:80]} has the type {str(described['dtype'])[:20]!r} or sizes that are not known here")
    dtype = np.dtype(_DTYPES[described["dtype"]])
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    if end - first != size or end > total:
        raise ValueError(f"{name[:80]} has {size:,} bytes, and lies at {first:,} to {end:,} of {total:,}")
    read = partial(_read, path, name, start + first, shape, dtype)
    if dtype == BFLOAT16:
        return StoredArray(name.replace(".", "/"), shape, np.dtype(np.float32), partial(from_bfloat16, read))
    return StoredArray(name.replace(".", "/"), shape, dtype, read)


def _read(path: Path, name: str, start: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    count = int(np.prod(shape, dtype=object))
    with refuse_unreadable(path):
        values = np.fromfile(path, dtype, count, offset=start)
    if values.size != count:
        raise WeightsDamaged(f"{path} ends in the middle of {name[:80]}.")
    return values.reshape(shape)
