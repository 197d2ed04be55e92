"""From a weights file of any format to the one that the program keeps, and what there is to say of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.weights import provenance
from c3dvis.networks.weights.fetch.sources import sha256_of
from c3dvis.networks.weights.formats import kept_hdf5
from c3dvis.networks.weights.weights_file import WeightsFile, WeightsReport, open_weights

OnProgress = Callable[[int, int], None]


def inspect(path: Path, architecture: Architecture, size: tuple[int, int, int]) -> WeightsReport:
    """The report on a file whose every value has been read; doubts stand in it and raise nothing.

    Raises:
        WeightsDamaged: it cannot be what it should be.
    """
    weights = open_weights(path, architecture, size, trust=True)
    if weights.is_own:
        kept_hdf5.check_values(path, weights)  # they were finite when they were written
    else:
        weights.check_values()
    return weights.report


def convert(
    path: Path,
    target: Path,
    architecture: Architecture,
    size: tuple[int, int, int],
    dtype: str = "float32",
    trust: bool = False,
    on_progress: OnProgress | None = None,
    origin: dict[str, Any] | None = None,
) -> WeightsReport:
    """Writes a weights file in the program's own form, and its note beside it.

    Args:
        path: a file of any known format.
        target: the file to write.
        architecture: what it must fit.
        size: (frames, height, width) of the clip the dense layers were made for.
        dtype: `float32` or `float16`.
        trust: take a layout that the values speak against.
        on_progress: hears (layers done, layers in all).
        origin: more to note of where the file came from.

    Returns:
        What the file was found to be.

    Raises:
        WeightsDamaged: it is not what it should be.
        OutputFailed: the target cannot be written.
    """
    if target.exists() and target.samefile(path):
        raise WeightsDamaged(f"{path} would be overwritten while it is read. Write to another file.")
    weights = open_weights(path, architecture, size, trust)
    source = source_of(weights) | (origin or {})
    values = kept_hdf5.write(target, weights, source, dtype, on_progress)
    told = {name: text if isinstance(text, str) else json.dumps(text) for name, text in source.items()}
    provenance.write(
        target, provenance.Note(sha256_of(target), values, weights.report.parameters, weights.report.missing, told)
    )
    return weights.report


def source_of(weights: WeightsFile) -> dict[str, Any]:
    """What to note of the file that weights came from: of a file already of our own, what it notes itself."""
    report = weights.report
    if report.origin:
        return {name.removeprefix("source_"): text for name, text in report.origin.items()}
    return {
        "name": Path(report.path).name,
        "format": report.form,
        "layout": report.layout,
        "dtype": report.dtype,
        "sha256": report.sha256,
        "known": report.known or "",
    }
