"""A network in C3D's order with few filters and random weights, small enough to be searched many times."""

import numpy as np

from c3dvis.networks.compute.device import computes_bfloat16
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.graph.operations import (
    AveragePool,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Pad,
    Weighted,
)
from c3dvis.networks.registry import NetworkInfo

SIZE = (8, 32, 32)

PRECISIONS = ("float32", "bfloat16") if computes_bfloat16() else ("float32",)
"""In which TensorFlow computes here."""


def domain_to(reach: float) -> InputDomain:
    """RGB from −reach to reach."""
    return InputDomain((-reach, -reach, -reach), (reach, reach, reach))


PLAIN = domain_to(128.0)


def _conv(name: str, source: str, filters: int) -> Conv:
    return Conv(name, (source,), filters, (3, 3, 3), activation=RELU)


def _pool(name: str, source: str, frames: int) -> MaxPool:
    return MaxPool(name, (source,), kernel=(frames, 2, 2), strides=(frames, 2, 2), padding="valid")


ARCHITECTURE = Architecture(
    "small-c3d",
    (
        _conv("conv1", "input", 4),
        _pool("pool1", "conv1", 1),
        _conv("conv2", "pool1", 6),
        _pool("pool2", "conv2", 2),
        _conv("conv3a", "pool2", 8),
        _conv("conv3b", "conv3a", 8),
        AveragePool("average", ("conv3a",), kernel=(2, 2, 2), strides=(1, 1, 1)),
        Concat("block", ("conv3b", "average")),
        Pad("zero_padding", ("conv3b",), pads=((0, 0), (0, 1), (0, 1))),
        _pool("pool5", "zero_padding", 2),
        Flatten("flatten", ("pool5",)),
        Dense("fc6", ("flatten",), 12, activation=RELU),
        Dropout("dropout_1", ("fc6",)),
        Dense("fc7", ("dropout_1",), 5),
    ),
)


def small_c3d(seed: int = 0, domain: InputDomain = PLAIN, scale: float = 1.0) -> Network:
    """The network with weights from a seed (He et al. 2015, times `scale`; biases normal)."""
    generator = np.random.default_rng(seed)
    shapes, weights = ARCHITECTURE.shapes(*SIZE), {}
    for op in ARCHITECTURE.operations:
        if isinstance(op, Weighted):
            shape = op.kernel_shape(shapes[op.inputs[0]][-1])
            deviation = scale * np.sqrt(2 / np.prod(shape[:-1]))
            kernel = generator.normal(0, deviation, shape).astype(np.float32)
            weights[op.name] = (kernel, generator.normal(0, 1, op.filters).astype(np.float32))
    info = NetworkInfo("small-c3d", "", "", "", ARCHITECTURE, domain, SIZE, "", None)
    network = Network(info, weights)
    network.fingerprint = f"small-c3d {seed} {scale} {domain}"
    return network
