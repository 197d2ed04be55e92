"""The settings of the user's pip: which package index to use, with which certificates, proxy and timeout.

With them, downloads work behind mirrors and in closed networks as pip's do.
"""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from c3dvis.errors import FetchFailed
from c3dvis.networks.weights.fetch.http_settings import HttpSettings


@dataclass(frozen=True)
class PipSettings(HttpSettings):
    """Where pip looks for packages, and how it reaches servers.

    Args:
        indexes: base URLs of simple indexes, in the order in which they are asked.
        find_links: folders, or URLs of pages with links, that are looked at first.
    """

    indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()


def pip_settings() -> PipSettings:
    """The settings that `pip download` would use here, from its files and its environment variables.

    Raises:
        FetchFailed: there is no pip, and `PIP_INDEX_URL` is not set; or pip cannot read its settings.
    """
    command = _pip_command()
    values = _parse_listing(_run(command, "config", "list")) if command else _environment_values()
    no_index = values.get("no-index", "").lower() in ("1", "true", "yes", "on", "t", "y")
    indexes: tuple[str, ...] = ()
    if not no_index:
        main = values.get("index-url") or (_default_index(command) if command else None)
        if not main:
            raise FetchFailed(
                "Which package index to use is not known: there is no pip here, and PIP_INDEX_URL is not "
                "set. Install pip or set PIP_INDEX_URL.",
                "Or pass the package's file with --file.",
            )
        indexes = (main, *values.get("extra-index-url", "").split())
    timeout = values.get("timeout") or values.get("default-timeout") or ""
    return PipSettings(
        indexes=indexes,
        find_links=tuple(values.get("find-links", "").split()),
        cert=values.get("cert") or None,
        client_cert=values.get("client-cert") or None,
        proxy=values.get("proxy") or None,
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        timeout=float(timeout) if re.fullmatch(r"\d+(\.\d+)?", timeout) else PipSettings.timeout,
    )


def _pip_command() -> list[str] | None:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    return [found] if found else None


def _run(command: list[str], *arguments: str) -> str:
    # Wide, so that the help text does not break a URL over two lines.
    environment = {**os.environ, "COLUMNS": "1000", "PIP_NO_COLOR": "1"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise FetchFailed(f"pip's settings cannot be read: `pip {' '.join(arguments)}` said: {last_line}")
    return done.stdout


def _parse_listing(listing: str) -> dict[str, str]:
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


def _default_index(command: list[str]) -> str | None:
    """The index that pip uses when none is chosen; its help text states it."""
    found = re.search(r"--index-url.*?\(default\s+(\S+?)\)", _run(command, "download", "--help"), re.DOTALL)
    return found[1] if found else None
