"""Reads an ONNX file: its graph, and the arrays in it or in files beside it.

Call this in a process with limited memory. External data is read from the model's own folder only.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats.stored_arrays import first_line

_MAX_BYTES = (2 << 30) - 1
"""What protobuf reads at most."""
_MAX_NODES = 50_000
_MAX_CALLS = 100
"""Functions of a model that may be within each other."""
_MAX_OPSET = 26
_NUMBERS = (
    onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE,
    onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.INT16, onnx.TensorProto.INT8,
    onnx.TensorProto.UINT8, onnx.TensorProto.UINT16, onnx.TensorProto.UINT32, onnx.TensorProto.UINT64,
    onnx.TensorProto.BOOL,
)  # fmt: skip


def looks_like_onnx(path: Path) -> bool:
    """Whether a file's name or its first bytes are those of an ONNX model."""
    if path.suffix.lower() == ".onnx":
        return True
    with path.open("rb") as file:
        head = file.read(2)
    return len(head) == 2 and head[0] == 0x08 and 1 <= head[1] <= 32  # the field ir_version


class OnnxFile:
    """An ONNX model's graph.

    Args:
        path: the file.

    Attributes:
        model: as stored; functions of its own are written out.
        opset: version of ONNX's operators.

    Raises:
        WeightsDamaged: it is no ONNX model, or one of a version that is not known here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise WeightsDamaged(f"{path} has {size:,} bytes; an ONNX file has at most {_MAX_BYTES:,}, and other data "
                                 "in files beside it.")  # fmt: skip
        try:
            self.model = onnx.load_model_from_string(path.read_bytes())
        except DecodeError as error:
            raise WeightsDamaged(f"{path} is no ONNX model: {first_line(error)}. Export it again.") from None
        versions = {each.domain: each.version for each in self.model.opset_import}
        self.opset = versions.get("", versions.get("ai.onnx", 0))
        if not self.model.graph.node or not 1 <= self.opset <= _MAX_OPSET:
            raise WeightsDamaged(
                f"{path} is no ONNX model that is known here: expected nodes in a graph and operators of the versions "
                f"1 to {_MAX_OPSET}, received {len(self.model.graph.node):,} nodes of version {self.opset}."
            )
        if self.model.functions:
            self.model = _inlined(path, self.model)
        if len(self.model.graph.node) > _MAX_NODES:
            raise WeightsDamaged(f"{path} has {len(self.model.graph.node):,} nodes; expected at most {_MAX_NODES:,}.")

    @property
    def form(self) -> str:
        """The format and its version, for people."""
        producer = " ".join(filter(str.isprintable, (self.model.producer_name[:40], self.model.producer_version[:20])))
        return f"ONNX {self.opset}" + (f" of {producer}" if producer.strip() else "")

    def array(self, tensor: onnx.TensorProto) -> np.ndarray:
        """A stored array.

        Raises:
            WeightsDamaged: it is not whole, of a type that is not known here, or in a file outside the folder.
        """
        name, shape = tensor.name[:80], tuple(tensor.dims)
        if tensor.data_type not in _NUMBERS or min(shape, default=0) < 0:
            kind = onnx.TensorProto.DataType.Name(tensor.data_type) if 0 <= tensor.data_type <= 22 else tensor.data_type
            raise WeightsDamaged(f"{self.path} holds the array {name!r} as {kind} of shape {shape}; expected numbers.")
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        try:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raw = self._external(tensor, math.prod(shape) * dtype.itemsize)
                return np.frombuffer(raw, dtype).reshape(shape)
            return numpy_helper.to_array(tensor)
        except (ValueError, TypeError, OSError, OverflowError) as error:
            raise WeightsDamaged(
                f"{self.path} does not hold the array {name!r} of shape {shape} that it declares "
                f"({first_line(error)}). Export it again, or copy all of its files."
            ) from None

    def _external(self, tensor: onnx.TensorProto, size: int) -> bytes:
        """Bytes of an array that is stored in a file beside the model."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        folder = self.path.parent.resolve()
        file = (folder / entries.get("location", "")).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise WeightsDamaged(
                f"{self.path} keeps the array {tensor.name[:80]!r} in {entries.get('location', '')[:80]!r}, which is "
                "no file in its own folder. Only those are read: put the model's data beside it."
            )
        start = int(entries.get("offset", 0))
        if start < 0 or int(entries.get("length", size)) != size or start + size > file.stat().st_size:
            raise ValueError(f"{file.name} is too short, or another length is declared")
        with file.open("rb") as opened:
            opened.seek(start)
            return opened.read(size)


def _inlined(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its own functions written out, of which there may be few."""
    from onnx import inliner

    bodies = {(function.domain, function.name): function.node for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[onnx.NodeProto], depth: int = 0) -> int:
        """Number of nodes when all calls are written out; functions that call each other in a circle have no end."""
        total = 0
        for node in nodes:
            call = (node.domain, node.op_type)
            if call in bodies and call not in sizes:
                sizes[call] = size(bodies[call], depth + 1) if depth < _MAX_CALLS else _MAX_NODES
            total += sizes.get(call, 1)
        return min(total, _MAX_NODES + 1)

    if size(model.graph.node) > _MAX_NODES:
        raise WeightsDamaged(f"{path} has functions that make more than {_MAX_NODES:,} nodes, or call themselves.")
    try:
        return inliner.inline_local_functions(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError, DecodeError) as error:
        raise WeightsDamaged(f"{path} has functions that cannot be read: {first_line(error)}.") from None
