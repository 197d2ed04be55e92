"""ONNX models that tests write, and the comparison of an imported network with onnxruntime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.input_domain import PLANES, InputDomain
from c3dvis.networks.importers.from_onnx import reader
from c3dvis.networks.importers.imported import Imported
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.proof.comparison import prove
from c3dvis.networks.proof.onnx_reference import OnnxReference

SHAPE = (1, 3, 6, 8, 7)
"""Of the clip: (batch, channels, frames, height, width)."""


class Graph:
    """Nodes and arrays of a model; each node's output has a name of its own.

    Args:
        shape: of the input; texts are sizes that the model leaves open.
        opset: version of the operators.
    """

    def __init__(self, shape: Sequence[int | str] = SHAPE, opset: int = 17) -> None:
        self.shape, self.opset = shape, opset
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.random = np.random.default_rng(0)

    def add(self, kind: str, *inputs: str | np.ndarray | np.generic | None, outputs: int = 1, **settings: Any) -> Any:
        """The name of a new node's output, or a list of several; arrays are stored, None is left out."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        read = []
        for index, value in enumerate(inputs):
            if isinstance(value, np.ndarray | np.generic):
                self.arrays[f"{name}.{index}"] = np.asarray(value)
                value = f"{name}.{index}"
            read.append(value or "")
        settings = {key: value for key, value in settings.items() if value != []}
        made = [name] if outputs == 1 else [f"{name}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, read, made, name, **settings))
        return made[0] if outputs == 1 else made

    def numbers(self, *shape: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
        return self.random.uniform(low, high, shape).astype(np.float32)

    def conv(self, value: str, channels: int, filters: int, kernel: Sequence[int] = (3, 3, 3), **settings: Any) -> str:
        """A convolution with a bias; padded to the same size if nothing else is said."""
        settings.setdefault("pads", [size // 2 for size in kernel] * 2)
        groups = settings.get("group", 1)
        weights = self.numbers(filters, channels // groups, *kernel)
        return self.add("Conv", value, weights / np.float32(weights[0].size ** 0.5), self.numbers(filters), **settings)

    def model(self, *outputs: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "graph",
            [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, self.shape)],
            [helper.make_empty_tensor_value_info(name) for name in outputs or [self.nodes[-1].output[0]]],
            [numpy_helper.from_array(array, name) for name, array in self.arrays.items()],
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def save(self, path: Path, *outputs: str) -> Path:
        onnx.save(self.model(*outputs), path)
        return path


def finished(graph: Graph, value: str) -> str:
    """The graph with a layer behind a value: the layer's response shows whether the value is right."""
    session = onnxruntime.InferenceSession(graph.model(value).SerializeToString(), providers=["CPUExecutionProvider"])
    sizes = session.run([value], {"input": np.zeros(SHAPE, np.float32)})[0].shape
    if len(sizes) == 5:
        return graph.conv(value, sizes[1], 4, (1, 1, 1))
    assert len(sizes) == 2
    return graph.add("Gemm", value, graph.numbers(4, sizes[1]), graph.numbers(4), transB=1)


def network_of(imported: Imported, size: tuple[int, int, int] = (16, 112, 112), name: str = "mine") -> Network:
    """The network of an imported model, without a folder."""
    channels = imported.channels
    orders = {1: "grey", 3: "RGB"}
    domain = InputDomain((-1.0,) * channels, (1.0,) * channels, orders.get(channels, PLANES))
    frames, height, width = (own or usual for own, usual in zip(imported.size, size, strict=True))
    architecture = Architecture.from_dict(
        {"name": name, "channels": channels, "operations": [op.to_dict() for op in imported.operations]}
    )
    info = NetworkInfo(name, "", "", "", architecture, domain, (frames, height, width), "", None)
    weights: Mapping[str, Any] = {name: make() for name, make in imported.weights.items()}
    return Network(info, weights)


def assert_proved(path: Path, size: tuple[int, int, int] = (6, 8, 7)) -> tuple[Imported, Network]:
    """All of a model comes in, and every layer responds as onnxruntime says."""
    imported = reader.read(path, size)
    assert imported.left_out == "", imported.left_out
    network = network_of(imported, size)
    assert prove(network, OnnxReference(path), imported.addresses).is_proved
    return imported, network
