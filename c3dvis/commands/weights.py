"""`c3dvis weights fetch`, `check` and `convert`."""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from c3dvis.commands.console import Console, table
from c3dvis.errors import FetchFailed, OutputFailed, WeightsDamaged, WeightsMissing
from c3dvis.files import byte_size, move_into_place, sha256_of
from c3dvis.networks import registry
from c3dvis.networks.registry import NetworkInfo
from c3dvis.networks.weights import class_labels, obtain
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS, WEIGHTS_AT_URLS
from c3dvis.networks.weights.sandbox import convert_in_sandbox
from c3dvis.networks.weights.weights_file import WeightsReport

_MARKS = {"ok": "✓", "unknown": "·", "wrong": "✗"}


def fetch_command(arguments: argparse.Namespace, console: Console) -> int:
    """Installs a network's weights: fetched, or converted from the user's file."""
    info = registry.describe(arguments.network)
    console.note(f"{info.title}. Licence of the weights: {info.licence}.")
    if arguments.file is not None:
        with console.progress(f"Reading {arguments.file.name}", unit="layers") as bar:
            path = obtain.install(info, arguments.file, bar.update, arguments.trust)
    else:
        accepted = info.name not in WEIGHTS_AT_URLS or _accepted(info, arguments.accept_licence, console)
        with console.progress(f"Fetching {info.name}", in_bytes=True) as bar:
            path = obtain.obtain(info, bar.update, arguments.url, accepted, arguments.sha256)
        _fetch_labels(info, arguments.labels_url, console)
    _print_installed(path, info, console)
    return 0


def _accepted(info: NetworkInfo, by_flag: bool, console: Console) -> bool:
    """Whether the user accepts the terms of a network's weights, by flag or when asked."""
    console.note(WEIGHTS_AT_URLS[info.name].terms)
    if by_flag or console.json or not sys.stdin.isatty():
        return by_flag
    return console.ask("Do you accept these terms? [y/N] ").strip().lower() in ("y", "yes")


def _fetch_labels(info: NetworkInfo, url: str | None, console: Console) -> None:
    """Fetches the class names; without them the output shows numbers of classes, so an error is only a warning."""
    try:
        with console.progress(f"Fetching the class names of {info.name}", in_bytes=True) as bar:
            path = class_labels.fetch_labels(info, bar.update, url)
        if path:
            console.note(f"Class names: {path}; {WEIGHTS_AT_URLS[info.name].labels_terms}.")
    except FetchFailed as error:
        console.warning(f"The class names are missing: {error}")


def check_command(arguments: argparse.Namespace, console: Console) -> int:
    """Checks the installed weights of a network, or any weights file, and prints the report."""
    target = arguments.target
    if target in registry.names() and not Path(target).is_file():
        info = registry.describe(target)
        path = obtain.check(info)
        if info.name in PACKAGED_WEIGHTS or info.code:
            _print_installed(path, info, console)
            return 0
    else:
        info, path = registry.describe(arguments.network), Path(target)
        if not path.exists():
            raise WeightsMissing(
                f"{target[:200]} is neither a network nor a file: expected one of {', '.join(registry.names())}, or "
                "the path of a weights file."
            )
    report = obtain.inspect(info, path)
    _print(report, info, console)
    return WeightsDamaged.exit_code if report.doubts else 0


def convert_command(arguments: argparse.Namespace, console: Console) -> int:
    """Converts a weights file of any known format to the format that the program uses."""
    info = registry.describe(arguments.network)
    target: Path = arguments.output
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".converting-", dir=target.parent) as folder,
            console.progress(f"Converting {arguments.file.name}", unit="layers") as bar,
        ):
            finished = Path(folder) / target.name
            report = convert_in_sandbox(
                arguments.file,
                finished,
                info.architecture,
                info.trained_size,
                arguments.dtype,
                arguments.trust,
                bar.update,
            )
            move_into_place(finished, target)  # its provenance stays behind: it is for the weights folder
    except OSError as error:
        raise OutputFailed(f"{target} cannot be written: {error.strerror or error}.") from None
    size = target.stat().st_size
    console.result(
        {**asdict(report), "output": str(target), "output_bytes": size, "output_dtype": arguments.dtype},
        f"{arguments.file} ({report.form}) is now {target}: {report.parameters:,} parameters, {arguments.dtype}, "
        f"{byte_size(size)}.",
    )
    return 0


def _print(report: WeightsReport, info: NetworkInfo, console: Console) -> None:
    values = asdict(report) | {"network": info.name, "sound": not report.doubts}
    shapes = info.architecture.shapes(*info.trained_size)
    rows = [(name, str(shape), f"({shapes[name][-1]},)") for name, shape in report.layers.items()]
    origin = report.origin.items()
    lines = [
        f"{report.path}",
        f"  format      {report.form}" + (f" ({report.known})" if report.known else ""),
        f"  layout      {report.layout}",
        f"  dtype       {report.dtype}",
        f"  parameters  {report.parameters:,} in {len(report.layers)} layers, every value finite",
        f"  size        {byte_size(report.size)}",
        f"  SHA-256     {report.sha256}",
        *(f"  {name.removeprefix('source_'):<11} {text}  (of its source)" for name, text in origin if text),
        *(f"{_MARKS[finding.verdict]} {finding.what}: {finding.detail}" for finding in report.findings),
    ]  # fmt: skip
    if report.missing:
        lines.append(f"· It lacks {', '.join(report.missing)}: the other layers can be visualised.")
    last = (
        f"It does not look like weights of {info.name} laid out so: see the lines marked ✗."
        if report.doubts
        else f"It fits {info.name}."
    )
    console.result(values, *lines, table("", ("layer", "kernel as stored", "bias"), rows), last)


def _print_installed(path: Path, info: NetworkInfo, console: Console) -> None:
    digest, size = sha256_of(path), path.stat().st_size
    console.result(
        {
            "network": info.name,
            "path": str(path),
            "bytes": size,
            "sha256": digest,
            "source": info.source,
            "licence": info.licence,
        },
        f"{info.name}: the weights are at {path} and sound ({byte_size(size)}, sha256 {digest[:16]}…).",
    )
