"""Every ONNX operator that is translated, in all its settings: each layer behind it against onnxruntime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c3dvis.networks.importers.from_onnx import reader
from c3dvis.networks.proof.comparison import difference, random_clips
from c3dvis.networks.proof.onnx_reference import OnnxReference
from tests.networks.onnx_models import Graph, assert_proved, finished, network_of
from tests.networks.test_forward import assert_same

Make = Callable[[Graph, str], str]
"""Adds nodes to a value (1, 4, 6, 8, 7) and returns the last one's output."""


def one(kind: str, *constants: Any, **settings: Any) -> Make:
    """One node."""
    return lambda graph, value: graph.add(kind, value, *constants, **settings)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


CHANNELS = floats(0.5, -2, 1.5, 0.25).reshape(1, 4, 1, 1, 1)


def conv(kernel: tuple[int, ...], filters: int = 6, **settings: Any) -> Make:
    return lambda graph, value: graph.conv(value, 4, filters, kernel, **settings)


def transposed(kernel: tuple[int, ...], groups: int = 1, **settings: Any) -> Make:
    def make(graph: Graph, value: str) -> str:
        weights, bias = graph.numbers(4, 6 // groups, *kernel), graph.numbers(6)
        return graph.add("ConvTranspose", value, weights, bias, group=groups, **settings)

    return make


def normalised(kind: str, count: int = 4, **settings: Any) -> Make:
    return lambda graph, value: graph.add(kind, value, graph.numbers(count), graph.numbers(count), **settings)


def batch_norm(graph: Graph, value: str) -> str:
    """Of a value that something else reads too: it is not folded."""
    statistics = [graph.numbers(4), graph.numbers(4), graph.numbers(4), graph.numbers(4, low=0.5, high=2.0)]
    return graph.add("Add", graph.add("BatchNormalization", value, *statistics, epsilon=0.01), value)


def group_norm_of_pytorch(graph: Graph, value: str) -> str:
    """As the older exporter writes it."""
    flat = graph.add("Reshape", value, ints(0, 2, -1))
    same = graph.add("InstanceNormalization", flat, floats(1, 1), floats(0, 0))
    back = graph.add("Reshape", same, graph.add("Shape", value))
    scaled = graph.add("Mul", back, graph.numbers(4, 1, 1, 1))
    return graph.add("Add", scaled, graph.numbers(4, 1, 1, 1))


def layer_norm_over_channels(graph: Graph, value: str) -> str:
    last = graph.add("Transpose", value, perm=[0, 2, 3, 4, 1])
    normal = graph.add("LayerNormalization", last, graph.numbers(4), graph.numbers(4), axis=-1)
    return graph.add("Transpose", normal, perm=[0, 4, 1, 2, 3])


def layer_norm_taken_apart(graph: Graph, value: str) -> str:
    """As exporters before version 17 write it."""
    last = graph.add("Transpose", value, perm=[0, 2, 3, 4, 1])
    centred = graph.add("Sub", last, graph.add("ReduceMean", last, axes=[-1]))
    variance = graph.add("ReduceMean", graph.add("Pow", centred, floats(2).reshape(())), axes=[-1])
    deviation = graph.add("Sqrt", graph.add("Add", variance, floats(1e-3).reshape(())))
    normal = graph.add("Mul", graph.add("Div", centred, deviation), graph.numbers(4))
    return graph.add("Transpose", graph.add("Add", normal, graph.numbers(4)), perm=[0, 4, 1, 2, 3])


def gelu_taken_apart(graph: Graph, value: str) -> str:
    erf = graph.add("Erf", graph.add("Div", value, floats(2**0.5).reshape(())))
    return graph.add("Mul", graph.add("Mul", value, graph.add("Add", erf, floats(1))), floats(0.5))


def gelu_by_tanh(graph: Graph, value: str) -> str:
    cube = graph.add("Mul", graph.add("Pow", value, floats(3)), floats(0.044715))
    tanh = graph.add("Tanh", graph.add("Mul", graph.add("Add", value, cube), floats(0.7978845608)))
    return graph.add("Mul", graph.add("Mul", value, graph.add("Add", tanh, floats(1))), floats(0.5))


def swish(graph: Graph, value: str) -> str:
    return graph.add("Mul", value, graph.add("Sigmoid", value))


def mish(graph: Graph, value: str) -> str:
    return graph.add("Mul", value, graph.add("Tanh", graph.add("Softplus", value)))


def hard_swish_taken_apart(graph: Graph, value: str) -> str:
    six = graph.add("Clip", graph.add("Add", value, floats(3)), floats(0).reshape(()), floats(6).reshape(()))
    return graph.add("Div", graph.add("Mul", value, six), floats(6))


def squeeze_excitation(graph: Graph, value: str) -> str:
    """With dense layers, and broadcast over all positions."""
    mean = graph.add("ReduceMean", value, axes=[2, 3, 4], keepdims=0)
    gate = graph.add("Relu", graph.add("Gemm", mean, graph.numbers(4, 2), graph.numbers(2)))
    gate = graph.add("Sigmoid", graph.add("MatMul", gate, graph.numbers(2, 4)))
    return graph.add("Mul", value, graph.add("Reshape", gate, ints(1, 4, 1, 1, 1)))


def spatial_attention(graph: Graph, value: str) -> str:
    """A number for each position, broadcast over the channels."""
    mean = graph.add("ReduceMean", value, axes=[1])
    largest = graph.add("ReduceMax", value, axes=[1])
    joined = graph.add("Concat", mean, largest, axis=1)
    return graph.add("Mul", graph.add("Sigmoid", graph.conv(joined, 2, 1)), value)


def unit_length(graph: Graph, value: str) -> str:
    length = graph.add("Clip", graph.add("ReduceL2", value, axes=[1]), floats(1e-6).reshape(()))
    return graph.add("Div", value, length)


def joined(kind: str) -> Make:
    return lambda graph, value: graph.add(kind, value, graph.conv(value, 4, 4, (1, 3, 1)), graph.conv(value, 4, 4))


def between(kind: str) -> Make:
    return lambda graph, value: graph.add(kind, graph.conv(value, 4, 4, (1, 3, 1)), graph.add("Exp", value))


def constant_first(kind: str) -> Make:
    return lambda graph, value: graph.add(kind, CHANNELS, graph.add("Exp", value))


def shuffle(graph: Graph, value: str) -> str:
    """Of channels, as in ShuffleNet."""
    parts = graph.add("Reshape", value, ints(1, 2, 2, 6, 8, 7))
    return graph.add("Reshape", graph.add("Transpose", parts, perm=[0, 2, 1, 3, 4, 5]), ints(1, 4, 6, 8, 7))


def pixel_shuffle(graph: Graph, value: str) -> str:
    """In three dimensions, as MONAI's SubpixelUpsample."""
    wide = graph.add("Reshape", graph.conv(value, 4, 24), ints(1, 2, 3, 2, 2, 6, 8, 7))
    turned = graph.add("Transpose", wide, perm=[0, 1, 5, 2, 6, 3, 7, 4])
    return graph.add("Reshape", turned, ints(1, 2, 18, 16, 14))


def space_to_depth(graph: Graph, value: str) -> str:
    parts = graph.add("Reshape", value, ints(1, 4, 3, 2, 4, 2, 7))
    turned = graph.add("Transpose", parts, perm=[0, 3, 5, 1, 2, 4, 6])
    return graph.add("Reshape", turned, ints(1, 16, 3, 4, 7))


def of_frames(inner: Make, back: tuple[int, ...]) -> Make:
    """On each frame, as a network of images does."""

    def make(graph: Graph, value: str) -> str:
        frames = graph.add("Reshape", graph.add("Transpose", value, perm=[0, 2, 1, 3, 4]), ints(6, 4, 8, 7))
        video = graph.add("Reshape", inner(graph, frames), ints(1, 6, *back))
        return graph.add("Transpose", video, perm=[0, 2, 1, 3, 4])

    return make


def along_time(graph: Graph, value: str) -> str:
    """A convolution of sequences: every position has its own."""
    turned = graph.add("Reshape", graph.add("Transpose", value, perm=[0, 3, 4, 1, 2]), ints(56, 4, 6))
    weights = graph.numbers(5, 4, 3)
    made = graph.add("Conv", turned, weights, graph.numbers(5), pads=[1, 1])
    return graph.add("Transpose", graph.add("Reshape", made, ints(1, 8, 7, 5, 6)), perm=[0, 3, 4, 1, 2])


def temporal_shift(graph: Graph, value: str) -> str:
    """Channels that read another frame."""
    first, rest = graph.add("Split", value, ints(1, 3), outputs=2, axis=1)
    cut = graph.add("Slice", first, ints(1), ints(2**62), ints(2))
    return graph.add("Concat", graph.add("Pad", cut, ints(0, 0, 0, 0, 0, 0, 0, 1, 0, 0)), rest, axis=1)


def head_of_slow(graph: Graph, value: str) -> str:
    """A product with a matrix behind a transposition, then the mean."""
    last = graph.add("Transpose", value, perm=[0, 2, 3, 4, 1])
    scores = graph.add("Add", graph.numbers(5), graph.add("MatMul", last, graph.numbers(4, 5)))
    back = graph.add("Transpose", graph.add("Softmax", scores, axis=-1), perm=[0, 4, 1, 2, 3])
    return graph.add("Flatten", graph.add("GlobalAveragePool", back))


def dense_of_all(graph: Graph, value: str) -> str:
    flat = graph.add("Reshape", value, ints(0, -1))
    small = graph.add("Gemm", flat, graph.numbers(4 * 6 * 8 * 7, 5), graph.numbers(5), alpha=0.1, beta=2.0)
    return graph.add("Softmax", small)


def view_of_size(graph: Graph, value: str) -> str:
    """`x.view(x.size(0), -1)`, as the older exporter writes it for a batch of any size."""
    size = graph.add("Gather", graph.add("Shape", value), np.array(0), axis=0)
    shape = graph.add("Concat", graph.add("Unsqueeze", size, ints(0)), ints(-1), axis=0)
    flat = graph.add("Reshape", graph.add("MaxPool", value, kernel_shape=[6, 8, 7]), shape)
    return graph.add("Relu", flat)


def upsampled_to(graph: Graph, value: str) -> str:
    """`interpolate(y, size=x.shape[2:])`, as the older exporter writes it."""
    small = graph.add("MaxPool", value, kernel_shape=[2, 2, 2], strides=[2, 2, 2], ceil_mode=1)
    sizes = graph.add("Slice", graph.add("Shape", value), ints(2), ints(5), ints(0))
    whole = graph.add("Concat", graph.add("Slice", graph.add("Shape", small), ints(0), ints(2)), sizes, axis=0)
    bigger = graph.add("Resize", small, None, None, whole, mode="linear",
                       coordinate_transformation_mode="pytorch_half_pixel")  # fmt: skip
    return graph.add("Concat", value, bigger, axis=1)


def padded_channels(graph: Graph, value: str) -> str:
    """The shortcut of ResNet's type A: a smaller volume, and channels of zeros."""
    small = graph.add("AveragePool", value, kernel_shape=[1, 1, 1], strides=[2, 2, 2])
    zeros = graph.add("ConstantOfShape", ints(1, 2, 3, 4, 4))
    return graph.add("Concat", small, zeros, axis=1)


def weights_in_the_graph(graph: Graph, value: str) -> str:
    """A standardised kernel, computed by nodes, and one under another name."""
    kernel = graph.add("Identity", graph.numbers(6, 4, 1, 3, 3))
    centred = graph.add("Sub", kernel, graph.add("ReduceMean", kernel, axes=[1, 2, 3, 4]))
    return graph.add("Conv", value, centred, graph.add("Identity", graph.numbers(6)), pads=[0, 1, 1, 0, 1, 1])


def resized(sizes: np.ndarray | None = None, scales: np.ndarray | None = None, **settings: Any) -> Make:
    return lambda graph, value: graph.add("Resize", value, None, scales, sizes, **settings)


def pool(kind: str, kernel: tuple[int, int, int], **settings: Any) -> Make:
    return lambda graph, value: graph.add(kind, value, kernel_shape=list(kernel), **settings)


ASYMMETRIC = [0, 1, 2, 1, 0, 1]
MAKES: dict[str, Make] = {
    "conv": conv((3, 3, 3)),
    "conv, no pads": conv((2, 3, 1), pads=[0] * 6),
    "conv, strides": conv((3, 5, 3), strides=[1, 2, 2]),
    "conv, asymmetric pads": conv((2, 3, 3), pads=ASYMMETRIC, strides=[2, 1, 2]),
    "conv, dilation": conv((2, 3, 3), dilations=[2, 1, 2], pads=[1, 1, 2, 1, 1, 2]),
    "conv, groups": conv((3, 3, 3), group=2),
    "conv, groups and strides": conv((3, 3, 3), group=2, strides=[2, 2, 1], pads=ASYMMETRIC),
    "conv, depthwise": conv((3, 3, 3), group=4, filters=4, strides=[1, 2, 2]),
    "conv, depthwise with two filters each": conv((3, 3, 1), group=4, filters=8, pads=ASYMMETRIC),
    "conv, depthwise with a dilation": conv((3, 3, 3), group=4, filters=4, dilations=[2, 2, 2], pads=[2] * 6),
    "conv, depthwise with unlike strides": conv((3, 3, 3), group=4, filters=4, strides=[2, 1, 2]),
    "conv, same upper": conv((2, 4, 3), auto_pad="SAME_UPPER", pads=[], strides=[1, 2, 2]),
    "conv, same lower": conv((2, 4, 3), auto_pad="SAME_LOWER", pads=[], strides=[1, 2, 2]),
    "conv, valid": conv((2, 4, 3), auto_pad="VALID", pads=[]),
    "transposed": transposed((3, 2, 3)),
    "transposed, strides": transposed((2, 2, 2), strides=[2, 2, 2]),
    "transposed, pads and output padding": transposed((3, 3, 3), strides=[2, 2, 2], pads=[1] * 6,
                                                      output_padding=[1, 1, 1]),
    "transposed, output padding alone": transposed((3, 3, 3), strides=[2, 3, 2], output_padding=[1, 2, 0]),
    "transposed, a stride above the kernel": transposed((1, 2, 2), strides=[2, 3, 2], output_padding=[1, 1, 0]),
    "transposed, groups": transposed((3, 3, 3), 2, strides=[1, 2, 2], pads=ASYMMETRIC),
    "transposed, dilation": transposed((2, 3, 2), dilations=[2, 1, 2], pads=[1, 1, 1, 0, 1, 1]),
    "transposed, output shape": transposed((3, 3, 3), strides=[2, 2, 2], output_shape=[12, 16, 14]),
    "batch norm": batch_norm,
    "instance norm": normalised("InstanceNormalization", epsilon=0.1),
    "group norm, taken apart": group_norm_of_pytorch,
    "layer norm over all": lambda graph, value: graph.add(
        "LayerNormalization", value, np.full((4, 6, 8, 7), 1.5, np.float32), axis=1, epsilon=0.1),
    "layer norm over the channels": layer_norm_over_channels,
    "layer norm, taken apart": layer_norm_taken_apart,
    "relu": one("Relu"), "leaky relu": one("LeakyRelu", alpha=0.3),
    "leaky relu that rises": one("LeakyRelu", alpha=-0.5), "elu": one("Elu", alpha=0.7),
    "relu with a threshold": one("ThresholdedRelu", alpha=0.3),
    "selu": one("Selu"), "celu": one("Celu", alpha=1.5), "sigmoid": one("Sigmoid"), "tanh": one("Tanh"),
    "softplus": one("Softplus"), "softsign": one("Softsign"), "hard sigmoid": one("HardSigmoid", alpha=0.3, beta=0.4),
    "hard swish": one("HardSwish"), "hard swish, taken apart": hard_swish_taken_apart, "swish": swish, "mish": mish,
    "gelu, taken apart": gelu_taken_apart, "gelu by tanh": gelu_by_tanh,
    "prelu": one("PRelu", floats(0.1, 0.4, -0.3, 2).reshape(4, 1, 1, 1)),
    "prelu of one slope": one("PRelu", floats(0.2)),
    "clip": one("Clip", np.float32(-0.4), np.float32(0.7)), "clip below": one("Clip", np.float32(-0.4)),
    "relu6": one("Clip", np.float32(0), np.float32(6)), "clip at zero": one("Clip", np.float32(0)),
    "softmax": one("Softmax", axis=1), "log softmax": one("LogSoftmax", axis=1), "abs": one("Abs"), "neg": one("Neg"),
    "square": one("Pow", np.float32(2)),
    "inverse": lambda graph, value: graph.add("Reciprocal", graph.add("Exp", value)),
    "logarithm": lambda graph, value: graph.add("Log", graph.add("Exp", value)),
    "max pool": pool("MaxPool", (2, 3, 3), strides=[2, 1, 2]),
    "max pool, pads": pool("MaxPool", (2, 3, 3), strides=[2, 2, 2], pads=[1, 1, 1, 0, 1, 1]),
    "max pool that keeps the size": pool("MaxPool", (3, 3, 3), pads=[1] * 6),
    "max pool, ceil": pool("MaxPool", (3, 2, 3), strides=[2, 3, 2], ceil_mode=1),
    "max pool, ceil and pads": pool("MaxPool", (3, 2, 3), strides=[2, 3, 3], pads=[1, 1, 1, 1, 0, 1], ceil_mode=1),
    "average pool": pool("AveragePool", (2, 3, 3), strides=[2, 2, 2]),
    "average pool, pads": pool("AveragePool", (2, 3, 3), strides=[2, 2, 2], pads=[1, 1, 1, 0, 1, 1]),
    "average pool, counted pads": pool("AveragePool", (2, 3, 3), strides=[2, 2, 2], pads=[1, 1, 1, 0, 1, 1],
                                       count_include_pad=1),
    "average pool that keeps the size": pool("AveragePool", (3, 3, 3), pads=[1] * 6),
    "average pool that keeps the size, counted": pool("AveragePool", (3, 3, 3), pads=[1] * 6, count_include_pad=1),
    "average pool, ceil": pool("AveragePool", (3, 2, 3), strides=[2, 3, 2], ceil_mode=1),
    "average pool, ceil and pads": pool("AveragePool", (3, 3, 3), strides=[2, 2, 2], pads=[1] * 6, ceil_mode=1),
    "average pool, same": pool("AveragePool", (2, 3, 3), strides=[2, 2, 2], auto_pad="SAME_UPPER"),
    "global average": one("GlobalAveragePool"), "global maximum": one("GlobalMaxPool"),
    "mean over frames": one("ReduceMean", axes=[2]),
    "mean of all, a vector": one("ReduceMean", axes=[2, 3, 4], keepdims=0),
    "mean over the channels": one("ReduceMean", axes=[1]), "maximum over rows": one("ReduceMax", axes=[-2]),
    "sum": one("ReduceSum", ints(3, 4)), "length of all channels": unit_length,
    "add a constant": one("Add", floats(0.5)), "add one for each channel": one("Add", CHANNELS),
    "subtract": one("Sub", CHANNELS), "multiply": one("Mul", CHANNELS), "divide": one("Div", CHANNELS),
    "subtract from": constant_first("Sub"), "divide by": constant_first("Div"),
    "maximum with a constant": one("Max", floats(0.1)), "minimum with a constant": one("Min", floats(0.1)),
    "sum of three": joined("Sum"), "maximum of three": joined("Max"), "minimum of three": joined("Min"),
    "mean of three": joined("Mean"), "difference": between("Sub"), "product": between("Mul"),
    "quotient": between("Div"),
    "twice the same": lambda graph, value: graph.add("Mul", value, value),
    "squeeze and excitation": squeeze_excitation, "spatial attention": spatial_attention,
    "concat": lambda graph, value: graph.add("Concat", value, graph.conv(value, 4, 2), value, axis=-4),
    "channels of zeros": padded_channels,
    "pad channels": one("Pad", ints(0, 1, 0, 0, 0, 0, 2, 0, 0, 0), np.float32(0.5)),
    "flatten, dense": dense_of_all, "view of size": view_of_size, "head of slow": head_of_slow,
    "squeeze": lambda graph, value: graph.add("Squeeze", graph.add("GlobalMaxPool", value), ints(2, 3, 4)),
    "unsqueeze": lambda graph, value: graph.add("Relu", graph.add("Unsqueeze", graph.add(
        "Squeeze", graph.add("GlobalMaxPool", value), ints(2, -1, 3)), ints(2, 3, 4))),
    "shuffle": shuffle, "pixel shuffle": pixel_shuffle, "space to depth": space_to_depth,
    "depth to space of frames": of_frames(one("DepthToSpace", blocksize=2), (1, 16, 14)),
    "depth to space of frames, crd": of_frames(one("DepthToSpace", blocksize=2, mode="CRD"), (1, 16, 14)),
    "images": of_frames(lambda graph, value: graph.conv(value, 4, 5, (3, 3), strides=[2, 1]), (5, 4, 7)),
    "pooled images": of_frames(one("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), (4, 4, 3)),
    "sequences": along_time, "temporal shift": temporal_shift,
    "repeat": resized(scales=floats(1, 1, 2, 3, 1), mode="nearest"),
    "nearest, asymmetric": resized(scales=floats(1, 1, 1, 1.5, 2.5), mode="nearest",
                                   coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    "linear": resized(scales=floats(1, 1, 2, 2, 1.5), mode="linear"),
    "linear, aligned": resized(ints(1, 4, 9, 12, 3), mode="linear", coordinate_transformation_mode="align_corners"),
    "linear, smaller": resized(ints(1, 4, 3, 4, 1), mode="linear",
                               coordinate_transformation_mode="pytorch_half_pixel"),
    "to the size of another": upsampled_to,
    "pad": one("Pad", ints(0, 0, 1, 0, 2, 0, 0, 0, 1, 1)),
    "pad with a value": one("Pad", ints(0, 0, 1, 0, 2, 0, 0, 0, 1, 1), np.float32(-0.5)),
    "pad with the edge": one("Pad", ints(0, 0, 1, 0, 2, 0, 0, 0, 1, 1), mode="edge"),
    "pad by reflection": one("Pad", ints(0, 0, 1, 0, 2, 0, 0, 0, 1, 1), mode="reflect"),
    "crop by padding": one("Pad", ints(0, 0, -1, 0, 2, 0, 0, 0, -2, 1)),
    "slice": one("Slice", ints(1, -3), ints(6, 2**62), ints(3, 4)),
    "every second": one("Slice", ints(1, 0), ints(2**62, 7), ints(2, 4), ints(2, 3)),
    "channels": one("Slice", ints(1), ints(3), ints(1)),
    "split": lambda graph, value: graph.add("Concat", *graph.add("Split", value, ints(1, 3), outputs=2, axis=1)[::-1],
                                            axis=1),
    "gather frames": one("Gather", ints(0, 2, 5), axis=2), "gather every second": one("Gather", ints(0, 2, 4), axis=2),
    "one frame": lambda graph, value: graph.add("Unsqueeze", graph.add("Gather", value, np.array(3), axis=2), ints(2)),
    "tile": one("Tile", ints(1, 2, 1, 1, 1)),
    "expand": lambda graph, value: graph.add("Expand", graph.add("ReduceMean", value, axes=[2]), ints(1, 4, 6, 8, 7)),
    "identity, dropout and cast": lambda graph, value: graph.add(
        "Cast", graph.add("Dropout", graph.add("Identity", value)), to=1),
    "weights in the graph": weights_in_the_graph,
}  # fmt: skip

OF_VERSION: dict[str, tuple[int, Make]] = {
    "gelu": (20, one("Gelu")),
    "gelu by tanh, one node": (20, one("Gelu", approximate="tanh")),
    "group norm of 18": (18, normalised("GroupNormalization", 2, num_groups=2, epsilon=0.1)),
    "group norm of 21": (21, normalised("GroupNormalization", 4, num_groups=2, epsilon=0.1)),
    "mean of 18": (18, one("ReduceMean", ints(2, 3, 4))),
    "axes of 18": (18, one("Pad", ints(1, 2, 0, 1), None, ints(2, -1))),
    "resize of 18": (18, resized(ints(12, 14), axes=[2, 4], mode="nearest")),
    "split of 18": (18, lambda graph, value: graph.add(
        "Add", *graph.add("Split", value, outputs=2, axis=1, num_outputs=2))),
    "max pool of 19": (19, pool("MaxPool", (3, 2, 3), strides=[2, 3, 2], ceil_mode=1)),
    "softmax of 11": (11, lambda graph, value: graph.add(
        "Softmax", graph.add("Flatten", graph.add("GlobalMaxPool", value)))),
    "upsample of 9": (9, one("Upsample", floats(1, 1, 2, 1, 3), mode="nearest")),
    "settings of 9": (9, lambda graph, value: graph.add("Slice", graph.add("Clip", graph.add(
        "Pad", value, pads=[0, 0, 1, 0, 0, 0, 0, 1, 0, 0]), min=0.0, max=0.5),
        starts=[1, 0], ends=[5, 6], axes=[2, 3])),
    "squeeze of 9": (9, lambda graph, value: graph.add("Squeeze", graph.add("GlobalMaxPool", value), axes=[2, 3, 4])),
    "sum of 11": (11, one("ReduceSum", axes=[2, 3])),
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted({17, *(version for version, _ in OF_VERSION.values())}))
def version(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="module")
def differences(version: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """For every operator of a version, how far the layer behind it is from onnxruntime's; all are in one network."""
    makes = MAKES if version == 17 else {name: make for name, (of, make) in OF_VERSION.items() if of == version}
    graph = Graph(opset=version)
    clip = graph.conv("input", 3, 4)
    ends = {name: finished(graph, make(graph, clip)) for name, make in makes.items()}
    path = graph.save(tmp_path_factory.mktemp("operators") / "model.onnx", *ends.values())
    imported = reader.read(path)
    assert imported.left_out == "", imported.left_out
    network = network_of(imported)
    layers = {address.name: layer for layer, address in imported.addresses.items()}
    names = {name: layers[end] for name, end in ends.items()}
    clip = random_clips(network)[0]
    theirs = OnnxReference(path).responses(clip, [imported.addresses[layer] for layer in names.values()])
    ours = network.responses(clip)
    return {name: difference(ours[names[name]], each) for name, each in zip(names, theirs, strict=True)}


def test_every_operator_of_a_version(differences: dict[str, float]) -> None:
    assert {name: apart for name, apart in differences.items() if not apart <= 1e-3} == {}


GRADIENTS = ("conv, asymmetric pads", "conv, dilation", "conv, groups and strides", "conv, depthwise with a dilation",
             "transposed, pads and output padding", "instance norm", "layer norm over the channels", "elu", "prelu",
             "mish", "max pool, ceil and pads", "average pool, ceil and pads", "squeeze and excitation",
             "spatial attention", "pixel shuffle", "to the size of another", "pad with the edge", "every second",
             "gather frames", "tile", "quotient", "temporal shift")  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_steps_of_a_search_compute_the_same(name: str, tmp_path: Path) -> None:
    """Responses and gradients of the raw operations, against the Keras layers that were proved."""
    graph = Graph()
    finished(graph, MAKES[name](graph, graph.conv("input", 3, 4, strides=[1, 1, 1])))
    _, network = assert_proved(graph.save(tmp_path / "model.onnx"))
    assert_same(network, network.layers[-1], (6, 8, 7))
