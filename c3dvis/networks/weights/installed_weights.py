"""The weights file of a network on this machine: whether it is there, what it holds, and the network's fingerprint."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from c3dvis.errors import WeightsDamaged, WeightsMissing
from c3dvis.networks.info import NetworkInfo
from c3dvis.networks.weights import provenance
from c3dvis.networks.weights.formats import i3d_pickle
from c3dvis.networks.weights.sandbox import Apart
from c3dvis.networks.weights.weights_file import open_weights

Weights = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""(kernel, bias) float32 by layer."""


def present(info: NetworkInfo) -> bool:
    """Whether the weights file is there (not whether it is whole: reading it checks that)."""
    return info.weights_path.is_file()


def missing(info: NetworkInfo) -> str:
    """The sentence that says that the weights are not here, and how to get them."""
    return (
        f"The weights of {info.name} are not on this machine: expected {info.weights_path}. "
        f"Get them: {info.how_to_get}."
    )


def read(info: NetworkInfo) -> Weights:
    """The weights, checked.

    Raises:
        WeightsMissing: there is no file; the message says how to get it.
        WeightsDamaged: the file is not what it should be.
    """
    if not present(info):
        raise WeightsMissing(missing(info))
    if info.weights_sha256:
        return i3d_pickle.read(info.weights_path, info.architecture)
    try:
        _, as_noted = provenance.digest(info.weights_path)
    except OSError as error:
        raise WeightsDamaged(f"{info.weights_path} cannot be read: {error.strerror or error}.") from None
    if not as_noted:  # put here by hand, or damaged since: what it holds is first looked at elsewhere
        with Apart() as apart:
            apart.inspect(info.weights_path, info.architecture, info.default_size)
    return open_weights(info.weights_path, info.architecture, info.default_size)


def fingerprint(info: NetworkInfo) -> str:
    """SHA-256 of operations, input domain and weights in canonical JSON: the same for networks that compute the same.

    Raises:
        WeightsMissing: it depends on a weights file that is not there.
    """
    digest = info.weights_sha256
    if digest is None:
        try:
            digest, _ = provenance.digest(info.weights_path)
        except OSError:
            raise WeightsMissing(missing(info)) from None
    operations = info.architecture.to_dict()["operations"]
    described = {"operations": operations, "input": info.domain.to_dict(), "weights": digest}
    return hashlib.sha256(json.dumps(described, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
