"""The one form that the program keeps weights in: HDF5, one group for each layer with `kernel` and `bias`.

float32 or float16, in the program's own layout, nothing packed; attributes say what the file was made from, and the
hash of its values, so that the same weights are the same network whatever format they came in.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from c3dvis.errors import OutputFailed, WeightsDamaged
from c3dvis.networks.weights.formats import hdf5
from c3dvis.networks.weights.formats.stored_arrays import first_line

DTYPES = ("float32", "float16")
_BEYOND_HALF = 65504.0

OnProgress = Callable[[int, int], None]
"""Hears (layers done, layers in all)."""


def write(
    path: Path,
    weights: Mapping[str, tuple[np.ndarray, np.ndarray]],
    source: Mapping[str, Any],
    dtype: str = "float32",
    on_progress: OnProgress | None = None,
) -> str:
    """Writes weights to a file, one layer in memory at a time.

    Args:
        path: the file; what stands there is replaced.
        weights: (kernel, bias) of each layer, in the program's layout.
        source: what the weights came from: short values, noted as attributes `source_…`.
        dtype: `float32`, or `float16` for half the size and a thousandth's precision.

    Returns:
        SHA-256 of the values.

    Raises:
        WeightsDamaged: a value cannot be read, or does not fit the dtype.
        OutputFailed: the file cannot be written.
    """
    digest = hashlib.sha256()
    try:
        with h5py.File(path, "w", libver="v110") as file:
            file.attrs["format"] = hdf5.FORM
            file.attrs["dtype"] = dtype
            for name, value in source.items():
                file.attrs[f"source_{name}"] = value if isinstance(value, str) else json.dumps(value)
            for done, name in enumerate(weights):
                if on_progress:
                    on_progress(done, len(weights))
                for role, values in zip(("kernel", "bias"), weights[name], strict=True):
                    if dtype == "float16" and np.abs(values).max(initial=0) > _BEYOND_HALF:
                        raise WeightsDamaged(f"{name} holds values beyond float16's ±65504. Write float32.")
                    stored = np.ascontiguousarray(values, dtype)
                    file.create_dataset(f"{name}/{role}", data=stored, track_times=False)
                    digest.update(f"{name}/{role}{stored.shape}{stored.dtype}".encode())
                    digest.update(stored.data)
            file.attrs["values_sha256"] = digest.hexdigest()
    except OSError as error:
        raise OutputFailed(f"{path} cannot be written: {first_line(error)}.") from None
    if on_progress:
        on_progress(len(weights), len(weights))
    return digest.hexdigest()


def check_values(path: Path, names: Mapping[str, Any]) -> None:
    """Holds the values of a file of this form against the hash that it states.

    Raises:
        WeightsDamaged: they are not the ones it was written with.
    """
    attributes = hdf5.own_attributes(path)
    digest = hashlib.sha256()
    arrays = {array.name: array for array in hdf5.contents(path).arrays}
    for name in names:
        for role in ("kernel", "bias"):
            values = np.ascontiguousarray(arrays[f"{name}/{role}"].read())
            digest.update(f"{name}/{role}{values.shape}{values.dtype}".encode())
            digest.update(values.data)
    if attributes.get("values_sha256") != digest.hexdigest():
        raise WeightsDamaged(
            f"The values in {path} are not those it was written with: expected SHA-256 "
            f"{attributes.get('values_sha256')}, received {digest.hexdigest()}. Convert the original file again."
        )
