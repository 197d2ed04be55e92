"""Reads NumPy's .npz: arrays by name, decompressed no further than their headers declare, never unpickled."""

import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats.stored_arrays import Contents, StoredArray, first_line

_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, NotImplementedError, RuntimeError,
               EOFError, SyntaxError, OverflowError, TypeError, MemoryError, Warning)  # fmt: skip
_MAX_MEMBERS = 10_000
_MAX_HEADER = 4096


def contents(path: Path) -> Contents:
    """The arrays of an .npz file; shapes and values have to tell their layout.

    Raises:
        WeightsDamaged: the file is damaged, or a member is not a plain array.
    """
    arrays = []
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            if len(members) > _MAX_MEMBERS:
                raise WeightsDamaged(f"{path} holds {len(members):,} arrays: not a weights file.")
            for info in members:
                shape, fortran, dtype, start = _header(archive, info)
                name = info.filename.removesuffix(".npy")
                size = dtype.itemsize * int(np.prod(shape, dtype=object))
                if start + size != info.file_size:
                    raise WeightsDamaged(
                        f"{path} does not hold what it declares at {name[:80]}: expected {size:,} bytes, received "
                        f"{info.file_size - start:,}."
                    )
                read = partial(_read, path, info, start, shape, dtype, fortran)
                arrays.append(StoredArray(name.replace(".", "/"), shape, dtype, read))
    except _UNREADABLE as error:
        raise WeightsDamaged(f"{path} is not a readable .npz file: {first_line(error)}.") from None
    return Contents("NumPy .npz", tuple(arrays), None)


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    with archive.open(info) as stream:
        version = npy.read_magic(stream)  # type: ignore[arg-type]
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"the array {info.filename[:80]} is of an unknown version {version}")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(stream, max_header_size=_MAX_HEADER)  # type: ignore[arg-type]
        if dtype.hasobject or dtype.itemsize == 0 or any(n < 0 for n in shape):
            raise ValueError(f"{info.filename[:80]} holds {dtype}, which is no plain array")
        return tuple(shape), fortran, dtype, stream.tell()


def _read(
    path: Path, info: zipfile.ZipInfo, start: int, shape: tuple[int, ...], dtype: np.dtype, fortran: bool
) -> np.ndarray:
    size = info.file_size - start
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as stream:
            stream.read(start)
            data = stream.read(size + 1)
    except _UNREADABLE as error:
        raise WeightsDamaged(f"{path} cannot be read at {info.filename[:80]}: {first_line(error)}.") from None
    if len(data) != size:
        raise WeightsDamaged(f"{path} holds another length at {info.filename[:80]} than it declares.")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
