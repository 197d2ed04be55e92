"""The names of a network's classes: fetching the published list, and reading it."""

import re
import shutil
from pathlib import Path

from c3dvis.files import sha256_of
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights.fetch.address import fetch_address
from c3dvis.networks.weights.fetch.http_settings import HttpSettings
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.published_files import WEIGHTS_AT_URLS
from c3dvis.settings import weights_dir


def fetch_labels(
    info: NetworkInfo,
    on_progress: OnProgress | None = None,
    url: str | None = None,
    settings: HttpSettings | None = None,
) -> Path | None:
    """Makes sure that the class names of a network are here; None for a network without a published list.

    Raises:
        FetchFailed: they cannot be fetched, or the file is another one than the published list.
    """
    published = WEIGHTS_AT_URLS.get(info.name)
    if published is None:
        return None
    target = _path(info)
    if target.is_file() and sha256_of(target) == published.labels_sha256:
        return target
    return fetch_address(
        url or published.labels_url, target, shutil.copyfile, on_progress, published.labels_sha256, settings
    )


def read_labels(info: NetworkInfo) -> tuple[str, ...] | None:
    """The class names in the order of the network's outputs; None without them, or if their number is another."""
    try:
        lines = _path(info).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    names = tuple(re.sub(r"\s+", " ", line).strip() for line in lines if line.strip())
    scores = info.architecture.shapes(*info.default_size)[info.architecture.operations[-1].name]
    return names if len(names) == scores[-1] else None


def _path(info: NetworkInfo) -> Path:
    return weights_dir() / info.name / "labels.txt"
