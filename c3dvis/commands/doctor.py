"""`c3dvis doctor`: checks that this machine has everything that a render needs."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from c3dvis.access.check import Check
from c3dvis.commands.console import Console
from c3dvis.errors import C3dvisError, WeightsMissing
from c3dvis.files import byte_size
from c3dvis.networks import registry
from c3dvis.networks.weights import obtain
from c3dvis.settings import cache_dir, scheduler_address
from c3dvis.spec import RenderSpec

_INSTALL = "Run `python -m pip install -r requirements.txt`."
PYTHONS = ((3, 11), (3, 13))
PACKAGES = (
    "authlib", "av", "cachetools", "diskcache", "distributed", "h5py", "httpx2", "imageio", "jinja2", "keras",
    "keras-vis", "matplotlib", "nibabel", "pydicom", "numpy", "onnx", "onnxruntime", "pillow", "prometheus-client",
    "protobuf", "psutil", "pydantic", "pypi-simple", "requests", "rich", "scipy", "starlette", "streamlit",
    "tensorflow", "tf-keras",
)  # fmt: skip
LOW_DISK = 1e9  # bytes


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Runs all checks, prints them, and returns 1 if a render would fail here, or a public server is open."""
    functions: dict[str, Callable[[], list[Check]]] = {
        "python": _python,
        "packages": _packages,
        "device": lambda: _device(console),
        "weights": _weights,
        "cache": _cache,
        "formats": _formats,
        "scheduler": _scheduler,
    }
    good, bad = "Everything a render needs is here.", "A render would fail here: see the lines marked ✗."
    if arguments.public:
        functions = {"public server": _public}
        good = "This server is closed to what visitors may not do."
        bad = "This server is open, or does not work for its visitors: see the lines marked ✗."
    checks: list[Check] = []
    for name, function in functions.items():
        try:
            checks += function()
        except C3dvisError as error:
            checks.append(Check(name, "problem", str(error)))
        except Exception as error:  # an unexpected error in one check must not hide the others
            checks.append(Check(name, "problem", f"{type(error).__name__}: {error}", "Report this."))
    sound = all(check.state != "problem" for check in checks)
    marks = {"ok": "✓", "note": "·", "problem": "✗"}
    lines = [
        f"{marks[check.state]} {check.name}: {check.detail}" + (f"\n    {check.advice}" if check.advice else "")
        for check in checks
    ]
    console.result({"ok": sound, "checks": [asdict(check) for check in checks]}, *lines, good if sound else bad)
    return 0 if sound else 1


def _public() -> list[Check]:
    from c3dvis.access.public_checks import public_checks  # imports Streamlit

    return public_checks()


def _python() -> list[Check]:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return [Check("python", "ok", detail)]
    return [Check("python", "problem", detail, "TensorFlow needs Python 3.11, 3.12 or 3.13.")]


def _packages() -> list[Check]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if not missing:
        return [Check("packages", "ok", ", ".join(found))]
    return [Check("packages", "problem", f"missing: {', '.join(missing)}", _INSTALL)]


def _device(console: Console) -> list[Check]:
    try:
        console.load_tensorflow()
    except ImportError as error:
        return [Check("device", "problem", f"TensorFlow does not load: {error}", _INSTALL)]
    from c3dvis.networks.compute.device import describe_device

    device = describe_device()
    if device["kind"] == "CPU" and (shutil.which("nvidia-smi") or Path("/dev/nvidia0").exists()):
        advice = 'Run `python -m pip install "tensorflow[and-cuda]" -c requirements.txt`.'
        detail = f"{device['device']}; there is an NVIDIA GPU that TensorFlow does not see"
        return [Check("device", "note", detail, advice)]
    return [Check("device", "ok", device["device"])]


def _weights() -> list[Check]:
    checks = []
    for name in registry.names():
        try:
            info = registry.describe(name)
            checks.append(Check(f"weights of {name}", "ok", f"{obtain.check(info)}, undamaged"))
        except WeightsMissing as error:
            needed = name == RenderSpec().network  # the weights of other networks are optional
            checks.append(Check(f"weights of {name}", "problem" if needed else "note", str(error)))
        except C3dvisError as error:
            checks.append(Check(f"weights of {name}", "problem", str(error)))
    return checks


def _cache() -> list[Check]:
    folder = cache_dir().absolute()
    probe = folder / f".doctor-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError as error:
        advice = "Renders work and are not kept. Choose a folder that can be written with C3DVIS_CACHE_DIR."
        return [Check("cache", "problem", f"{folder} cannot be written: {error.strerror}", advice)]
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {byte_size(free)} free"
    if free < LOW_DISK:
        return [Check("cache", "note", detail, "Make room, or choose another folder with C3DVIS_CACHE_DIR.")]
    return [Check("cache", "ok", detail)]


def _formats() -> list[Check]:
    from c3dvis import media

    clip = np.zeros((4, 16, 16, 3), np.uint8)
    broken = {}
    for fmt in media.FORMATS:
        try:
            media.encode(clip, fmt)
        except Exception as error:  # each library raises something else if a codec is missing
            broken[fmt] = f"{fmt} ({error})"
    if broken:
        advice = "Run `python -m pip install --force-reinstall av pillow -c requirements.txt`."
        return [Check("formats", "problem", f"cannot write {', '.join(broken.values())}", advice)]
    return [Check("formats", "ok", ", ".join(media.FORMATS))]


def _scheduler() -> list[Check]:
    address = scheduler_address()
    if not address:
        return []
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 8786), timeout=5):
            return [Check("scheduler", "ok", f"{address} answers")]
    except (OSError, ValueError) as error:
        advice = "Start it with `dask scheduler`, or unset C3DVIS_SCHEDULER to render on this machine."
        return [Check("scheduler", "problem", f"{address} does not answer: {error}", advice)]
