"""`c3dvis doctor`: is everything here that a render needs?"""

import argparse
import importlib.metadata
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from c3dvis.commands.console import Say
from c3dvis.errors import C3dvisError, WeightsMissing
from c3dvis.networks import registry
from c3dvis.networks.weights import obtain
from c3dvis.settings import cache_dir, scheduler_address
from c3dvis.spec import RenderSpec

PYTHONS = ((3, 11), (3, 13))
PACKAGES = (
    "av", "cachetools", "diskcache", "distributed", "h5py", "imageio", "jinja2", "keras", "keras-vis", "numpy",
    "pillow", "protobuf", "pypi-simple", "requests", "rich", "scipy", "streamlit", "tensorflow", "tf-keras",
)  # fmt: skip
LOW_DISK = 1e9  # bytes


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what it is.
        state: `ok`, `note` (works, and could be better) or `problem` (a render would fail).
        detail: what was found.
        advice: what to do about it; empty when all is well.
    """

    name: str
    state: str
    detail: str
    advice: str = ""


def run(arguments: argparse.Namespace, say: Say) -> int:
    """Looks at everything, says what was found, and returns 1 if a render would fail here."""
    checks: dict[str, Callable[[], list[Finding]]] = {
        "python": _python,
        "packages": _packages,
        "device": lambda: _device(say),
        "weights": _weights,
        "cache": _cache,
        "formats": _formats,
        "scheduler": _scheduler,
    }
    findings: list[Finding] = []
    for name, check in checks.items():
        try:
            findings += check()
        except Exception as error:  # a doctor that dies of the illness names none
            findings.append(Finding(name, "problem", f"{type(error).__name__}: {error}", "Report this."))
    sound = all(finding.state != "problem" for finding in findings)
    marks = {"ok": "✓", "note": "·", "problem": "✗"}
    lines = [
        f"{marks[finding.state]} {finding.name}: {finding.detail}"
        + (f"\n    {finding.advice}" if finding.advice else "")
        for finding in findings
    ]
    last = "Everything a render needs is here." if sound else "A render would fail here: see the lines marked ✗."
    say.result({"ok": sound, "checks": [asdict(finding) for finding in findings]}, *lines, last)
    return 0 if sound else 1


def _python() -> list[Finding]:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return [Finding("python", "ok", detail)]
    return [Finding("python", "problem", detail, "TensorFlow needs Python 3.11, 3.12 or 3.13.")]


def _packages() -> list[Finding]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if not missing:
        return [Finding("packages", "ok", ", ".join(found))]
    advice = "Run `python -m pip install -r requirements.txt`."
    return [Finding("packages", "problem", f"missing: {', '.join(missing)}", advice)]


def _device(say: Say) -> list[Finding]:
    try:
        say.tensorflow()
    except ImportError as error:
        advice = "Run `python -m pip install -r requirements.txt`."
        return [Finding("device", "problem", f"TensorFlow does not load: {error}", advice)]
    from c3dvis.networks.compute.device import describe_device

    device = describe_device()
    if device["kind"] == "CPU" and (shutil.which("nvidia-smi") or Path("/dev/nvidia0").exists()):
        advice = 'Run `python -m pip install "tensorflow[and-cuda]" -c requirements.txt`.'
        detail = f"{device['device']}; there is an NVIDIA GPU that TensorFlow does not see"
        return [Finding("device", "note", detail, advice)]
    return [Finding("device", "ok", device["device"])]


def _weights() -> list[Finding]:
    findings = []
    for name in registry.names():
        try:
            info = registry.describe(name)
            findings.append(Finding(f"weights of {name}", "ok", f"{obtain.check(info)}, undamaged"))
        except WeightsMissing as error:
            needed = name == RenderSpec().network  # others are looked at by those who have them
            findings.append(Finding(f"weights of {name}", "problem" if needed else "note", str(error)))
        except C3dvisError as error:
            findings.append(Finding(f"weights of {name}", "problem", str(error)))
    return findings


def _cache() -> list[Finding]:
    folder = cache_dir().absolute()
    probe = folder / f".doctor-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError as error:
        advice = "Renders work and are not kept. Choose a folder that can be written with C3DVIS_CACHE_DIR."
        return [Finding("cache", "problem", f"{folder} cannot be written: {error.strerror}", advice)]
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LOW_DISK:
        return [Finding("cache", "note", detail, "Make room, or choose another folder with C3DVIS_CACHE_DIR.")]
    return [Finding("cache", "ok", detail)]


def _formats() -> list[Finding]:
    from c3dvis import media

    clip = np.zeros((4, 16, 16, 3), np.uint8)
    broken = {}
    for fmt in media.FORMATS:
        try:
            media.encode(clip, fmt)
        except Exception as error:  # what a codec that is not built in raises differs by library
            broken[fmt] = f"{fmt} ({error})"
    if broken:
        advice = "Run `python -m pip install --force-reinstall av pillow -c requirements.txt`."
        return [Finding("formats", "problem", f"cannot write {', '.join(broken.values())}", advice)]
    return [Finding("formats", "ok", ", ".join(media.FORMATS))]


def _scheduler() -> list[Finding]:
    address = scheduler_address()
    if not address:
        return []
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 8786), timeout=5):
            return [Finding("scheduler", "ok", f"{address} answers")]
    except (OSError, ValueError) as error:
        advice = "Start it with `dask scheduler`, or unset C3DVIS_SCHEDULER to render on this machine."
        return [Finding("scheduler", "problem", f"{address} does not answer: {error}", advice)]
