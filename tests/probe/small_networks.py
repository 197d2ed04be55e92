"""Small networks with random weights: one with classes, one of a single channel."""

import numpy as np

from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU, Operation
from c3dvis.networks.graph.input_domain import GREY, InputDomain
from c3dvis.networks.graph.operations import AveragePool, Concat, Conv, Dense, Flatten, MaxPool, Weighted
from c3dvis.networks.registry import NetworkInfo

SIZE = (8, 48, 48)


def classifier() -> Network:
    """Two convolutions, a block that joins branches, and five classes."""
    return _network("small-classifier", 3, (
        Conv("conv1", ("input",), 6, (3, 3, 3), (1, 2, 2), activation=RELU),
        MaxPool("pool1", ("conv1",), (2, 2, 2), (2, 2, 2)),
        Conv("conv2", ("pool1",), 8, (3, 3, 3), activation=RELU),
        Conv("block/a", ("conv2",), 4, activation=RELU),
        Conv("block/b", ("conv2",), 5, (3, 3, 3), activation=RELU),
        Concat("block", ("block/a", "block/b")),
        AveragePool("pool2", ("block",), (2, 4, 4), (2, 4, 4)),
        Flatten("flatten", ("pool2",)),
        Dense("scores", ("flatten",), 5),
    ))  # fmt: skip


def grey_network() -> Network:
    """Two convolutions of a clip with one channel."""
    return _network("small-grey", 1, (
        Conv("conv1", ("input",), 4, (3, 3, 3), activation=RELU),
        Conv("conv2", ("conv1",), 6, (3, 3, 3), (2, 2, 2), activation=RELU),
    ))  # fmt: skip


def _network(name: str, channels: int, operations: tuple[Operation, ...]) -> Network:
    domain = InputDomain((-1.0,) * channels, (1.0,) * channels, GREY if channels == 1 else "RGB")
    architecture = Architecture(name, operations, channels=channels)
    info = NetworkInfo(name, name, "", "", architecture, domain, SIZE, "", None)
    random = np.random.default_rng(1)
    shapes, weights = architecture.shapes(*SIZE), {}
    for op in operations:
        if isinstance(op, Weighted):
            shape = op.kernel_shape(shapes[op.inputs[0]][-1])
            kernel = random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32)
            weights[op.name] = (kernel, random.normal(0, 0.1, op.filters).astype(np.float32))
    network = Network(info, weights)
    network.fingerprint = name
    return network
