"""C3D (Tran et al. 2015, arXiv:1412.0767), trained on Sports-1M, with the published layer table."""

from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU
from c3dvis.networks.graph.operations import Conv, Dense, Dropout, Flatten, MaxPool, Pad

NUM_CLASSES = 487

# Caffe rounds the number of pooling windows up and clips them: padding after the last row and column only.
CAFFE_POOL5 = ((0, 0), (0, 1), (0, 1))

# The layer table that Keras ports publish pads on both sides: the same shapes, other windows, other values.
TABLE_POOL5 = ((0, 0), (1, 1), (1, 1))
POOL5_PADDINGS = {"caffe": CAFFE_POOL5, "table": TABLE_POOL5}

# The names of layers in Caffe's file and in files converted from it.
ALIASES = {
    "conv1a": "conv1", "conv2a": "conv2",
    "fc6-1": "fc6", "fc7-1": "fc7", "fc8-1": "fc8",
}  # fmt: skip

# (B, G, R): mean over the centre crop of 112×112 of the clip that is subtracted from the network's input.
MEAN_BGR = (95.13, 102.86, 107.75)

# Frames are resized to 128×171 (height×width) and cropped to these rows and columns.
CROP = ((128, 171), (8, 120), (29, 141))


def architecture(pool5_padding: str = "caffe") -> Architecture:
    """C3D from the clip to the class scores before softmax.

    Args:
        pool5_padding: `caffe`, with which the network was trained, or `table`, as in the published layer table of its
            Keras ports. The choice changes the responses of fc6, fc7 and fc8, and of no convolution.
    """

    def conv(name: str, source: str, filters: int) -> Conv:
        return Conv(name, (source,), filters, (3, 3, 3), activation=RELU)

    def pool(name: str, source: str, frames: int) -> MaxPool:
        return MaxPool(name, (source,), (frames, 2, 2), (frames, 2, 2), "valid")

    operations = (
        conv("conv1", "input", 64),
        pool("pool1", "conv1", 1),
        conv("conv2", "pool1", 128),
        pool("pool2", "conv2", 2),
        conv("conv3a", "pool2", 256),
        conv("conv3b", "conv3a", 256),
        pool("pool3", "conv3b", 2),
        conv("conv4a", "pool3", 512),
        conv("conv4b", "conv4a", 512),
        pool("pool4", "conv4b", 2),
        conv("conv5a", "pool4", 512),
        conv("conv5b", "conv5a", 512),
        Pad("zero_padding", ("conv5b",), POOL5_PADDINGS[pool5_padding]),
        pool("pool5", "zero_padding", 2),
        Flatten("flatten", ("pool5",)),
        Dense("fc6", ("flatten",), 4096, activation=RELU),
        Dropout("dropout_1", ("fc6",)),
        Dense("fc7", ("dropout_1",), 4096, activation=RELU),
        Dropout("dropout_2", ("fc7",)),
        Dense("fc8", ("dropout_2",), NUM_CLASSES),
    )
    return Architecture("c3d-sports1m", operations, aliases=ALIASES)
