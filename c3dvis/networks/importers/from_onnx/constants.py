"""Computes what does not depend on the clip: shape arithmetic, and weights that a graph transposes or joins."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from c3dvis.networks.importers.from_onnx.node import NotTranslated

_MAX_NUMBERS = 1 << 28
"""Of a result; more than that is an attack."""
_COMPUTED = {
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "ConstantOfShape", "DequantizeLinear", "Div", "Equal", "Exp",
    "Expand", "Flatten", "Floor", "Gather", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log",
    "MatMul", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Range", "Reciprocal", "ReduceL2", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "ScatterND", "Shape", "Sign", "Size", "Slice",
    "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip


def compute(node: onnx.NodeProto, inputs: Sequence[np.ndarray | None], opset: int) -> list[np.ndarray]:
    """Outputs of a node whose inputs are all known, by ONNX's own reference implementation.

    Raises:
        NotTranslated: its operator is not among those that make constants, or it cannot be computed.
    """
    if node.op_type not in _COMPUTED or _numbers(node, inputs) > _MAX_NUMBERS:
        raise NotTranslated("it computes a constant in a way that is not known here")
    feeds = {f"input{index}": value for index, value in enumerate(inputs) if value is not None}
    renamed = onnx.NodeProto()
    renamed.CopyFrom(node)
    del renamed.input[:], renamed.output[:]
    renamed.input.extend(f"input{index}" if value is not None else "" for index, value in enumerate(inputs))
    renamed.output.extend(f"output{index}" for index in range(len(node.output)))
    graph = onnx.helper.make_graph(
        [renamed], "constant",
        [onnx.helper.make_tensor_value_info(name, _type(value), value.shape) for name, value in feeds.items()],
        [onnx.helper.make_empty_tensor_value_info(name) for name in renamed.output],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        return [np.asarray(each) for each in ReferenceEvaluator(model).run(None, feeds)]
    except MemoryError:
        raise
    except Exception as error:  # the implementation of each operator raises what it likes
        raise NotTranslated(f"it cannot be computed ({type(error).__name__})") from None


def _type(value: np.ndarray) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(value.dtype)


def _numbers(node: onnx.NodeProto, inputs: Sequence[np.ndarray | None]) -> float:
    """At most how many numbers the operators return that make much of little."""
    known = [each for each in inputs if each is not None]
    match node.op_type:
        case "ConstantOfShape" | "Expand" if known:
            return float(np.prod(np.maximum(np.abs(known[-1].astype(np.float64)), 1), initial=1.0))
        case "Tile" if len(known) == 2:
            return known[0].size * float(np.prod(np.maximum(known[1].astype(np.float64), 1), initial=1.0))
        case "Range" if len(known) == 3 and all(each.size == 1 for each in known):
            start, end, step = (float(each.reshape(-1)[0]) for each in known)
            return abs((end - start) / step) if step else float("inf")
        case "Gather" if len(known) == 2:
            return known[0].size * max(1, known[1].size)
    return max((each.size for each in known), default=0)
