"""Writes c3dvis's weights format: HDF5 with one group for each layer, which holds `kernel` and `bias`.

Values are float32 or float16, in TensorFlow's layout, uncompressed. Attributes hold the source of the file and the hash
of its values, so that the same weights have the same fingerprint whatever format they came in.
"""

import hashlib
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
    source: Mapping[str, str],
    dtype: str = "float32",
    on_progress: OnProgress | None = None,
) -> str:
    """Writes weights to a file, one layer in memory at a time.

    Args:
        path: the file to write or to replace.
        weights: (kernel, bias) of each layer, in TensorFlow's layout.
        source: short texts about the file that the weights come from, stored as attributes `source_…`.
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
            for name, text in source.items():
                file.attrs[f"source_{name}"] = text
            for done, name in enumerate(weights):
                if on_progress:
                    on_progress(done, len(weights))
                for role, values in zip(("kernel", "bias"), weights[name], strict=True):
                    if dtype == "float16" and np.abs(values).max(initial=0) > _MAX_FLOAT16:
                        raise WeightsDamaged(f"{name} holds values beyond float16's ±65504. Write float32.")
                    stored = np.ascontiguousarray(values, dtype)
                    file.create_dataset(f"{name}/{role}", data=stored, track_times=False)
                    _add_to_digest(digest, f"{name}/{role}", stored)
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
    contents = hdf5.contents(path)
    arrays = {array.name: array for array in contents.arrays}
    digest = hashlib.sha256()
    for name in names:
        for key in (f"{name}/kernel", f"{name}/bias"):
            _add_to_digest(digest, key, np.ascontiguousarray(arrays[key].read()))
    expected = (contents.attributes or {}).get("values_sha256")
    if expected != digest.hexdigest():
        raise WeightsDamaged(
            f"The values in {path} are not those it was written with: expected SHA-256 {expected}, received "
            f"{digest.hexdigest()}. Convert the original file again."
        )


def _add_to_digest(digest: "hashlib._Hash", key: str, values: np.ndarray) -> None:
    digest.update(f"{key}{values.shape}{values.dtype}".encode())
    digest.update(values.data)
