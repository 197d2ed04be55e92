"""The users' own networks on this machine: each a folder with `network.json` and its weights in c3dvis's form.

The description is data: the operations of the graph by name, their sizes and their order. It is checked in full when
it is read, since whatever does not fit would end up in a cache key or in a page.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture, ops_from
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.info import NetworkInfo
from c3dvis.settings import weights_dir

FORM = "c3dvis network 1"
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
    """The description; its time is an argument so that a changed file is read anew."""
    again = f"Add the network again: c3dvis networks add {path.parent.name}."
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")
        return from_dict(path.parent.name, json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsDamaged(f"{path} does not describe a network ({type(error).__name__}: {error}). {again}") from None


def to_dict(info: NetworkInfo) -> dict[str, Any]:
    """The description of a network as plain values, for `network.json`."""
    return {
        "form": FORM,
        "title": info.title,
        "licence": info.licence,
        "source": info.source,
        "default_size": info.default_size,
        "low": info.domain.low,
        "high": info.domain.high,
        "order": info.domain.order,
        "ops": [asdict(op) for op in info.architecture.ops],
    }


def from_dict(name: str, described: Mapping[str, Any]) -> NetworkInfo:
    """The network that a description stands for.

    Raises:
        ValueError, TypeError, KeyError: it is not of the form that `to_dict` writes.
    """
    if described["form"] != FORM:
        raise ValueError(f"expected the form {FORM!r}, received {described['form']!r}")
    low, high = (tuple(float(value) for value in described[key]) for key in ("low", "high"))
    if not low or len(low) != len(high) or not all(a < b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"expected a lower and an upper bound for each channel, received {low} and {high}")
    size = tuple(int(value) for value in described["default_size"])
    if len(size) != 3 or not all(1 <= value <= 1024 for value in size):
        raise ValueError(f"expected three sizes, received {size}")
    return NetworkInfo(
        name=name,
        title=str(described["title"]),
        licence=str(described["licence"]),
        source=str(described["source"]),
        architecture=Architecture(name, ops_from(described["ops"]), channels=len(low)),
        domain=InputDomain(low, high, str(described["order"])),
        default_size=size,
        weights_file=f"{name}.h5",
        weights_sha256=None,
        how_to_get=f"c3dvis networks add {name} --architecture FILE --weights FILE",
    )
