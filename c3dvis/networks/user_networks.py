"""The users' own networks on this machine: a folder each, with `network.json` and a weights file in c3dvis's form.

`network.json` describes the network as data, in the canonical form of its operations. This module checks all of it when
it reads it, because a wrong value would affect cache keys and pages.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import OPERATIONS
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.graph.operations import Weighted
from c3dvis.networks.graph.traced import TracedArchitecture
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.settings import weights_dir

FORM = "c3dvis network 2"
_FORM_1 = "c3dvis network 1"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
DESCRIPTION = "network.json"
_MAX_BYTES = 16 << 20


def names() -> tuple[str, ...]:
    """The users' own networks, in alphabetical order."""
    try:
        folders = [path for path in weights_dir().iterdir() if (path / DESCRIPTION).is_file()]
    except OSError:
        return ()
    return tuple(sorted(path.name for path in folders if NAME.fullmatch(path.name)))


def find(name: str) -> NetworkInfo | None:
    """The user's network of that name, or None.

    Raises:
        WeightsDamaged: its description cannot be read.
    """
    if not NAME.fullmatch(name):
        return None
    path = weights_dir() / name / DESCRIPTION
    try:
        modified = path.stat().st_mtime_ns
    except OSError:
        return None
    return _read(path, modified)


@lru_cache(maxsize=64)
def _read(path: Path, modified_ns: int) -> NetworkInfo:
    """Read a description; its modification time is an argument so that a changed file is read again."""
    again = f"Add the network again: c3dvis networks add {path.parent.name}."
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")
        return from_dict(path.parent.name, json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsDamaged(f"{path} does not describe a network ({type(error).__name__}: {error}).", again) from None


def to_dict(info: NetworkInfo) -> dict[str, Any]:
    """The description of a network as plain values, for `network.json`."""
    return {
        "form": FORM,
        "title": info.title,
        "licence": info.licence,
        "source": info.source,
        "default_size": info.default_size,
        **({"trained_size": info.trained_size} if info.trained_size != info.default_size else {}),
        **info.domain.to_dict(),
        "operations": info.architecture.to_dict()["operations"],
        **({"code": info.code} if info.code else {}),
    }


def from_dict(name: str, described: Mapping[str, Any]) -> NetworkInfo:
    """The network that `to_dict` described, also after JSON.

    Raises:
        ValueError, TypeError, KeyError: it is not in the form that `to_dict` writes.
    """
    if described["form"] == _FORM_1:
        operations = [_from_form_1(values) for values in described["ops"]]
    elif described["form"] == FORM:
        operations = described["operations"]
    else:
        raise ValueError(f"expected the form {FORM!r}, received {described['form']!r}")
    size = _size(described["default_size"])
    domain = InputDomain.from_dict(described)
    code = str(described.get("code", ""))
    if code and not code.isidentifier():
        raise ValueError(f"expected the name of a function, received {code!r}")
    source = "--code FILE:FUNCTION" if code else "--architecture FILE"
    contents = {"name": name, "channels": domain.channels, "operations": operations}
    return NetworkInfo(
        name=name,
        title=str(described["title"]),
        licence=str(described["licence"]),
        source=str(described["source"]),
        architecture=TracedArchitecture.of(contents, size) if code else Architecture.from_dict(contents),
        domain=domain,
        default_size=size,
        weights_file=f"{name}.zip" if code else f"{name}.h5",
        weights_sha256=None,
        how_to_get=f"c3dvis networks add {name} {source} --weights FILE",
        code=code,
        trained_size=_size(described.get("trained_size", size)),
    )


def _size(described: Sequence[Any]) -> tuple[int, int, int]:
    sizes = tuple(int(value) for value in described)
    if len(sizes) != 3 or not all(1 <= value <= 1024 for value in sizes):
        raise ValueError(f"expected three sizes, received {sizes}")
    return sizes


def _from_form_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """An operation as version 0.1 described it, in the present form; it wrote every field for every kind."""
    kind = str({"transposed": "conv_transpose", "spread": "reshape_to_volume"}.get(values["kind"], values["kind"]))
    operation = OPERATIONS[kind]
    is_rectified = values["relu"] and issubclass(operation, Weighted)
    function = "relu" if is_rectified else values["activation"]
    renamed = {"kind": kind, "factors": values["strides"], "cuts": values["pads"]}
    activation = {"activation": {"function": function, "negative_slope": values["alpha"]}} if function else {}
    known = {"kind", *(each.name for each in fields(operation))} - {"activation"}
    return {name: value for name, value in {**values, **renamed}.items() if name in known} | activation
