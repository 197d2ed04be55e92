"""Adds and removes users' own Keras networks; used by the command line only.

The model's description is translated to `network.json` and its weights to c3dvis's own form, without Keras (for the
reason given in `keras_model.py`) and without TensorFlow.
"""

import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.files import sha256_of, write_whole
from c3dvis.networks import registry, user_networks
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.input_domain import GREY, PLANES, InputDomain
from c3dvis.networks.graph.operations import Weighted
from c3dvis.networks.importers import keras_model
from c3dvis.networks.importers.keras_model import KerasModel
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import class_labels, provenance
from c3dvis.networks.weights.formats import c3dvis_hdf5, hdf5
from c3dvis.networks.weights.formats.stored_arrays import StoredArray, check_dtype, first_line, refuse_unreadable
from c3dvis.networks.weights.work_folder import work_folder
from c3dvis.settings import weights_dir
from c3dvis.spec import RenderSpec

_MAX_JSON = 16 << 20
_MAX_WEIGHTS = 8 << 30


def add(
    name: str,
    architecture: Path,
    weights: Path | None,
    bounds: tuple[tuple[float, ...], tuple[float, ...]],
    order: str = "RGB",
    size: tuple[int, int, int] | None = None,
    title: str = "",
    licence: str = "",
    labels: Path | None = None,
) -> NetworkInfo:
    """Add a network, or replace the one of that name.

    Args:
        name: lower-case letters, digits, dots, dashes and underscores.
        architecture: a .keras file, a whole model in .h5, or the .json that `model.to_json()` gives.
        weights: its weights in HDF5 of Keras 2 or 3, or a .keras file; None takes those in `architecture`.
        bounds: network input of black and of white: one number each, or one for each channel in RGB order.
        order: `RGB` or `BGR`, for a network of three channels.
        size: (frames, height, width) of a render; None takes the model's own, or 16×112×112 where it takes any.
        title: one line for people.
        licence: of the weights, for people.
        labels: a file with the names of its classes, one a line, in the order of its outputs.

    Raises:
        InvalidSpec: a name, a size, bounds or labels that cannot be used.
        WeightsDamaged: the files cannot be read, do not fit each other, or contain a layer that is not known here.
    """
    if not user_networks.NAME.fullmatch(name) or name in registry.NAMES:
        raise InvalidSpec(
            f"A network cannot be called {name[:80]!r}: expected lower-case letters, digits, '.', '-' and '_', at most "
            f"60, and not {' or '.join(registry.NAMES)}."
        )
    model = keras_model.read(_config(architecture))
    info = NetworkInfo(
        name=name,
        title=title or f"{name}, added from {architecture.name}",
        licence=licence or "not stated by whoever added it",
        source=f"added on this machine from {architecture.name}",
        architecture=Architecture(name, tuple(model.operations), model.channels),
        domain=_domain(model.channels, bounds, order),
        default_size=_size(model, size),
        weights_file=f"{name}.h5",
        weights_sha256=None,
        how_to_get=f"c3dvis networks add {name} --architecture FILE --weights FILE",
    )
    try:
        info = user_networks.from_dict(name, json.loads(json.dumps(user_networks.to_dict(info))))  # as it will be read
    except ValueError as error:
        raise WeightsDamaged(f"{architecture} describes a network that cannot be used: {error}.") from None
    info.output_shape(info.layers[0], *info.default_size)
    frames, height, width = info.default_size
    RenderSpec(network=name, layer=info.layers[0], frames=frames, height=height, width=width)  # checks the size
    if labels is not None:
        class_labels.check_labels(info, labels)
    file = weights or architecture
    with _hdf5(file) as path, work_folder(info.weights_path) as (work, install):
        values = _weights(file, path, model, info)
        finished = work / info.weights_file
        source = {"name": file.name, "format": hdf5.contents(path).form, "sha256": sha256_of(file)}
        digest = c3dvis_hdf5.write(finished, values, source)
        parameters = sum(part.size for pair in values.values() for part in pair)
        provenance.write(finished, provenance.Provenance(sha256_of(finished), digest, parameters, (), source))
        install(finished)
        description = json.dumps(user_networks.to_dict(info)).encode()
        write_whole(info.weights_path.with_name(user_networks.DESCRIPTION), description)
    if labels is not None:
        class_labels.store_labels(info, labels)
    return info


def remove(name: str) -> Path:
    """Remove an added network from this machine; its results stay in the store.

    Raises:
        InvalidSpec: it was not added by a user.
    """
    if name not in user_networks.names():
        raise InvalidSpec(
            f"There is no added network {name[:60]!r}; there are {', '.join(user_networks.names()) or 'none'}."
        )
    folder = weights_dir() / name
    (folder / user_networks.DESCRIPTION).unlink()  # first: the folder is no network without it
    shutil.rmtree(folder)
    return folder


def _config(path: Path) -> dict[str, Any]:
    """The description of a model, from any kind of file that contains one."""
    text: bytes | str | None
    try:
        if path.stat().st_size > _MAX_WEIGHTS:
            raise WeightsDamaged(f"{path} is too large.")
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(hdf5.MAGIC):
            text = hdf5.attribute(path, "model_config")
            if text is None:
                raise WeightsDamaged(
                    f"{path} holds weights alone: pass the model's .json or .keras with --architecture."
                )
        elif head.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive, archive.open("config.json") as member:
                text = member.read(_MAX_JSON + 1)
        else:
            with path.open("rb") as file:
                text = file.read(_MAX_JSON + 1)
        if len(text) > _MAX_JSON:
            raise WeightsDamaged(f"{path} describes its model in more than {_MAX_JSON:,} bytes.")
        config = json.loads(text)
        if isinstance(config, dict):
            return config
        raise ValueError("it is no object")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError, RecursionError) as error:
        raise WeightsDamaged(
            f"{path} describes no Keras model: expected .keras, a whole model in .h5, or the .json of model.to_json() "
            f"({first_line(error)})."
        ) from None


@contextmanager
def _hdf5(path: Path) -> Iterator[Path]:
    """The HDF5 file with a model's weights; a .keras file contains it."""
    with refuse_unreadable(path), path.open("rb") as file:
        packed = file.read(2) == b"PK"
    if not packed:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                info = archive.getinfo("model.weights.h5")
                if info.file_size > min(_MAX_WEIGHTS, 1000 * max(info.compress_size, 1)):
                    raise WeightsDamaged(f"{path} would unpack to {info.file_size:,} bytes of weights: too many.")
                archive.extract(info, folder)
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise WeightsDamaged(f"{path} holds no weights that can be read ({first_line(error)}).") from None
        yield Path(folder) / "model.weights.h5"


def _weights(file: Path, path: Path, model: KerasModel, info: NetworkInfo) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(kernel, bias) of every operation that has them, checked against the shapes of the network."""
    stored = hdf5.contents(path).arrays
    shapes = info.architecture.shapes(*info.default_size)

    def arrays(operation: str) -> dict[str, np.ndarray]:
        return _of_layer(file, stored, model.paths[operation], model.roles[operation])

    weights = {}
    for op in info.architecture.operations:
        if not isinstance(op, Weighted):
            continue
        try:
            kernel, bias = model.weights[op.name](arrays)
        except (KeyError, ValueError) as error:
            raise WeightsDamaged(
                f"{file} lacks weights of the layer {op.name}: {first_line(error)} is missing."
            ) from None
        expected = op.kernel_shape(shapes[op.inputs[0]][-1])
        if kernel.shape != expected or bias.shape != (op.filters,):
            raise WeightsDamaged(
                f"{file} does not fit the layer {op.name}: expected a kernel {expected} and a bias ({op.filters},), "
                f"received {kernel.shape} and {bias.shape}."
            )
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise WeightsDamaged(f"{file} holds values of the layer {op.name} that are not finite.")
        weights[op.name] = (kernel.astype(np.float32), bias.astype(np.float32))
    return weights


def _of_layer(
    file: Path, stored: tuple[StoredArray, ...], path: tuple[str, ...], roles: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """A layer's arrays by role, from a file of any version of Keras."""
    name = path[-2]
    mine = [array for array in stored if f"/{name}/" in f"/{array.name}"]
    if not mine:  # early Keras 3 names layers by class and number, within the models that contain them
        keys = [f"layers/{each}" for each in path[1::2]]
        prefix = "/".join(keys) + "/vars/"
        mine = [array for array in stored if array.name == prefix + array.name.rpartition("/")[2]]
    found: dict[str, np.ndarray] = {}
    ordered = {int(last): array for array in mine if (last := array.name.rpartition("/")[2]).isdecimal()}
    if ordered:  # Keras 3 numbers a layer's arrays
        pairs = list(zip(roles, (ordered[n] for n in sorted(ordered)), strict=False))
    else:
        pairs = [(array.name.rpartition("/")[2].partition(":")[0], array) for array in mine]
    for role, array in pairs:
        if role not in roles:
            continue
        if role in found:
            raise WeightsDamaged(f"{file} holds {role} of {name[:60]} twice; expected layers with names of their own.")
        check_dtype(file, array.name, array.dtype)
        if array.size * array.dtype.itemsize > file.stat().st_size * 1000:
            raise WeightsDamaged(f"{file} declares {array.size:,} numbers at {array.name[:80]}, more than it holds.")
        found[role] = array.read()
    return found


def _domain(channels: int, bounds: tuple[tuple[float, ...], tuple[float, ...]], order: str) -> InputDomain:
    low, high = (each * channels if len(each) == 1 else each for each in bounds)
    if len(low) != channels or len(high) != channels or not all(a < b for a, b in zip(low, high, strict=True)):
        raise InvalidSpec(
            f"The range of an input of {channels} channels is two numbers, the lower first, or one pair for each "
            f"channel; received {bounds[0]} and {bounds[1]}."
        )
    orders = {1: GREY, 3: order}
    return InputDomain(low, high, orders.get(channels, PLANES))


def _size(model: KerasModel, asked: tuple[int, int, int] | None) -> tuple[int, int, int]:
    usual = (16, 112, 112)
    return asked or tuple(own or usual[axis] for axis, own in enumerate(model.size))  # type: ignore[return-value]
