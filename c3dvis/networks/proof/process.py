"""The process that adds a network: reads the model as data, writes the network's files, and proves them.

The parent (`importers/add_network.py`) sends one request and installs the files, after it has checked the description.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.files import sha256_of
from c3dvis.networks import user_networks
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.input_domain import GREY, PLANES, InputDomain, check_shown
from c3dvis.networks.graph.operations import Weighted
from c3dvis.networks.importers import model_file
from c3dvis.networks.importers.imported import Imported
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import child_process, provenance
from c3dvis.networks.weights.formats import c3dvis_hdf5
from c3dvis.networks.weights.proof import Proof
from c3dvis.spec import RenderSpec

_USUAL_SIZE = (16, 112, 112)
_MEMORY = 6 << 30
"""Bytes of address space that the frameworks may take to compute two clips, beyond what they map when they start."""


def answer(
    request: Mapping[str, Any],
    send: Callable[[dict[str, Any]], None],
    load_frameworks: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write the files of a network to a folder; its proof, what was left out of it, and what its other inputs hold.

    Args:
        request: name, architecture, weights, bounds, order, size, title, licence, shown and held as of
            `add_network.add`, and the folder to write to.
        send: receives progress messages.
        load_frameworks: called when the files were read.

    Raises:
        InvalidSpec, WeightsDamaged: as of `add_network.add`.
    """
    architecture, weights, folder = request["architecture"], request["weights"], request["folder"]
    imported = model_file.read(architecture, weights, folder, request["size"], _held(request))
    info = _described(request, imported)
    file = weights or architecture
    values = _weights(imported, info, file)
    source = {"name": file.name, "format": imported.form, "sha256": sha256_of(file)}
    target = folder / info.weights_file
    digest = c3dvis_hdf5.write(target, values, source)
    send({"progress": [1, 3]})  # a process that reports nothing for long is given up
    proof = _proof(imported, info, values, architecture, weights, load_frameworks, send)
    parameters = sum(part.size for pair in values.values() for part in pair)
    record = provenance.Provenance(
        sha256_of(target), digest, parameters, (), source, proof, imported.left_out, imported.held
    )
    provenance.write(target, record)
    (folder / user_networks.DESCRIPTION).write_text(json.dumps(user_networks.to_dict(info)), "utf-8")
    return {"proof": asdict(proof), "left_out": imported.left_out, "held": imported.held}


def _held(request: Mapping[str, Any]) -> tuple[float, ...]:
    """What inputs beside the clip hold."""
    if request["held"] == "zeros":
        return (0.0,)
    low, high = request["bounds"]
    if len(low) != len(high):
        return (0.0,)  # `_domain` refuses them
    middles = tuple((black + white) / 2 for black, white in zip(low, high, strict=True))
    return middles[::-1] if request["order"] == "BGR" else middles


def _described(request: Mapping[str, Any], imported: Imported) -> NetworkInfo:
    """The description of the network, checked as it will be when it is read."""
    name, architecture = request["name"], request["architecture"]
    info = NetworkInfo(
        name=name,
        title=request["title"] or f"{name}, added from {architecture.name}",
        licence=request["licence"] or "not stated by whoever added it",
        source=f"added on this machine from {architecture.name}",
        architecture=Architecture(name, tuple(imported.operations), imported.channels),
        domain=_domain(imported.channels, request["bounds"], request["order"], request["shown"]),
        default_size=_size(request["size"], imported.size),
        trained_size=_size(imported.size, request["size"]),
        weights_file=f"{name}.h5",
        weights_sha256=None,
    )
    try:
        info = user_networks.from_dict(name, json.loads(json.dumps(user_networks.to_dict(info))))
    except ValueError as error:
        raise WeightsDamaged(f"{architecture} describes a network that cannot be used: {error}.") from None
    for size in (info.default_size, info.trained_size):
        info.output_shape(info.layers[0], *size)
    frames, height, width = info.default_size
    RenderSpec(network=name, layer=info.layers[0], frames=frames, height=height, width=width)  # checks the size
    return info


def _weights(imported: Imported, info: NetworkInfo, file: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(kernel, bias) of every operation that has them, checked against the shapes of the network."""
    shapes = info.architecture.shapes(*info.trained_size)
    weights = {}
    for op in info.architecture.operations:
        if not isinstance(op, Weighted):
            continue
        kernel, bias = imported.weights[op.name]()
        expected = op.kernel_shape(shapes[op.inputs[0]][-1])
        if kernel.shape != expected or bias.shape != (op.filters,):
            raise WeightsDamaged(
                f"{file} does not fit the layer {op.name}: expected a kernel {expected} and a bias ({op.filters},), "
                f"received {kernel.shape} and {bias.shape}."
            )
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise WeightsDamaged(f"{file} holds values of the layer {op.name} that are not finite. Use another copy.")
        weights[op.name] = (kernel.astype(np.float32), bias.astype(np.float32))
    return weights


def _proof(
    imported: Imported,
    info: NetworkInfo,
    weights: Mapping[str, Any],
    architecture: Path,
    separate: Path | None,
    load_frameworks: Callable[[], None],
    send: Callable[[dict[str, Any]], None],
) -> Proof:
    """Compare the network with its framework, if that can run it."""
    load_frameworks()
    send({"progress": [2, 3]})
    from c3dvis.networks.compute.network import Network
    from c3dvis.networks.proof import comparison, references

    try:
        reference = references.reference(imported.framework, architecture, separate)
        return comparison.prove(Network(info, weights), reference, imported.addresses, imported.is_float16)
    except comparison.CannotRun as error:
        return Proof(False, str(error))


def _domain(
    channels: int, bounds: tuple[tuple[float, ...], tuple[float, ...]], order: str, shown: tuple[int, ...]
) -> InputDomain:
    low, high = (each * channels if len(each) == 1 else each for each in bounds)
    is_finite = np.isfinite([*low, *high]).all()
    if not is_finite or len(low) != channels or len(high) != channels or not all(np.less(low, high)):
        raise InvalidSpec(
            f"The range of an input of {channels} channels is two numbers, the lower first, or one pair for each "
            f"channel, all finite; received {bounds[0]} and {bounds[1]}."
        )
    try:
        check_shown(shown, channels)
    except ValueError as error:
        raise InvalidSpec(f"The channels to show cannot be used: {error}.") from None
    orders = {1: GREY, 3: order}
    return InputDomain(low, high, orders.get(channels, PLANES), shown=shown)


def _size(*choices: tuple[int | None, int | None, int | None] | None) -> tuple[int, int, int]:
    """The first choice along each axis that is not open, or the usual size."""
    stated = [choice for choice in choices if choice is not None]
    sizes = [next((size for size in along if size is not None), None) for along in zip(*stated, strict=True)]
    frames, height, width = (size or usual for size, usual in zip(sizes, _USUAL_SIZE, strict=True))
    return frames, height, width


def _load_frameworks() -> None:
    """Import TensorFlow without the limit for reading, then set the one for computing."""
    child_process.limit_memory(None)
    from c3dvis.networks.compute import network  # noqa: F401

    child_process.limit_memory(_MEMORY)


if __name__ == "__main__":
    child_process.serve(partial(answer, load_frameworks=_load_frameworks), lambda request: request["architecture"])
