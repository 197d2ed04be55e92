"""`open_weights`: a weights file of any known format, checked, as the kernels and biases of a network.

The format is detected from the first bytes of the file, `layer_matching.py` matches arrays to layers, and the layout is
inferred from shapes and values. No code in a file is run, and no array is read that does not fit the architecture.
"""

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.files import CHUNK
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.graph.operations import Conv, Dense, Dropout, Flatten, Weighted
from c3dvis.networks.weights import layout_evidence
from c3dvis.networks.weights.formats import caffe, hdf5, npz, safetensors, torch_state_dict
from c3dvis.networks.weights.formats.other_formats import refuse_unread_weights
from c3dvis.networks.weights.formats.stored_arrays import Contents, StoredArray, refuse_unreadable
from c3dvis.networks.weights.layer_matching import match_layers, refuse_normalisations
from c3dvis.networks.weights.layout import TENSORFLOW, Layout, infer, stored_orders, stored_shape
from c3dvis.networks.weights.layout_evidence import LayoutFinding
from c3dvis.networks.weights.published_files import KNOWN_MD5, KNOWN_SHA256

KernelAndBias = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class WeightsReport:
    """Format, layout and contents of a weights file.

    Attributes:
        path: path of the file.
        form: file format, as text.
        layout: layout of the kernels, as text.
        dtype: types of the arrays, joined by `, `.
        parameters: number of the network's parameters in the file.
        size: bytes of the file.
        sha256: hash of the file.
        known: the published file with the same hash, if there is one.
        layers: layers with weights in the file, and the shapes of their kernels in the layout of the file.
        missing: layers without weights in the file.
        findings: evidence for and against the layout.
        origin: the source of a file in c3dvis's format; empty for other formats.
    """

    path: str
    form: str
    layout: str
    dtype: str
    parameters: int
    size: int
    sha256: str
    known: str | None
    layers: dict[str, tuple[int, ...]]
    missing: tuple[str, ...]
    findings: tuple[LayoutFinding, ...]
    origin: dict[str, str]

    @property
    def doubts(self) -> tuple[LayoutFinding, ...]:
        """Evidence against the layout."""
        return tuple(finding for finding in self.findings if finding.verdict == "wrong")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "WeightsReport":
        """The report that `dataclasses.asdict` converted to values, also after JSON."""
        layers = {name: tuple(shape) for name, shape in values["layers"].items()}
        findings = tuple(LayoutFinding(**finding) for finding in values["findings"])
        return cls(**values | {"layers": layers, "findings": findings, "missing": tuple(values["missing"])})


class WeightsFile(Mapping[str, KernelAndBias]):
    """Kernel and bias of each layer in a file, in TensorFlow's layout and float32; each is read on access.

    Attributes:
        findings: evidence for and against the layout.
        is_c3dvis_format: whether the file is in the format that c3dvis writes.
    """

    def __init__(self, path: Path, architecture: Architecture, size: tuple[int, int, int]) -> None:
        self.path = path
        self._shapes = architecture.shapes(*size)
        self._architecture = architecture
        contents = read_contents(path)
        self._found = match_layers(path, contents, architecture, self._shapes)
        refuse_normalisations(path, contents, [array for pair in self._found.values() for array in pair])
        self.is_c3dvis_format = contents.attributes is not None
        self._layout = TENSORFLOW if self.is_c3dvis_format else self._infer_layout(contents)
        self.findings = () if self.is_c3dvis_format else self._check_layout(contents)
        self._form, self._attributes = contents.form, contents.attributes or {}

    @cached_property
    def report(self) -> WeightsReport:
        """The report on the file, which is read once more for its hashes."""
        arrays = [array for pair in self._found.values() for array in pair]
        # of some published files, only the MD5 is known
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
        by_sha256 = (text for digits, text in KNOWN_SHA256.items() if sha256.hexdigest().startswith(digits))
        return WeightsReport(
            path=str(self.path),
            form=self._form,
            layout=str(self._layout),
            dtype=", ".join(sorted({str(array.dtype) for array in arrays})),
            parameters=sum(array.size for array in arrays),
            size=self.path.stat().st_size,
            sha256=sha256.hexdigest(),
            known=KNOWN_MD5.get(md5.hexdigest()) or next(by_sha256, None),
            layers={name: kernel.shape for name, (kernel, _) in self._found.items()},
            missing=tuple(
                op.name
                for op in self._architecture.operations
                if isinstance(op, Weighted) and op.name not in self._found
            ),
            findings=self.findings,
            origin={name: text for name, text in self._attributes.items() if name.startswith("source")},
        )

    def __getitem__(self, name: str) -> KernelAndBias:
        kernel, bias = self._found[name]
        op = self._architecture.by_name[name]
        return self._layout.to_tensorflow(op, self._read(kernel), self._volume(op)), self._read(bias).astype(np.float32)

    def __contains__(self, name: object) -> bool:
        return name in self._found  # Mapping would read the arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def check_values(self) -> None:
        """Reads every value once.

        Raises:
            WeightsDamaged: a value cannot be read, or is not finite.
        """
        for pair in self._found.values():
            for array in pair:
                self._read(array)

    def _read(self, array: StoredArray) -> np.ndarray:
        values = array.read()
        if values.shape != array.shape:
            raise WeightsDamaged(f"{self.path} holds {values.shape} at {array.name}; expected {array.shape}.")
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32, copy=False)).all()
        if not finite:
            raise WeightsDamaged(
                f"{self.path} holds values at {array.name} that are not finite. Use another copy of it."
            )
        return values

    def _volume(self, op: Operation) -> tuple[int, ...] | None:
        """Shape (t, h, w, channels) of the volume that is flattened right before a dense layer; else None."""
        source = self._architecture.by_name.get(op.inputs[0])
        while isinstance(source, Dropout):
            source = self._architecture.by_name.get(source.inputs[0])
        if not isinstance(op, Dense) or not isinstance(source, Flatten):
            return None
        volume = self._shapes[source.inputs[0]]
        return volume if len(volume) == 4 else None

    def _infer_layout(self, contents: Contents) -> Layout:
        orders: dict[str, set[str]] = {}
        for name, (kernel, _) in self._found.items():
            op = self._architecture.by_name[name]
            assert isinstance(op, Weighted)
            inputs = self._shapes[op.inputs[0]][-1]
            orders[name] = {order for order in stored_orders(op) if stored_shape(op, inputs, order) == kernel.shape}
        layout = infer(orders, self._architecture, contents.flipped, contents.by_keras)
        if layout is None:
            received = ", ".join(f"{name} {kernel.shape}" for name, (kernel, _) in list(self._found.items())[:4])
            raise WeightsDamaged(f"{self.path} orders the axes of its layers in different ways: received {received}.")
        return layout

    def _check_layout(self, contents: Contents) -> tuple[LayoutFinding, ...]:
        """Evidence about the layout; an order of the flattened volume that the values contradict is corrected."""
        layout = self._layout
        first = next(op for op in self._architecture.operations if isinstance(op, Conv))
        kernel, _ = self._found[first.name]
        findings = [layout_evidence.check_axes(layout.to_tensorflow(first, self._read(kernel)), first.name)]
        flipped = "flipped back on T, H and W" if layout.flipped else "used as stored"
        why = (
            f"{contents.form} stores them so"
            if contents.flipped is not None or layout.flipped
            else "the format does not say; values cannot tell"
        )
        findings.append(
            LayoutFinding("flip", "ok" if contents.flipped is not None else "unknown", f"kernels {flipped}: {why}")
        )
        dense = next(
            (op for op in self._architecture.operations if isinstance(op, Dense) and op.name in self._found), None
        )
        if dense and (volume := self._volume(dense)):
            rows = self._read(self._found[dense.name][0])
            rows = np.asarray(rows.T if layout.dense == "OI" else rows, np.float32)
            flat, detail = layout_evidence.flattened_order(rows, volume, dense.name)
            if flat and flat != layout.flat:
                self._layout = replace(layout, flat=flat)
                detail = f"{detail}: read {flat}, though the format is usually {layout.flat}"
            findings.append(LayoutFinding("flattening", "ok" if flat else "unknown", detail))
        return tuple(findings)


def read_contents(path: Path) -> Contents:
    """The arrays of a file of any known format, which its first bytes tell.

    Raises:
        WeightsDamaged: the format is not known, or the file is damaged.
    """
    with refuse_unreadable(path), path.open("rb") as file:
        head = file.read(32)
    if not head:
        raise WeightsDamaged(f"{path} is empty; expected a weights file.")
    refuse_unread_weights(path, head)
    if head.lstrip()[:1] == b"<":
        raise WeightsDamaged(f"{path} is a web page, not a weights file. Fetch the file itself.")
    if head.startswith(hdf5.MAGIC):
        return hdf5.contents(path)
    if head.startswith(b"PK\x03\x04"):
        names = _members(path)
        if "model.weights.h5" in names:
            raise WeightsDamaged(
                f"{path} is a whole Keras model; expected its weights: unzip model.weights.h5 from it, or save them "
                "with model.save_weights."
            )
        torch = any(name.endswith("data.pkl") for name in names)
        return torch_state_dict.zip_contents(path) if torch else npz.contents(path)
    if safetensors.is_safetensors(head, path.stat().st_size):
        return safetensors.contents(path)
    if torch_state_dict.is_old_form(head):
        return torch_state_dict.old_contents(path)
    if head[:1] == b"\x80":
        raise WeightsDamaged(
            f"{path} is a pickle that PyTorch did not write; pickles are programs, and this one was not run."
        )
    if head[:1] not in (b"\x0a", b"\x12"):
        raise WeightsDamaged(
            f"{path} is not a weights file of a known format: expected HDF5, PyTorch, safetensors, .npz or Caffe, "
            f"received a file that begins with {head[:8]!r}."
        )
    return caffe.contents(path)


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise WeightsDamaged(f"{path} is not a readable zip file: {error}.") from None


def open_weights(
    path: Path, architecture: Architecture, size: tuple[int, int, int], trust: bool = False
) -> WeightsFile:
    """Opens a weights file of any known format.

    Args:
        path: HDF5 (Keras 0 to 3, c3dvis's own), PyTorch, safetensors, Caffe or .npz.
        architecture: the network. Dense layers may be missing from the file; other layers may not.
        size: (frames, height, width) of the clip that the dense layers were made for.
        trust: accept a layout that the values contradict.

    Raises:
        WeightsDamaged: the format is unknown, something is missing, or a shape, a dtype or a value is wrong.
    """
    opened = WeightsFile(path, architecture, size)
    doubts = [finding for finding in opened.findings if finding.verdict == "wrong"]
    if doubts and not trust:
        raise WeightsDamaged(
            f"{path} is not laid out as its format should be: {doubts[0].detail}.",
            f"Look at it with `c3dvis weights check {path}`; if it is right after all, "
            "`c3dvis weights convert --trust` takes it.",
        )
    return opened
