"""What is still open on a public server: the checks of `c3dvis doctor --public`, and those before it starts."""

import importlib.util
import ipaddress
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask.config
import psutil
import requests
import streamlit as st

from c3dvis.access.check import Check
from c3dvis.access.claims import issuer, provider_names, provider_section
from c3dvis.access.sign_in import auth_section
from c3dvis.access.visitors import is_listed
from c3dvis.errors import InvalidSettings
from c3dvis.server_settings import ServerSettings, server_settings
from c3dvis.settings import cache_dir, scheduler_address

_OPTIONS: dict[str, tuple[Any, str]] = {
    "server.enableXsrfProtection": (True, "other sites could act for a visitor, and nobody could sign in"),
    "server.enableCORS": (True, "other sites could open the server's socket"),
    "server.trustedUserHeaders": ({}, "whoever reaches the server without the proxy could be anybody"),
    "server.unsafeMetricsUserAttributes": ([], "the addresses of visitors would stand in Streamlit's metrics"),
    "server.enableAgentApi": (False, "programs could use the pages without a browser's checks"),
    "client.showErrorDetails": ("none", "visitors would see tracebacks"),
    "browser.gatherUsageStats": (False, "the browsers of visitors would report to Streamlit's makers"),
    "global.developmentMode": (False, "a message of a visitor could stop the server"),
}
"""Options of Streamlit that a public server has, and what another value would mean."""

_SHORTEST_SECRET = 32  # characters
LARGEST_UPLOAD = 501  # MB; the largest clip, and what a browser sends around it
_PROVIDER_SECONDS = 10
_ANYBODY = (
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "yahoo.com",
    "icloud.com",
    "proton.me",
    "gmx.de",
)
_DASK_CERTIFICATES = ("ca-file", "client.cert", "client.key")


def refuse_unsafe_options() -> None:
    """Refuse to start a public server with options of Streamlit that open it.

    Raises:
        InvalidSettings: names each option, and the value that is expected.
    """
    if problems := [check for check in options() if check.state == "problem"]:
        listed = " ".join(f"{check.name}: {check.detail}." for check in problems)
        raise InvalidSettings(f"This server is public, and Streamlit's options open it. {listed}")


def public_checks() -> list[Check]:
    """All checks of a public server, each by its name."""
    settings = server_settings()
    return [
        _mode(settings),
        _people(settings),
        *sign_in(auth_section(), settings.access.hosts),
        *providers(auth_section()),
        _hosts(settings),
        *options(),
        _uploads(),
        _address(),
        _dask(),
        _ports(),
        _store(),
    ]


def options() -> list[Check]:
    """A check of each option of Streamlit on which the safety of a public server depends."""
    checks = []
    for name, (expected, otherwise) in _OPTIONS.items():
        value = st.get_option(name)
        if value == expected or (not expected and not value):
            checks.append(Check(name, "ok", str(value)))
        else:
            detail = f"expected {expected}, received {value}; {otherwise}"
            checks.append(Check(name, "problem", detail, "Set it in .streamlit/config.toml, and nowhere else."))
    return checks


def sign_in(auth: Mapping[str, Any], hosts: list[str]) -> list[Check]:
    """A check of each setting of the sign-in; `auth` is the section of Streamlit's secrets."""
    if not auth:
        advice = "That is right if the server is to show what is stored; else add [auth], as docs/hosting.md says."
        return [Check("sign-in", "note", "nobody can sign in: there is no [auth] in .streamlit/secrets.toml", advice)]
    checks = []
    address = urlsplit(str(auth.get("redirect_uri", "")))
    local = address.hostname in ("localhost", "127.0.0.1")
    if not address.path.endswith("/oauth2callback") or not (address.scheme == "https" or local):
        detail = f"expected https://…/oauth2callback, received {address.geturl() or 'nothing'}"
        checks.append(Check("auth.redirect_uri", "problem", detail, "The provider leads visitors back to it."))
    elif address.hostname not in hosts and not local:
        advice = "The gate refuses hosts that are not in access.hosts of the settings file."
        checks.append(Check("auth.redirect_uri", "problem", f"{address.hostname} is not in access.hosts", advice))
    if len(str(auth.get("cookie_secret", ""))) < _SHORTEST_SECRET:
        advice = 'Run `python3 -c "import secrets; print(secrets.token_hex(32))"`.'
        checks.append(Check("auth.cookie_secret", "problem", f"shorter than {_SHORTEST_SECRET} characters", advice))
    names = provider_names(auth)
    if not names:
        checks.append(Check("auth.client_id", "problem", "no provider", "Register the server with a provider."))
    for name in names:
        section = provider_section(auth, name)
        checks += [
            Check(f"auth {name} {key}", "problem", "missing", "The provider gives one.")
            for key in ("client_id", "client_secret")
            if not section.get(key)
        ]
        metadata = urlsplit(str(section.get("server_metadata_url", "")))
        if metadata.scheme != "https" and metadata.hostname not in ("localhost", "127.0.0.1"):
            detail = f"expected https://…, received {metadata.geturl() or 'nothing'}"
            advice = "The keys that prove a sign-in come from it."
            checks.append(Check(f"auth {name} server_metadata_url", "problem", detail, advice))
    if not importlib.util.find_spec("authlib"):
        advice = "Run `python -m pip install -r requirements.txt`."
        checks.append(Check("authlib", "problem", "not installed", advice))
    for file in filter(Path.is_file, map(Path, st.get_option("secrets.files"))):
        if file.stat().st_mode & 0o077:
            checks.append(Check("secrets", "problem", f"others can read {file}", f"Run `chmod 600 {file}`."))
    return checks or [Check("sign-in", "ok", f"with {', '.join(names)}")]


def providers(auth: Mapping[str, Any]) -> list[Check]:
    """A check of each provider of the sign-in, which is asked for its metadata as Streamlit does."""
    checks = []
    for name in provider_names(auth):
        section, title = provider_section(auth, name), f"auth {name} provider"
        address, expected = str(section.get("server_metadata_url", "")), issuer(section)
        try:
            answer = requests.get(address, timeout=_PROVIDER_SECONDS)
            answer.raise_for_status()
            received = str(answer.json()["issuer"])
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            detail = f"{address} gives no metadata ({type(error).__name__}): nobody can sign in"
            checks.append(Check(title, "problem", detail, "server_metadata_url is the one that the provider tells."))
            continue
        if received.rstrip("/") == expected:
            checks.append(Check(title, "ok", f"{received} answers"))
        else:
            advice = f"Set server_metadata_url to {received.rstrip('/')}/.well-known/openid-configuration."
            detail = f"{expected} signs as {received}: its sign-ins would not count"
            checks.append(Check(title, "problem", detail, advice))
    return checks


def _mode(settings: ServerSettings) -> Check:
    if settings.mode == "public":
        return Check("mode", "ok", "public")
    advice = 'Write mode = "public" into c3dvis.toml; docs/hosting/c3dvis.toml is an example.'
    return Check("mode", "problem", "local: whoever opens the page may do everything", advice)


def _people(settings: ServerSettings) -> Check:
    members, operators = settings.access.members, settings.access.operators
    if open_to_all := [domain for domain in _ANYBODY if is_listed(f"anybody@{domain}", members)]:
        detail = f"anybody can have an address at {', '.join(open_to_all)}"
        return Check("access.members", "problem", detail, "Name the addresses one by one.")
    detail = f"{len(members)} addresses and domains may render, {len(operators)} addresses may do everything"
    if auth_section() and not (members or operators):
        return Check("access.members", "note", detail, "Name members or operators in the settings file.")
    return Check("access.members", "ok", detail)


def _hosts(settings: ServerSettings) -> Check:
    if settings.access.hosts:
        return Check("access.hosts", "ok", ", ".join(settings.access.hosts))
    advice = "Name the server's host in access.hosts of the settings file."
    return Check("access.hosts", "problem", "no host: only this machine can reach the page", advice)


def _uploads() -> Check:
    size = st.get_option("server.maxUploadSize")
    if size <= LARGEST_UPLOAD:
        return Check("server.maxUploadSize", "ok", f"{size} MB, of operators")
    advice = f"At most {LARGEST_UPLOAD} MB are needed, the size of the largest clip."
    return Check("server.maxUploadSize", "problem", f"{size} MB", advice)


def _address() -> Check:
    address, certificate = st.get_option("server.address"), st.get_option("server.sslCertFile")
    if certificate:
        return Check("server.address", "ok", "with TLS of its own")
    if address and _is_loopback(address):
        return Check("server.address", "ok", f"{address}: the page is reached through a proxy alone")
    advice = (
        'Set server.address = "127.0.0.1" if the proxy is on this machine; publish the port of a container on '
        "127.0.0.1 alone."
    )
    return Check("server.address", "note", f"{address or 'every address'}: the page answers without TLS too", advice)


def _dask() -> Check:
    address = scheduler_address()
    if not address:
        return Check("dask", "ok", "the workers of this machine, on 127.0.0.1")
    parts = urlsplit(address)
    if parts.scheme == "tls":
        missing = [name for name in _DASK_CERTIFICATES if not dask.config.get(f"distributed.comm.tls.{name}", None)]
        if not missing:
            return Check("dask", "ok", f"{address}, with certificates")
        advice = "Name the files in Dask's configuration, as docs/scaling.md says."
        return Check("dask", "problem", f"no distributed.comm.tls.{missing[0]} for {address}", advice)
    if _is_loopback(parts.hostname or ""):
        return Check("dask", "ok", f"{address}, on this machine")
    advice = "Use tls:// with certificates: whoever reaches a scheduler without them can run programs on its workers."
    return Check("dask", "problem", f"{address} is open to its network", advice)


def _ports() -> Check:
    """What the dashboard and the workers that run now listen on."""
    pages, workers = [], []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        ours = pages if _is_dashboard(command) else workers if "c3dvis.queue.worker_process" in command else None
        if ours is None:
            continue
        try:
            listening = [each.laddr for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
        except psutil.Error:  # it ended meanwhile, or is another user's
            continue
        ours.append([f"{at.ip}:{at.port}" for at in listening if not _is_loopback(at.ip)])
    if not pages:
        return Check("ports", "note", "no dashboard is running", "Start it, and run this again.")
    if found := [port for ports in workers for port in ports] + [p for ports in pages for p in ports[1:]]:
        advice = "Only the page may be reached from elsewhere. Report this."
        return Check("ports", "problem", f"workers listen on {', '.join(found)}", advice)
    return Check("ports", "ok", "nothing but the page listens beyond this machine")


def _store() -> Check:
    folder = cache_dir()
    if not folder.is_dir():
        return Check("store", "ok", f"{folder} is made when something is stored")
    if path := made_by_another(folder, folder.stat().st_uid):
        advice = (
            f"Run `chown -R --reference={folder} {folder}`, and c3dvis as that user: "
            "`runuser -u c3dvis -- .venv/bin/python -m c3dvis …`."
        )
        return Check("store", "problem", f"{path} is not of the user of {folder}, who cannot replace it", advice)
    return Check("store", "ok", f"{folder} is of one user")


def made_by_another(folder: Path, owner: int) -> Path | None:
    """A file or folder within a folder that is not of its owner (a user's number), or None.

    What root has stored, the dashboard cannot replace, nor read if root has made the folder of the results.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "lost+found"]  # the file system's own
        for path in (Path(place, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):  # it was moved meanwhile
                if path.lstat().st_uid != owner:
                    return path
    return None


def _is_dashboard(command: list[str]) -> bool:
    return "streamlit" in command and any(Path(part).name == "app.py" for part in command)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
