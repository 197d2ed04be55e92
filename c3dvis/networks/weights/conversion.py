"""Inspects a weights file of any known format, and converts it to c3dvis's HDF5 format."""

from pathlib import Path

from c3dvis.errors import WeightsDamaged
from c3dvis.files import sha256_of
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.weights import provenance
from c3dvis.networks.weights.formats import c3dvis_hdf5
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.proof import Proof
from c3dvis.networks.weights.weights_file import WeightsFile, WeightsReport, open_weights

_VERDICTS = {"ok": "confirmed", "unknown": "assumed", "wrong": "contradicted"}


def inspect(path: Path, architecture: Architecture, size: tuple[int, int, int]) -> WeightsReport:
    """The report on a file, after every value of it has been read.

    An implausible layout is in the report and raises nothing.

    Raises:
        WeightsDamaged: the file does not hold weights of this architecture.
    """
    weights = open_weights(path, architecture, size, trust=True)
    if weights.is_c3dvis_format:
        c3dvis_hdf5.check_values(path, weights)  # they were finite when they were written
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
    origin: dict[str, str] | None = None,
) -> WeightsReport:
    """Writes a weights file in c3dvis's format, and its provenance beside it.

    Args:
        path: a file of any known format.
        target: the file to write.
        architecture: the network that the weights belong to.
        size: (frames, height, width) of the clip that the dense layers were made for.
        dtype: `float32` or `float16`.
        trust: accept a layout that the values contradict.
        on_progress: receives the layers done and in total.
        origin: more to store about where the file came from.

    Returns:
        The report on `path`.

    Raises:
        WeightsDamaged: `path` does not hold weights of this architecture.
        OutputFailed: the target cannot be written.
    """
    if target.exists() and target.samefile(path):
        raise WeightsDamaged(f"{path} would be overwritten while it is read. Write to another file.")
    weights = open_weights(path, architecture, size, trust)
    source = source_of(weights) | (origin or {})
    values_sha256 = c3dvis_hdf5.write(target, weights, source, dtype, on_progress)
    report = weights.report
    record = provenance.Provenance(
        sha256_of(target), values_sha256, report.parameters, report.missing, source, _proof(report)
    )
    provenance.write(target, record)
    return report


def _proof(report: WeightsReport) -> Proof:
    """What is known of weights that come without a model: the evidence for their layout."""
    evidence = ", ".join(f"{finding.what} {_VERDICTS[finding.verdict]}" for finding in report.findings)
    return Proof(False, f"weights alone, which no framework runs; evidence for their layout: {evidence or 'none'}")


def source_of(weights: WeightsFile) -> dict[str, str]:
    """What to store about the file that weights come from; for a file in c3dvis's format, the source of that file."""
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
