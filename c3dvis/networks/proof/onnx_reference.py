"""An ONNX model in onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.importers.from_onnx.file import OnnxFile
from c3dvis.networks.importers.from_onnx.reader import OnnxAddress
from c3dvis.networks.importers.imported import Address
from c3dvis.networks.proof.comparison import CannotRun
from c3dvis.networks.weights.formats.stored_arrays import first_line

_REFUSED = (
    errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented,
    errors.RuntimeException, errors.EPFail, errors.NoModel, errors.NotFound,
)  # fmt: skip


class OnnxReference:
    """An ONNX model, run by onnxruntime on the processor.

    It is given the part of the graph that leads to the layers, with all data within: it opens no file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._file = OnnxFile(path)

    def responses(self, clip: np.ndarray, addresses: Sequence[Address]) -> list[np.ndarray]:
        """Values of the model; see `Reference`."""
        wanted = [cast(OnnxAddress, address) for address in addresses]
        names = list(dict.fromkeys(address.name for address in wanted))
        entry = wanted[0]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is wrong is raised
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            model = _part(self._file, entry.input_name, names).SerializeToString()
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(session.get_inputs()[0].type)
            fed = entry.input_view.stored(clip).astype(kind or np.float32)
            values = dict(zip(names, session.run(names, {entry.input_name: fed}), strict=True))
        except (*_REFUSED, ValueError, WeightsDamaged) as error:
            raise CannotRun(f"{self.name} does not run the model ({first_line(error)})") from None
        return [address.view.arrange(np.asarray(values[address.name], np.float32)) for address in wanted]


def _part(file: OnnxFile, clip: str, names: Sequence[str]) -> onnx.ModelProto:
    """The model with the nodes that lead to some names, which are its outputs."""
    graph = file.model.graph
    needed, nodes = set(names), []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed.update(node.input)
            nodes.append(node)
    part = onnx.ModelProto()
    part.ir_version = file.model.ir_version
    part.opset_import.extend(file.model.opset_import)
    part.graph.name = "part"
    part.graph.node.extend(nodes[::-1])
    part.graph.input.extend(value for value in graph.input if value.name == clip)
    part.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    for tensor in graph.initializer:
        if tensor.name in needed:
            is_outside = tensor.data_location == onnx.TensorProto.EXTERNAL
            stored = numpy_helper.from_array(file.array(tensor), tensor.name) if is_outside else tensor
            part.graph.initializer.append(stored)
    return part
