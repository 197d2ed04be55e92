"""Inception-I3D (Carreira and Zisserman 2017, arXiv:1705.07750), RGB, trained on Kinetics-400.

Layer names are those of the weights file. Every convolution is followed by BatchNorm (folded into it when the
weights are read) and a ReLU, except for the last one, whose outputs are the class scores.
"""

from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU, Operation
from c3dvis.networks.graph.operations import AveragePool, Concat, Conv, MaxPool

NUM_CLASSES = 400

# Output channels of Branch_0, Branch_1 (1×1, 3×3), Branch_2 (1×1, 3×3), Branch_3
_MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def _conv(name: str, source: str, filters: int, size: int, stride: int = 1) -> Conv:
    return Conv(name, (source,), filters, (size, size, size), (stride, stride, stride), activation=RELU)


def _mixed(name: str, source: str) -> list[Operation]:
    b0, b1a, b1b, b2a, b2b, b3 = _MIXED[name]
    pool = MaxPool(f"{name}/Branch_3/MaxPool3d_0a_3x3", (source,), (3, 3, 3))
    operations: list[Operation] = [
        _conv(f"{name}/Branch_0/Conv3d_0a_1x1", source, b0, 1),
        _conv(f"{name}/Branch_1/Conv3d_0a_1x1", source, b1a, 1),
        _conv(f"{name}/Branch_1/Conv3d_0b_3x3", f"{name}/Branch_1/Conv3d_0a_1x1", b1b, 3),
        _conv(f"{name}/Branch_2/Conv3d_0a_1x1", source, b2a, 1),
        _conv(f"{name}/Branch_2/Conv3d_0b_3x3", f"{name}/Branch_2/Conv3d_0a_1x1", b2b, 3),
        pool,
        _conv(f"{name}/Branch_3/Conv3d_0b_1x1", pool.name, b3, 1),
    ]
    ends = tuple(operations[index].name for index in (0, 2, 4, 6))
    return [*operations, Concat(name, ends)]


def architecture() -> Architecture:
    """Inception-I3D from the clip to the class scores before softmax."""
    operations = [
        _conv("Conv3d_1a_7x7", "input", 64, 7, 2),
        MaxPool("MaxPool3d_2a_3x3", ("Conv3d_1a_7x7",), (1, 3, 3), (1, 2, 2)),
        _conv("Conv3d_2b_1x1", "MaxPool3d_2a_3x3", 64, 1),
        _conv("Conv3d_2c_3x3", "Conv3d_2b_1x1", 192, 3),
        MaxPool("MaxPool3d_3a_3x3", ("Conv3d_2c_3x3",), (1, 3, 3), (1, 2, 2)),
        *_mixed("Mixed_3b", "MaxPool3d_3a_3x3"),
        *_mixed("Mixed_3c", "Mixed_3b"),
        MaxPool("MaxPool3d_4a_3x3", ("Mixed_3c",), (3, 3, 3), (2, 2, 2)),
        *_mixed("Mixed_4b", "MaxPool3d_4a_3x3"),
        *_mixed("Mixed_4c", "Mixed_4b"),
        *_mixed("Mixed_4d", "Mixed_4c"),
        *_mixed("Mixed_4e", "Mixed_4d"),
        *_mixed("Mixed_4f", "Mixed_4e"),
        MaxPool("MaxPool3d_5a_2x2", ("Mixed_4f",), (2, 2, 2), (2, 2, 2)),
        *_mixed("Mixed_5b", "MaxPool3d_5a_2x2"),
        *_mixed("Mixed_5c", "Mixed_5b"),
        AveragePool("Logits/AvgPool3d_0a_7x7", ("Mixed_5c",), (2, 7, 7), padding="valid"),
        Conv("Logits/Conv3d_0c_1x1", ("Logits/AvgPool3d_0a_7x7",), NUM_CLASSES),
    ]
    return Architecture("i3d-kinetics400", tuple(operations))
