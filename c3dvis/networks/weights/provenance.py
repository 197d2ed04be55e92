"""The provenance of a weights file in c3dvis's format: where it came from, and the hashes it was written with.

It is stored beside the weights file, so that the dashboard can show it, and cache keys can be computed, without reading
the file's arrays.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from c3dvis.files import sha256_of, write_whole
from c3dvis.networks.weights.proof import UNKNOWN, Proof


@dataclass(frozen=True)
class Provenance:
    """Where a weights file came from.

    Attributes:
        file_sha256: hash of the file.
        values_sha256: hash of its values, which is the same whatever format they came in.
        parameters: number of parameters in the file.
        missing: layers without weights in the file.
        source: the file it was made from: name, format, layout, dtype, sha256, and url if it was fetched.
        proof: whether the framework that the network comes from computes the same.
        left_out: what of a model could not be translated, and why; empty where all of it was.
        held: which inputs beside the clip hold what; empty where there is none.
    """

    file_sha256: str
    values_sha256: str
    parameters: int
    missing: tuple[str, ...] = ()
    source: dict[str, str] = field(default_factory=dict)
    proof: Proof = UNKNOWN
    left_out: str = ""
    held: str = ""


def write(weights: Path, provenance: Provenance) -> None:
    """Stores the provenance of a weights file beside it.

    Raises:
        OutputFailed: it cannot be written.
    """
    write_whole(_path(weights), json.dumps(asdict(provenance)).encode())


def read(weights: Path) -> Provenance | None:
    """The provenance of a weights file, or None if there is none that can be read."""
    try:
        values = json.loads(_path(weights).read_text("utf-8"))
        proof = Proof(**values["proof"]) if "proof" in values else UNKNOWN
        return Provenance(**values | {"missing": tuple(values["missing"]), "proof": proof})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def digest(weights: Path) -> tuple[str, bool]:
    """The hash that identifies the weights, and whether the file is the one that its provenance describes.

    Returns:
        The hash of the values if the provenance describes this file, else the hash of the file.

    Raises:
        OSError: the file cannot be read.
    """
    stat = weights.stat()
    file_sha256, stored = _sha256(weights, stat.st_size, stat.st_mtime_ns), read(weights)
    if stored and stored.file_sha256 == file_sha256:
        return stored.values_sha256, True
    return file_sha256, False


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified_ns: int) -> str:
    """Hash of a file; size and modification time are arguments so that a changed file is hashed again."""
    return sha256_of(path)


def _path(weights: Path) -> Path:
    return weights.with_name(f"{weights.name}.json")
