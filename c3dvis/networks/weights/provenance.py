"""What is noted beside a weights file of c3dvis's own: where it came from, and the hashes it was written with.

The page tells of weights, and cache keys are made of them, without the file being opened as anything but bytes.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from c3dvis.networks.weights.fetch.sources import sha256_of


@dataclass(frozen=True)
class Note:
    """A weights file's note.

    Attributes:
        file_sha256: of the file.
        values_sha256: of its values: the same whatever format they came in.
        parameters: how many numbers it holds.
        missing: layers that it lacks.
        source: what it was made from: name, format, layout, dtype, sha256, url if it was fetched.
    """

    file_sha256: str
    values_sha256: str
    parameters: int
    missing: tuple[str, ...] = ()
    source: dict[str, str] = field(default_factory=dict)


def write(weights: Path, note: Note) -> None:
    """Notes it beside a weights file; what was noted before is replaced at once."""
    path = _path(weights)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(asdict(note)), "utf-8")
    fresh.replace(path)


def read(weights: Path) -> Note | None:
    """What is noted of a weights file, or None."""
    try:
        values = json.loads(_path(weights).read_text("utf-8"))
        return Note(**values | {"missing": tuple(values["missing"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def digest(weights: Path) -> tuple[str, bool]:
    """What identifies the values of a weights file, and whether the file is as it was noted.

    Raises:
        OSError: it cannot be read.
    """
    stat = weights.stat()
    found, noted = _sha256(weights, stat.st_size, stat.st_mtime_ns), read(weights)
    if noted and noted.file_sha256 == found:
        return noted.values_sha256, True
    return found, False


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified_ns: int) -> str:
    """Hash of a file; its size and time are arguments so that a changed file is hashed anew."""
    return sha256_of(path)


def _path(weights: Path) -> Path:
    return weights.with_name(f"{weights.name}.json")
