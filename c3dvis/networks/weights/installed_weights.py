"""The weights file of a network on this machine: whether it is installed, its values, and the network's fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from c3dvis.errors import WeightsDamaged, WeightsMissing
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import provenance
from c3dvis.networks.weights.formats import i3d_pickle
from c3dvis.networks.weights.formats.stored_arrays import refuse_unreadable
from c3dvis.networks.weights.proof import PUBLISHED, Proof
from c3dvis.networks.weights.sandbox import inspect_in_sandbox
from c3dvis.networks.weights.weights_file import open_weights
from c3dvis.networks.weights.work_folder import check_free_space, work_folder

Weights = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""(kernel, bias) float32 by layer."""


def present(info: NetworkInfo) -> bool:
    """Whether the weights file is there; only reading it tells whether it is undamaged."""
    return info.weights_path.is_file()


def missing(info: NetworkInfo) -> str:
    """A sentence for the user: the weights are not on this machine, and how to get them."""
    return (
        f"The weights of {info.name} are not on this machine: expected {info.weights_path}. "
        f"Get them: {info.how_to_get}."
    )


def read(info: NetworkInfo) -> Weights:
    """The weights, after they were checked.

    Raises:
        WeightsMissing: there is no file; the message says how to get it.
        WeightsDamaged: the file does not hold the network's weights.
    """
    if not present(info):
        raise WeightsMissing(missing(info))
    if info.weights_sha256:
        return i3d_pickle.read(info.weights_path, info.architecture)
    with refuse_unreadable(info.weights_path):
        _, is_described = provenance.digest(info.weights_path)
    if not is_described:  # a user put it here, or it was damaged since: the sandbox reads it first
        inspect_in_sandbox(info.weights_path, info.architecture, info.trained_size)
    return open_weights(info.weights_path, info.architecture, info.trained_size)


def proof(info: NetworkInfo) -> Proof:
    """Whether the framework that a network comes from computes the same as c3dvis does with the installed weights."""
    if info.weights_sha256:
        return PUBLISHED
    try:
        _, is_described = provenance.digest(info.weights_path)
    except OSError:
        return Proof(False, "its weights are not on this machine")
    record = provenance.read(info.weights_path)
    return record.proof if record and is_described else Proof(False, "its weights file was put there by hand")


class Remarks(NamedTuple):
    """What is said of an added model, a sentence each; empty where there is nothing to say.

    Attributes:
        left_out: what of it could not be translated, and why.
        held: which of its inputs beside the clip hold what.
    """

    left_out: str
    held: str


def remarks(info: NetworkInfo) -> Remarks:
    """What is said of an added model."""
    record = provenance.read(info.weights_path)
    return Remarks(record.left_out, record.held) if record else Remarks("", "")


def receive(info: NetworkInfo, data: bytes) -> None:
    """Installs a weights file that another machine sent, unless one was installed in the meantime.

    Args:
        info: the network.
        data: the whole file. Published weights are checked by hash; for others, the renderer compares fingerprints.

    Raises:
        WeightsDamaged: the hash is not the published one.
        FetchFailed: the file cannot be written.
    """
    with work_folder(info.weights_path) as (work, install):
        if present(info):  # it was sent to another worker with this folder
            return
        check_free_space(work, len(data))
        digest = hashlib.sha256(data).hexdigest()
        if info.weights_sha256 not in (None, digest):
            raise WeightsDamaged(
                f"The weights of {info.name} that were sent here are damaged: expected sha256 {info.weights_sha256}, "
                f"received {digest}. Check them on the machine that sends: c3dvis weights check {info.name}."
            )
        finished = work / info.weights_file
        finished.write_bytes(data)
        install(finished)


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
    described = f'{info.computation.removesuffix("}")},"weights":{json.dumps(digest)}}}'  # the last key by the alphabet
    return hashlib.sha256(described.encode()).hexdigest()
