"""Finds one file of one project on the package index that the user's pip is set up for.

pip itself would run the project's setup script to learn its metadata; only a file is wanted here, so the
index is read directly (PEP 503 and PEP 691). Which index that is, with which certificates, proxy and
timeout, is asked of pip, so that mirrors and closed networks work as they do for every other package.
"""

import ast
import base64
import importlib.util
import json
import netrc
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from c3dvis.errors import FetchFailed

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
MAX_PAGE = 32 << 20
UNREACHABLE = (OSError, ValueError, HTTPException)
"""What reading an address can raise: no network, a refusal, an address or a page that makes no sense."""


@dataclass(frozen=True)
class IndexSettings:
    """What pip knows of where packages are and how to reach them.

    Args:
        indexes: base addresses of simple indexes, in the order they are asked.
        find_links: folders, or addresses of pages with links, that are looked at first.
        cert: file or folder of certificates to trust, or None for the system's.
        proxy: address of a proxy, or None for what the environment says.
        trusted_hosts: hosts whose certificate is not checked (what is fetched is always checked by hash).
        timeout: seconds without a byte after which a connection has stalled.
    """

    indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    cert: str | None = None
    proxy: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    timeout: float = 30.0


@dataclass(frozen=True)
class Link:
    """A file offered by an index: its address, and its sha256 if the index states one."""

    url: str
    sha256: str | None


def settings_of_environment() -> IndexSettings:
    """For addresses that are no index's: certificates as the environment says; proxies are urllib's own affair."""
    return IndexSettings(cert=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"))


def settings_of_pip() -> IndexSettings:
    """The settings that `pip download` would use here, from its files and its environment variables.

    Raises:
        FetchFailed: there is no pip to ask, and no `PIP_INDEX_URL` either.
    """
    command = _pip_command()
    values = _pip_values(_run(command, "config", "list")) if command else _environment_values()
    no_index = values.get("no-index", "").lower() in ("1", "true", "yes", "on", "t", "y")
    indexes: tuple[str, ...] = ()
    if not no_index:
        main = values.get("index-url") or (_builtin_index(command) if command else None)
        if not main:
            raise FetchFailed(
                "Which package index to use is not known: there is no pip here, and PIP_INDEX_URL is not "
                "set. Install pip, set PIP_INDEX_URL, or pass the package's file with --file."
            )
        indexes = (main, *values.get("extra-index-url", "").split())
    timeout = values.get("timeout") or values.get("default-timeout") or ""
    environment_cert = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return IndexSettings(
        indexes=indexes,
        find_links=tuple(values.get("find-links", "").split()),
        cert=values.get("cert") or environment_cert or None,
        proxy=values.get("proxy") or None,
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        timeout=float(timeout) if re.fullmatch(r"\d+(\.\d+)?", timeout) else IndexSettings.timeout,
    )


def _pip_command() -> list[str] | None:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    return [found] if found else None


def _run(command: list[str], *arguments: str) -> str:
    # Wide, so that the help text does not break an address over two lines.
    environment = {**os.environ, "COLUMNS": "1000", "PIP_NO_COLOR": "1"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise FetchFailed(f"pip's settings cannot be read: `pip {' '.join(arguments)}` said: {said}")
    return done.stdout


def _pip_values(listing: str) -> dict[str, str]:
    """Options of `pip config list`; of the sections, the later wins: global, download, environment."""
    sections: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in listing.splitlines():
        key, _, quoted = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in sections:
            try:
                sections[section][name] = str(ast.literal_eval(quoted))
            except (ValueError, SyntaxError):
                continue
    return sections["global"] | sections["download"] | sections[":env:"]


def _environment_values() -> dict[str, str]:
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    }


def _builtin_index(command: list[str]) -> str | None:
    """The index that pip uses when nobody chose one; its help text states it."""
    found = re.search(r"--index-url.*?\(default\s+(\S+?)\)", _run(command, "download", "--help"), re.DOTALL)
    return found[1] if found else None


def links(package: str, file_name: str, settings: IndexSettings) -> tuple[list[Link], list[str]]:
    """Every place that offers `file_name` of `package`, in pip's order, and one note per place that does not.

    A place that cannot be reached becomes a note, since another may have the file.
    """
    project = re.sub(r"[-_.]+", "-", package).lower()
    places = [(place, False) for place in settings.find_links]
    places += [(f"{index.rstrip('/')}/{project}/", True) for index in settings.indexes]
    found: list[Link] = []
    notes: list[str] = []
    for place, is_index in places:
        try:
            offered = _links_at(place, settings)
        except UNREACHABLE as error:
            if is_index:
                notes.append(f"{public(place)}: {reason_of(error)}")
            continue
        matching = [link for link in offered if _same_file(link.url, file_name)]
        found += matching
        if not matching and is_index:
            notes.append(f"{public(place)}: it does not offer {file_name}")
    return found, notes


def open_url(url: str, settings: IndexSettings, accept: str = "*/*", headers: Mapping[str, str] | None = None) -> Any:
    """The open response of a `file:`, `http:` or `https:` address: a context manager that can be read."""
    parts = urlsplit(url)
    if parts.scheme not in ("file", "http", "https"):
        raise ValueError(f"expected a file, http or https address, received {public(url)}")
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))
    request.add_header("Accept", accept)
    request.add_header("Accept-Encoding", "identity")  # a server that packs a .tar.gz once more breaks its hash
    request.add_header("User-Agent", "c3dvis")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    if login := _login(parts):
        # Unredirected: where the server sends us on to may be somebody else's.
        token = base64.b64encode(f"{login[0]}:{login[1]}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    handlers: list[urllib.request.BaseHandler] = [
        _Redirects(),
        urllib.request.HTTPSHandler(context=_tls(settings, parts)),
    ]
    if settings.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": settings.proxy, "https": settings.proxy}))
    return urllib.request.build_opener(*handlers).open(request, timeout=settings.timeout)


def reason_of(error: BaseException) -> str:
    """Why a connection failed, in words, without the address's password."""
    reason = getattr(error, "reason", error)
    if isinstance(error, TimeoutError) or isinstance(reason, TimeoutError):
        return "the connection stalled"
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return f"the server answered {code} {reason}".rstrip()
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


def _login(parts: Any) -> tuple[str, str] | None:
    if parts.username is not None:
        return unquote(parts.username), unquote(parts.password or "")
    try:
        entry = netrc.netrc().authenticators(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return (entry[0], entry[2] or "") if entry else None


def _tls(settings: IndexSettings, parts: Any) -> ssl.SSLContext:
    if settings.cert:
        folder = Path(settings.cert).is_dir()
        context = ssl.create_default_context(
            capath=settings.cert if folder else None, cafile=None if folder else settings.cert
        )
    else:
        context = ssl.create_default_context()
        if importlib.util.find_spec("certifi"):  # a Python without certificates of its own, as on macOS
            import certifi

            context.load_verify_locations(certifi.where())
    if parts.hostname in settings.trusted_hosts or parts.netloc.rpartition("@")[2] in settings.trusted_hosts:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _links_at(place: str, settings: IndexSettings) -> list[Link]:
    local = _local_folder(place)
    if local and not (local / "index.html").is_file():
        return [Link(path.resolve().as_uri(), None) for path in local.iterdir() if path.is_file()]
    address = (local / "index.html").resolve().as_uri() if local else place
    with open_url(address, settings, ACCEPT) as response:
        page = response.read(MAX_PAGE)
        base = response.geturl()
        kind = response.headers.get_content_type()
    if kind == "application/vnd.pypi.simple.v1+json":
        try:
            offered = [(file["url"], file.get("hashes", {}).get("sha256")) for file in json.loads(page)["files"]]
        except (KeyError, TypeError, AttributeError):
            raise ValueError("the index's page is not what PEP 691 describes") from None
    else:
        parser = _Anchors()
        parser.feed(page.decode("utf-8", "replace"))
        base = urljoin(base, parser.base)
        offered = [_split_hash(address) for address in parser.addresses]
    result = []
    for address, sha256 in offered:
        url = _with_login(urljoin(base, address), place)
        if urlsplit(url).scheme in (("file", "http", "https") if local else ("http", "https")):
            result.append(Link(url, sha256))
    return result


def _local_folder(place: str) -> Path | None:
    """The folder that a `file:` address or a plain path stands for, or None for anything else."""
    parts = urlsplit(place)
    path = Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else Path(place)
    return path if path.is_dir() else None


def _with_login(url: str, place: str) -> str:
    """The link with the index's user name and password, if it is on the same host and has none."""
    link, index = urlsplit(url), urlsplit(place)
    if index.username is None or link.username is not None or link.hostname != index.hostname:
        return url
    return urlunsplit(link._replace(netloc=f"{index.netloc.rpartition('@')[0]}@{link.netloc}"))


def _split_hash(address: str) -> tuple[str, str | None]:
    url, fragment = urldefrag(address)
    found = re.search(r"sha256=([0-9a-fA-F]{64})", fragment)
    return url, found[1].lower() if found else None


def _same_file(url: str, file_name: str) -> bool:
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    return name.replace("-", "_").lower() == file_name.replace("-", "_").lower()


def public(url: str) -> str:
    """The address without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and shows the password again only to the host it belongs to."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if following and token and (following.type, following.host) == (req.type, req.host):
            following.add_unredirected_header("Authorization", token)
        return following


class _Anchors(HTMLParser):
    """Collects the addresses of a page's links, and its base."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if tag == "a" and address:
            self.addresses.append(address)
        elif tag == "base" and address and not self.base:
            self.base = address
