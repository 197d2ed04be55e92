"""`open_weights`: a weights file of any known format, checked, as the arrays that a network takes.

The file's first bytes tell the format, `layer_matching.py` tells which array belongs to which layer, and shapes and
values tell the layout; the report says what was found. Nothing in a file is executed, and no more of it is read than
the architecture needs.
"""

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.operation import Operation
from c3dvis.networks.graph.operations import Conv, Dense, Dropout, Flatten, Weighted
from c3dvis.networks.weights import layout_evidence
from c3dvis.networks.weights.formats import caffe, hdf5, npz, torch_state_dict
from c3dvis.networks.weights.formats.stored_arrays import Contents, Stored
from c3dvis.networks.weights.layer_matching import match_layers
from c3dvis.networks.weights.layout import FIRST, OWN, Layout, infer, stored_orders, stored_shape
from c3dvis.networks.weights.layout_evidence import Finding

Pair = tuple[np.ndarray, np.ndarray]

KNOWN_MD5 = {
    "b7a93b2f9156ccbebe3ca24b41fc5402": "sports1M_weights_tf.h5, a known conversion of the released C3D",
}
KNOWN_SHA256 = {  # beginnings
    "dcc47ddc": "c3d_sports1m_pretrain_20201016-dcc47ddc.pth of mmaction2",
}


@dataclass(frozen=True)
class WeightsReport:
    """What a file was found to be.

    Attributes:
        path: of the file.
        form: its format.
        layout: of its kernels, in words.
        dtype: of its arrays; several are joined by `, `.
        parameters: how many numbers it holds for the network.
        size: bytes of the file.
        sha256: of the file.
        known: which published file this is, if its hash is a known one.
        layers: the layers it holds weights of, with the shapes of their kernels as stored.
        missing: layers that it lacks.
        findings: what shapes and values say of the layout.
        origin: what a file of c3dvis's own was converted from; else empty.
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
    findings: tuple[Finding, ...]
    origin: dict[str, str]

    @property
    def doubts(self) -> tuple[Finding, ...]:
        """What speaks against the file."""
        return tuple(finding for finding in self.findings if finding.verdict == "wrong")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "WeightsReport":
        """The report that `dataclasses.asdict` took apart, also after JSON."""
        layers = {name: tuple(shape) for name, shape in values["layers"].items()}
        findings = tuple(Finding(**finding) for finding in values["findings"])
        return cls(**values | {"layers": layers, "findings": findings, "missing": tuple(values["missing"])})


class WeightsFile(Mapping[str, Pair]):
    """The (kernel, bias) pairs of a file in the program's own layout, float32, each read when it is asked for.

    Attributes:
        findings: what shapes and values say of the layout.
        is_own: whether it is of the form that the program writes.
    """

    def __init__(self, path: Path, architecture: Architecture, size: tuple[int, int, int]) -> None:
        self.path = path
        self._shapes = architecture.shapes(*size)
        self._architecture = architecture
        contents = sniff(path)
        self._found = match_layers(path, contents, architecture, self._shapes)
        findings: tuple[Finding, ...] = ()
        self._layout = OWN
        self.is_own = contents.attributes is not None
        if not self.is_own:
            self._layout = self._layout_of(contents)
            findings = self._look(contents)
        self.findings = findings
        self._form, self._attributes = contents.form, contents.attributes or {}

    @cached_property
    def report(self) -> WeightsReport:
        """What the file was found to be; the file is read once more for its hashes."""
        arrays = [array for pair in self._found.values() for array in pair]
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)  # some known files are known by MD5 alone
        with self.path.open("rb") as file:
            while chunk := file.read(1 << 20):
                sha256.update(chunk)
                md5.update(chunk)
        heads = (text for head, text in KNOWN_SHA256.items() if sha256.hexdigest().startswith(head))
        return WeightsReport(
            path=str(self.path),
            form=self._form,
            layout=str(self._layout),
            dtype=", ".join(sorted({str(array.dtype) for array in arrays})),
            parameters=sum(array.size for array in arrays),
            size=self.path.stat().st_size,
            sha256=sha256.hexdigest(),
            known=KNOWN_MD5.get(md5.hexdigest()) or next(heads, None),
            layers={name: kernel.shape for name, (kernel, _) in self._found.items()},
            missing=tuple(
                op.name
                for op in self._architecture.operations
                if isinstance(op, Weighted) and op.name not in self._found
            ),
            findings=self.findings,
            origin={name: text for name, text in self._attributes.items() if name.startswith("source")},
        )

    def __getitem__(self, name: str) -> Pair:
        kernel, bias = self._found[name]
        op = self._architecture.by_name[name]
        return self._layout.to_own(op, self._read(kernel), self._volume(op)), self._read(bias).astype(np.float32)

    def __contains__(self, name: object) -> bool:
        return name in self._found  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def check_values(self) -> None:
        """Reads everything once.

        Raises:
            WeightsDamaged: something cannot be read, or is not finite.
        """
        for pair in self._found.values():
            for array in pair:
                self._read(array)

    def _read(self, array: Stored) -> np.ndarray:
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
        """Shape of what is flattened right before a dense layer."""
        source = self._architecture.by_name.get(op.inputs[0])
        while isinstance(source, Dropout):
            source = self._architecture.by_name.get(source.inputs[0])
        if not isinstance(op, Dense) or not isinstance(source, Flatten):
            return None
        volume = self._shapes[source.inputs[0]]
        return volume if len(volume) == 4 else None

    def _layout_of(self, contents: Contents) -> Layout:
        orders: dict[str, set[str]] = {}
        for name, (kernel, _) in self._found.items():
            op = self._architecture.by_name[name]
            assert isinstance(op, Weighted)
            inputs = self._shapes[op.inputs[0]][-1]
            orders[name] = {order for order in stored_orders(op) if stored_shape(op, inputs, order) == kernel.shape}
        layout = infer(orders, self._architecture, contents.flipped)
        if layout is None:
            told = ", ".join(f"{name} {kernel.shape}" for name, (kernel, _) in list(self._found.items())[:4])
            raise WeightsDamaged(f"{self.path} orders the axes of its layers in different ways: received {told}.")
        return layout

    def _look(self, contents: Contents) -> tuple[Finding, ...]:
        """What the values say; where they tell the order of a flattened volume for sure, it is mended."""
        layout = self._layout
        first = next(op for op in self._architecture.operations if isinstance(op, Conv))
        kernel, _ = self._found[first.name]
        findings = [layout_evidence.axes(layout.to_own(first, self._read(kernel)), first.name)]
        turned = "turned back on T, H and W" if layout.flipped else "taken as they stand"
        why = (
            f"{contents.form} stores them so"
            if contents.flipped is not None or layout.flipped
            else "the form does not say; values cannot tell"
        )
        findings.append(
            Finding("flip", "ok" if contents.flipped is not None else "unknown", f"kernels {turned}: {why}")
        )
        dense = next(
            (op for op in self._architecture.operations if isinstance(op, Dense) and op.name in self._found), None
        )
        if dense and (volume := self._volume(dense)):
            rows = self._read(self._found[dense.name][0])
            rows = np.asarray(rows.T if layout.dense == "OI" else rows, np.float32)
            flat, told = layout_evidence.flattening(rows, volume, dense.name)
            if flat and flat != layout.flat:
                self._layout = layout.with_flat(flat)
                told = (
                    f"{told}: read {flat}, though the format is usually {FIRST if flat != FIRST else 'channels last'}"
                )
            findings.append(Finding("flattening", "ok" if flat else "unknown", told))
        return tuple(findings)


def sniff(path: Path) -> Contents:
    """The arrays of a file, whatever its format.

    Raises:
        WeightsDamaged: the format is not known, or the file is damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise WeightsDamaged(f"{path} cannot be read: {error.strerror or error}.") from None
    if not head:
        raise WeightsDamaged(f"{path} is empty; expected a weights file.")
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
    if torch_state_dict.is_old_form(head):
        return torch_state_dict.old_contents(path)
    if head[:1] == b"\x80":
        raise WeightsDamaged(
            f"{path} is a pickle that PyTorch did not write; pickles are programs, and it was not run."
        )
    if head[:1] not in (b"\x0a", b"\x12"):
        raise WeightsDamaged(
            f"{path} is not a weights file of a known format: expected HDF5, PyTorch, .npz or Caffe, received a file "
            f"that begins with {head[:8]!r}."
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
        path: HDF5 (Keras 0 to 3, c3dvis's own), PyTorch, Caffe or .npz.
        architecture: what it must fit. Dense layers may be missing altogether (a file of the convolutional part);
            nothing else may.
        size: (frames, height, width) of the clip the dense layers were made for.
        trust: whether a layout that the values speak against is taken all the same.

    Raises:
        WeightsDamaged: the format is unknown, something is missing, or a shape, a dtype or a value is wrong.
    """
    opened = WeightsFile(path, architecture, size)
    doubts = [finding for finding in opened.findings if finding.verdict == "wrong"]
    if doubts and not trust:
        raise WeightsDamaged(
            f"{path} is not laid out as its format should be: {doubts[0].detail}. Look at it "
            f"with `c3dvis weights check {path}`; if it is right after all, `c3dvis weights convert --trust` takes it."
        )
    return opened
