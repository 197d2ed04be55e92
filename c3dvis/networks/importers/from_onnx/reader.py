"""Reads an ONNX model as data and translates its graph to operations.

Every name of the graph becomes a view of an operation's output, or a constant. What is not known here is left out, with
all that follows from it: the layers before it are served.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.importers import folding
from c3dvis.networks.importers.from_onnx import (
    constants,
    elementwise,
    normalisations,
    selections,
    shapes,
    sizes,
    windows,
)
from c3dvis.networks.importers.from_onnx.builder import Builder
from c3dvis.networks.importers.from_onnx.file import OnnxFile
from c3dvis.networks.importers.from_onnx.names import node_names
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated, Value
from c3dvis.networks.importers.from_onnx.view import Factor, NotAView, View
from c3dvis.networks.importers.imported import Imported, Pair
from c3dvis.networks.weights.formats.stored_arrays import first_line

_TRANSLATIONS: dict[str, Callable[[Node], Any]] = {
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "MaxPool": windows.pool,
    "AveragePool": windows.pool,
    **elementwise.TRANSLATIONS,
    **normalisations.TRANSLATIONS,
    **shapes.TRANSLATIONS,
    **selections.TRANSLATIONS,
    **sizes.TRANSLATIONS,
}
_LAYOUTS = ("cthw", "thwc", "tchw")
"""Orders of the clip's axes in the input, after the batch axis; most have the channels first."""
_USUAL = {"t": 16, "h": 112, "w": 112, "c": 3}
_LARGEST = 1024
_DAMAGED = (TypeError, ValueError, AttributeError, IndexError, KeyError, OverflowError, ZeroDivisionError)
"""What a translation meets where a setting is of another type or size than its operator has."""


@dataclass(frozen=True)
class OnnxAddress:
    """Where an ONNX model has the value of an operation, and how the clip goes in.

    Attributes:
        name: of the value.
        view: of the operation's output that the value is.
        input_name, input_view: of the clip.
    """

    name: str
    view: View
    input_name: str
    input_view: View


@dataclass(frozen=True)
class _LeftOut:
    """A value that is not translated, for the reason that the first node before it has."""

    reason: str


def read(path: Path, size: tuple[int, int, int] | None = None) -> Imported:
    """Import an ONNX model.

    Args:
        path: the file.
        size: (frames, height, width) for axes of the input whose size the model leaves open.

    Raises:
        WeightsDamaged: the file cannot be read, or none of its convolutions can be computed here.
    """
    try:
        return _imported(OnnxFile(path), size)
    except _DAMAGED as error:
        raise WeightsDamaged(
            f"{path} cannot be read: it has what ONNX does not allow ({type(error).__name__}: {first_line(error)}). "
            "Export it again."
        ) from None


def _imported(file: OnnxFile, size: tuple[int, int, int] | None) -> Imported:
    path, graph = file.path, file.model.graph
    clip = _clip(path, graph)
    sizes = _sizes(path, clip)
    more = len(clip.type.tensor_type.shape.dim) - len(sizes)
    best = None
    for layout in _LAYOUTS:
        translation = _Translation(file, clip.name, _input_view(sizes, layout, size, more), layout)
        translation.run()
        if best is None or (translation.is_natural and not best.is_natural):
            best = translation
        if best.is_natural:
            break
    assert best is not None
    if not any(isinstance(op, ops.Conv) for op in best.build.operations):
        why = f" {best.left_out[0]}" if best.left_out else ""
        raise WeightsDamaged(f"{path} has no convolution of a volume that can be computed here.{why}")
    return best.imported(sizes)


class _Translation:
    """One way through the graph, for one layout of the input."""

    def __init__(self, file: OnnxFile, clip: str, view: View, layout: str) -> None:
        self._file, self._graph = file, file.model.graph
        self._clip, self._input, self._layout = clip, view, layout
        self.build = Builder(view.shape)
        self.left_out: list[str] = []
        self._values: dict[str, Value | _LeftOut] = {clip: view}
        self._stored = {tensor.name: tensor for tensor in self._graph.initializer}
        self._addresses: dict[str, OnnxAddress] = {}

    @property
    def is_natural(self) -> bool:
        """Whether convolutions read the clip as it is, without moving its axes."""
        moved = any(isinstance(op, ops.Rearrange) and op.inputs == ("input",) for op in self.build.operations)
        return not moved and any(isinstance(op, ops.Conv) for op in self.build.operations)

    def run(self) -> None:
        """Translate all nodes."""
        same = {node.output[0]: node.input[0] for node in self._graph.node
                if node.op_type == "Identity" and node.input and node.output}  # fmt: skip
        for node, name in zip(self._graph.node, node_names(self._graph, same), strict=True):
            try:
                results = self._translated(node, name)
            except (NotTranslated, NotAView, *_DAMAGED) as error:
                why = f"its settings cannot be ({type(error).__name__})" if isinstance(error, _DAMAGED) else str(error)
                reason = f"{name} ({_printable(node.op_type)}): {why}"
                self.left_out.append(reason)
                results = [_LeftOut(reason)] * len(node.output)
            for output, result in zip(node.output, results, strict=False):
                self._values[output] = result
                if isinstance(result, View):
                    address = OnnxAddress(output, result, self._clip, self._input)
                    self._addresses.setdefault(result.operation, address)

    def imported(self, sizes: Sequence[int | None]) -> Imported:
        """What remains when normalisations and activation functions are folded and dead ends removed."""
        weights = self.build.weights

        def combine(op: ops.Weighted, scale: ops.Scale) -> None:
            weights[op.name] = folding.scaled(op, weights[op.name], weights[scale.name])

        operations, folded = folding.fold(self._reached(), combine, self._addresses.__contains__)
        addresses = {name: self._addresses[name] for name in (op.name for op in operations) if name in self._addresses}
        for last, first in folded.items():  # in order: the last one that was folded wins
            if last in self._addresses:
                addresses[first] = self._addresses[last]
        outputs = [value.operation for output in self._graph.output
                   if isinstance(value := self._values.get(output.name), View)]  # fmt: skip
        if outputs:
            last = folded.get(outputs[0], outputs[0])
            if not any(last in op.inputs for op in operations):
                operations.sort(key=lambda op: op.name == last)
        own = dict(zip(self._layout, sizes[1:], strict=True))
        return Imported(
            framework="onnx",
            form=self._file.form,
            operations=operations,
            size=(own["t"], own["h"], own["w"]),
            channels=self._input.shape[3],
            weights={op.name: partial(_pair, weights[op.name]) for op in operations if isinstance(op, ops.Weighted)},
            addresses=addresses,
            is_float16=any(tensor.data_type in (10, 16) for tensor in self._graph.initializer),
            left_out=self._report(),
        )

    def _reached(self) -> list[Operation]:
        """The operations without those that lead to no layer and to no output."""
        wanted = {value.operation for output in self._graph.output
                  if isinstance(value := self._values.get(output.name), View)}  # fmt: skip
        kept: list[Operation] = []
        for op in reversed(self.build.operations):
            if op.name in wanted or op.is_targetable:
                wanted.update(op.inputs)
                kept.append(op)
        return kept[::-1]

    def _report(self) -> str:
        if not self.left_out:
            return ""
        more = f" (and {len(self.left_out) - 1} more)" if len(self.left_out) > 1 else ""
        return f"What follows is left out. {self.left_out[0]}{more}"

    def _translated(self, proto: onnx.NodeProto, name: str) -> list[Value | _LeftOut]:
        if proto.domain not in ("", "ai.onnx"):
            raise NotTranslated(f"the operator is of the domain {proto.domain[:40]!r}, which is not known here")
        values = [self._value(each) if each else None for each in proto.input]
        missing = next((value for value in values if isinstance(value, _LeftOut)), None)
        if missing:
            return [missing] * len(proto.output)
        inputs = tuple(value for value in values if not isinstance(value, _LeftOut))
        node = Node(proto, name, inputs, self._file.opset, self.build)
        if proto.op_type == "Constant":
            return [self._constant(proto)]
        if proto.op_type in ("Shape", "Size") and isinstance(inputs[0], View):
            return [_shape(node, inputs[0])]
        if not any(isinstance(value, View) for value in inputs):
            arrays = [value for value in inputs if not isinstance(value, View)]
            return list(constants.compute(proto, arrays, self._file.opset))
        translate = _TRANSLATIONS.get(proto.op_type)
        if translate is None:
            raise NotTranslated("the operator is not known here")
        result = translate(node)
        return list(result) if isinstance(result, tuple) else [result]

    def _value(self, name: str) -> Value | _LeftOut:
        if name not in self._values:
            if name not in self._stored:
                raise NotTranslated(f"it reads {name[:60]!r}, which no node before it gives")
            self._values[name] = self._file.array(self._stored[name])
        return self._values[name]

    def _constant(self, proto: onnx.NodeProto) -> np.ndarray:
        for attribute in proto.attribute:
            if attribute.name == "value":
                return self._file.array(attribute.t)
            if attribute.name in ("value_float", "value_floats"):
                return np.asarray(onnx.helper.get_attribute_value(attribute), np.float32)
            if attribute.name in ("value_int", "value_ints"):
                return np.asarray(onnx.helper.get_attribute_value(attribute), np.int64)
        raise NotTranslated("its value is no array of numbers")


def _shape(node: Node, view: View) -> np.ndarray:
    if node.kind == "Size":
        return np.asarray(np.prod(view.sizes, dtype=np.int64))
    start, end = node.attribute("start", 0), node.attribute("end")
    return np.asarray(view.sizes[start:end], np.int64)


def _clip(path: Path, graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """The one input that is no array of weights."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if len(inputs) != 1:
        names = ", ".join(value.name[:40] for value in inputs[:4]) or "none"
        raise WeightsDamaged(
            f"{path} has {len(inputs)} inputs ({names}); expected one clip. Export a module that takes one clip and "
            "makes the others of it: docs/networks.md shows this for SlowFast."
        )
    return inputs[0]


def _sizes(path: Path, clip: onnx.ValueInfoProto) -> list[int | None]:
    """The size of each axis of the input, the batch first; None where the model leaves it open."""
    dims = clip.type.tensor_type.shape.dim
    sizes: list[int | None] = [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims
    ]
    while len(sizes) > 5 and sizes[1] == 1:  # clips of a video, of which there is one
        del sizes[1]
    if len(sizes) != 5 or any(size and size > _LARGEST for size in sizes):
        raise WeightsDamaged(
            f"{path} takes an input of shape {[size or '?' for size in sizes]}: expected (batch, channels, frames, "
            f"height, width), or the channels last, at most {_LARGEST} each."
        )
    return sizes


def _input_view(sizes: Sequence[int | None], layout: str, asked: tuple[int, int, int] | None, more: int) -> View:
    """The clip as the model's input, for one layout of it; `more` axes of size 1 lie behind the batch."""
    usual = _USUAL | (dict(zip("thw", asked, strict=True)) if asked else {})
    known = {axis: size or usual[axis] for axis, size in zip(layout, sizes[1:], strict=True)}
    view = View("input", tuple(known[axis] for axis in "thwc"), ())
    batch = sizes[0] or 1
    first = (Factor("n", 1, batch),) if batch > 1 else ()
    return View("input", view.shape, (first, *((),) * more, *(view.whole(axis) for axis in layout)))


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text[:40]))


def _pair(pair: Pair) -> Pair:
    return pair
