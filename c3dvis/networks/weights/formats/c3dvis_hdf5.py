"""Writes c3dvis's weights format: HDF5 with one group for each layer, which holds `kernel` and `bias`.

Values are float32 or float16, in TensorFlow's layout, uncompressed. Attributes hold the source of the file and the hash
of its values, so that the same weights have the same fingerprint whatever format they came in.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from c3dvis.errors import OutputFailed, WeightsDamaged
from c3dvis.networks.weights.formats import hdf5
from c3dvis.networks.weights.formats.stored_arrays import first_line
from c3dvis.networks.weights.progress import OnProgress

DTYPES = ("float32", "float16")
_MAX_FLOAT16 = 65504.0


def write(
    path: Path,
    weights: Mapping[str, tuple[np.ndarray, np.ndarray]],
    source: Mapping[str, Any],
    dtype: str = "float32",
    on_progress: OnProgress | None = None,
) -> str:
    """Writes weights to a file, one layer in memory at a time.

    Args:
        path: the file to write or to replace.
        weights: (kernel, bias) of each layer, in TensorFlow's layout.
        source: short values about the file that the weights come from, stored as attributes `source_…`.
        dtype: `float32`, or `float16` for half the size and a relative error of a thousandth.
        on_progress: receives the layers done and in total.

    Returns:
        SHA-256 of the values.

    Raises:
        WeightsDamaged: a value cannot be read, or does not fit the dtype.
        OutputFailed: the file cannot be written.
    """
    digest = hashlib.sha256()
    try:
        with h5py.File(path, "w", libver="v110") as file:
            file.attrs["format"] = hdf5.C3DVIS_FORMAT
            file.attrs["dtype"] = dtype
            for name, value in source.items():
                file.attrs[f"source_{name}"] = value if isinstance(value, str) else json.dumps(value)
            for done, name in enumerate(weights):
                if on_progress:
                    on_progress(done, len(weights))
                for role, values in zip(("kernel", "bias"), weights[name], strict=True):
                    if dtype == "float16" and np.abs(values).max(initial=0) > _MAX_FLOAT16:
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
    """Compares the values of a file in this format with the hash that it states.

    Raises:
        WeightsDamaged: the values changed since the file was written.
    """
    attributes = hdf5.c3dvis_attributes(path)
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
