"""The names of a network's classes: those that come with the program, the published list, and the user's own."""

import importlib.resources
import shutil
from functools import lru_cache
from pathlib import Path

from c3dvis.errors import InvalidSpec
from c3dvis.files import sha256_of, write_whole
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights.fetch.address import fetch_address
from c3dvis.networks.weights.fetch.http_settings import HttpSettings
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.published_files import WEIGHTS_AT_URLS
from c3dvis.settings import weights_dir

_MAX_BYTES = 1 << 20
_MAX_CHARACTERS = 100


def fetch_labels(
    info: NetworkInfo,
    on_progress: OnProgress | None = None,
    url: str | None = None,
    settings: HttpSettings | None = None,
) -> Path | None:
    """Makes sure that the class names of a network are here; None for a network without a published list.

    Names that the user brought are kept.

    Raises:
        FetchFailed: they cannot be fetched, or the file is another one than the published list.
    """
    published = WEIGHTS_AT_URLS.get(info.name)
    if published is None:
        return None
    target = labels_path(info)
    if target.is_file() and (sha256_of(target) == published.labels_sha256 or read_labels(info)):
        return target
    return fetch_address(
        url or published.labels_url, target, shutil.copyfile, on_progress, published.labels_sha256, settings
    )


def read_labels(info: NetworkInfo) -> tuple[str, ...] | None:
    """The class names in the order of the network's outputs; None without them, or if their number is another.

    A list on this machine goes before the one that comes with the program. The names come from outside: whoever shows
    them has to show them as plain text.
    """
    path = labels_path(info)
    try:
        names = _read(path, path.stat().st_mtime_ns)
    except OSError:
        names = _packaged(info.name)
    return names if names and len(names) == num_classes(info) else None


def store_labels(info: NetworkInfo, file: Path) -> tuple[str, ...]:
    """Gives a network the class names of a file, one a line, in the order of its outputs.

    Raises:
        InvalidSpec: the file cannot be read, or does not have one name for each class.
        OutputFailed: the names cannot be stored.
    """
    names = check_labels(info, file)
    labels_path(info).parent.mkdir(parents=True, exist_ok=True)
    write_whole(labels_path(info), "".join(f"{name}\n" for name in names).encode())
    return names


def check_labels(info: NetworkInfo, file: Path) -> tuple[str, ...]:
    """The class names of a file, if it has one for each class of a network.

    Raises:
        InvalidSpec: the file cannot be read, or does not have one name for each class.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it is larger than {_MAX_BYTES:,} bytes")
        names = _names(file.read_text("utf-8-sig"))
    except OSError as error:
        raise InvalidSpec(f"The class names {file} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # also text that is not UTF-8
        raise InvalidSpec(f"{file} is no list of class names, one a line, in UTF-8: {error}.") from None
    if len(names) != num_classes(info):
        raise InvalidSpec(
            f"{file} does not fit {info.name}: expected {num_classes(info)} class names, one a line, in the order of "
            f"the outputs of {info.layers[-1]}; received {len(names)}."
        )
    return names


def num_classes(info: NetworkInfo) -> int:
    """Number of outputs of a network's last layer, where class scores are read."""
    return info.architecture.shapes(*info.trained_size)[info.layers[-1]][-1]


def labels_path(info: NetworkInfo) -> Path:
    """Where a network's class names are on this machine, whether they are there or not."""
    return weights_dir() / info.name / "labels.txt"


@lru_cache(maxsize=64)
def _read(path: Path, modified_ns: int) -> tuple[str, ...] | None:
    """The names in a file; its modification time is an argument so that a changed file is read again."""
    try:
        return _names(path.read_text("utf-8"))
    except UnicodeDecodeError:
        return None


@lru_cache
def _packaged(network: str) -> tuple[str, ...] | None:
    """The class names that come with the program."""
    file = importlib.resources.files("c3dvis.networks.weights") / "labels" / f"{network}.txt"
    return _names(file.read_text("utf-8")) if file.is_file() else None


def _names(text: str) -> tuple[str, ...]:
    """The names in the lines of a text: without blank lines, control characters and spaces beyond one."""
    printable = ("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines())
    return tuple(" ".join(line.split())[:_MAX_CHARACTERS] for line in printable if not line.isspace() and line)
