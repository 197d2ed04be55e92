"""Adds and removes users' own networks, for the command line and, without code, for the Network page.

A process of its own reads the model, writes the network's files and proves them (`proof/process.py`), since the
libraries that read models are written in C and a damaged file can crash them. No code that the model contains or names
is run. `add_code` is another matter: it runs a user's own program, in such a process too.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Literal

from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.files import write_whole
from c3dvis.networks import registry, user_networks
from c3dvis.networks.graph.input_domain import SIDE_BY_SIDE
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import child_process, class_labels
from c3dvis.networks.weights.work_folder import work_folder
from c3dvis.settings import weights_dir

_PROCESS = "c3dvis.networks.proof.process"
_TIMEOUT = 600.0  # seconds: two frameworks compute the whole network, perhaps on a busy machine
_CODE_PROCESS = "c3dvis.networks.proof.code_process"


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
    shown: tuple[int, ...] = SIDE_BY_SIDE,
    held: Literal["middle", "zeros"] = "middle",
) -> NetworkInfo:
    """Add a network, or replace the one of that name.

    Args:
        name: lower-case letters, digits, dots, dashes and underscores.
        architecture: an ONNX file, a .keras file, a whole Keras model in .h5, or the .json of `model.to_json()`.
        weights: its weights in HDF5 of Keras 2 or 3, or a .keras file; None takes those in `architecture`.
        bounds: network input of black and of white: one number each, or one for each channel in RGB order.
        order: `RGB` or `BGR`, for a network of three channels.
        size: (frames, height, width) of a render; None takes the model's own, or 16×112×112 where it takes any.
        title: one line for people.
        licence: of the weights, for people.
        labels: a file with the names of its classes, one a line, in the order of its outputs.
        shown: of a network of more than three channels: three that are shown red, green and blue, or one in grey, or
            `SIDE_BY_SIDE`.
        held: what inputs beside the clip hold, where the model has several: the middle of the bounds, or zeros.

    Raises:
        InvalidSpec: a name, a size, bounds or labels that cannot be used.
        WeightsDamaged: the files cannot be read, do not fit each other, or contain a layer that is not known here.
    """
    request = {
        "architecture": architecture, "weights": weights, "bounds": bounds, "order": order, "size": size,
        "title": title, "licence": licence, "shown": shown, "held": held,
    }  # fmt: skip
    return _add(name, _PROCESS, request, architecture, labels)


def add_code(
    name: str,
    code: Path,
    function: str,
    weights: Path | None,
    bounds: tuple[tuple[float, ...], tuple[float, ...]],
    order: str = "RGB",
    size: tuple[int, int, int] | None = None,
    title: str = "",
    licence: str = "",
    labels: Path | None = None,
    shown: tuple[int, ...] = SIDE_BY_SIDE,
) -> NetworkInfo:
    """Add a network that a user's own code builds, or replace the one of that name. This runs the code.

    Args:
        code: a Python file that imports installed packages only. It is copied.
        function: of that file; takes nothing and returns a Keras model.
        weights: that the model's `load_weights` reads, or None.
        name, bounds, order, size, title, licence, labels, shown: as of `add`.

    Raises:
        InvalidSpec: a name, a size, bounds or labels that cannot be used; or a model that `from_keras` does not take.
        WeightsDamaged: the code does not build a model, or the weights do not fit it.
    """
    for path in filter(None, (code, weights)):
        if not path.is_file():
            raise InvalidSpec(f"There is no file {path}.")
    request = {
        "code": code, "function": function, "weights": weights, "bounds": bounds, "order": order, "size": size,
        "title": title, "licence": licence, "shown": shown,
    }  # fmt: skip
    return _add(name, _CODE_PROCESS, request, code, labels)


def _add(name: str, process: str, request: dict[str, Any], subject: Path, labels: Path | None) -> NetworkInfo:
    """Have a process write the network's files, check its description, and install them."""
    if not user_networks.NAME.fullmatch(name) or name in registry.NAMES:
        raise InvalidSpec(
            f"A network cannot be called {name[:80]!r}: expected lower-case letters, digits, '.', '-' and '_', at most "
            f"60, and not {' or '.join(registry.NAMES)}."
        )
    folder = weights_dir() / name
    runs_code = process == _CODE_PROCESS
    target = folder / f"{name}{'.zip' if runs_code else '.h5'}"
    new = [path for path in (folder, weights_dir()) if not path.exists()]
    try:
        with work_folder(target) as (work, install):
            child_process.ask(process, {"name": name, "folder": work, **request}, subject, None, _TIMEOUT)
            description = (work / user_networks.DESCRIPTION).read_bytes()
            try:  # a file that took over the process may have written it
                info = user_networks.from_dict(name, json.loads(description))
                if bool(info.code) != runs_code:
                    raise ValueError(f"it names code: {info.code!r}")
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise WeightsDamaged(f"{subject} describes a network that cannot be used: {error}.") from None
            if labels is not None:
                class_labels.check_labels(info, labels)
            install(work / target.name)
            write_whole(folder / user_networks.DESCRIPTION, description)
        if labels is not None:
            class_labels.store_labels(info, labels)
        return info
    finally:
        if new and not (folder / user_networks.DESCRIPTION).exists():
            shutil.rmtree(new[-1], ignore_errors=True)


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
