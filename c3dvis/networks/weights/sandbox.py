"""Inspects and converts a user's weights file in a process with limited memory, one process for each request."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.weights import child_process
from c3dvis.networks.weights.child_process import TIMEOUT
from c3dvis.networks.weights.conversion import convert, inspect
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.weights_file import WeightsReport


def inspect_in_sandbox(
    path: Path, architecture: Architecture, size: tuple[int, int, int], timeout: float = TIMEOUT
) -> WeightsReport:
    """`conversion.inspect` in a process with limited memory.

    Args:
        timeout: seconds without an answer after which the file is given up.

    Raises:
        WeightsDamaged: the file does not hold weights of this architecture, or crashes what reads it.
    """
    return _ask({"path": path, "architecture": architecture, "size": size}, None, timeout)


def convert_in_sandbox(
    path: Path,
    target: Path,
    architecture: Architecture,
    size: tuple[int, int, int],
    dtype: str = "float32",
    trust: bool = False,
    on_progress: OnProgress | None = None,
    origin: dict[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> WeightsReport:
    """`conversion.convert` in a process with limited memory.

    Args:
        timeout: seconds without progress after which the file is given up.

    Raises:
        WeightsDamaged: the file does not hold weights of this architecture, or crashes what reads it.
        OutputFailed: the target cannot be written.
    """
    request = {
        "path": path, "target": target, "architecture": architecture, "size": size, "dtype": dtype, "trust": trust,
        "origin": origin,
    }  # fmt: skip
    return _ask(request, on_progress, timeout)


def answer(request: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The report on a file, as JSON values; called in the child.

    Args:
        request: the arguments of `convert`, or those of `inspect` if it has no target.
        send: receives progress messages.
    """
    if "target" in request:
        return asdict(convert(**request, on_progress=lambda done, total: send({"progress": [done, total]})))
    return asdict(inspect(**request))


def _ask(request: dict[str, Any], on_progress: OnProgress | None, timeout: float) -> WeightsReport:
    report = child_process.ask("c3dvis.networks.weights.sandbox", request, request["path"], on_progress, timeout)
    return WeightsReport.from_dict(report)


if __name__ == "__main__":
    child_process.serve(answer, lambda request: request["path"])
