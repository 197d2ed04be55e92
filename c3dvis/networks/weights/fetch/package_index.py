"""Finds one file of one project on the package indexes and in the folders that pip is configured for.

`pip download` would run the project's setup script to get its metadata. Only one file is needed here, so this module
reads the pages of the index with pypi-simple (PEP 503 and PEP 691).
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from packaging.utils import canonicalize_name
from pypi_simple import ACCEPT_ANY, DistributionPackage, Link, ProjectPage, UnsupportedRepoVersionError

from c3dvis.networks.weights.fetch.http_client import UNREACHABLE, content_type, open_url, reason_of, without_login
from c3dvis.networks.weights.fetch.pip_settings import PipSettings

MAX_PAGE = 32 << 20
"""Bytes of an index page that are read at most."""


def find_file(project: str, file_name: str, settings: PipSettings) -> tuple[list[DistributionPackage], list[str]]:
    """Every place that offers a file of a project, in pip's order.

    Returns:
        The offers, and one sentence for each index that has none. An index that cannot be reached raises nothing,
        since another one may have the file.
    """
    places = [(place, False) for place in settings.find_links]
    places += [(f"{index.rstrip('/')}/{canonicalize_name(project)}/", True) for index in settings.indexes]
    found: list[DistributionPackage] = []
    problems: list[str] = []
    for place, is_index in places:
        try:
            offers = [package for package in _packages(place, project, settings) if _has_name(package, file_name)]
            problem = None if offers else f"it does not offer {file_name}"
        except UNREACHABLE as error:
            offers, problem = [], reason_of(error)
        found += offers
        if problem and is_index:
            problems.append(f"{without_login(place)}: {problem}")
    return found, problems


def _packages(place: str, project: str, settings: PipSettings) -> Iterator[DistributionPackage]:
    """The files that a folder, an HTML file or an index page offers."""
    local = _local_path(place)
    if local is None:
        with open_url(place, settings, ACCEPT_ANY) as response:
            page = next(response.iter_content(MAX_PAGE), b"")
        for package in _parse(page, response.url, project, content_type(response)):
            if urlsplit(package.url).scheme in ("http", "https"):
                yield replace(package, url=_with_login(package.url, place))
        return
    file = local / "index.html" if local.is_dir() else local
    if file.is_file():
        yield from _parse(file.read_bytes(), file.resolve().as_uri(), project)
    else:
        for path in local.iterdir():
            yield DistributionPackage.from_link(Link(path.name, path.resolve().as_uri(), {}), project)


def _parse(page: bytes, url: str, project: str, kind: str = "text/html") -> list[DistributionPackage]:
    try:
        if kind == "application/vnd.pypi.simple.v1+json":
            return ProjectPage.from_json_data(json.loads(page), url).packages
        return ProjectPage.from_html(project, page, url).packages
    except (ValueError, UnsupportedRepoVersionError):
        raise ValueError("the index's page is not what PEP 503 and PEP 691 describe") from None


def _local_path(place: str) -> Path | None:
    """The folder or file that a `file:` URL or a plain path stands for; None for another URL."""
    parts = urlsplit(place)
    path = Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(place)
    return path if parts.scheme == "file" or path.exists() else None


def _with_login(url: str, place: str) -> str:
    """A link with the user name and password of its index, if it is on the same host and has none."""
    link, index = urlsplit(url), urlsplit(place)
    if index.username is None or link.username is not None or link.hostname != index.hostname:
        return url
    return urlunsplit(link._replace(netloc=f"{index.netloc.rpartition('@')[0]}@{link.netloc}"))


def _has_name(package: DistributionPackage, file_name: str) -> bool:
    name = unquote(urlsplit(package.url).path).rpartition("/")[2]
    return name.replace("-", "_").lower() == file_name.replace("-", "_").lower()
