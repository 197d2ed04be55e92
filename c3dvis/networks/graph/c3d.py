"""C3D (Tran et al. 2015, arXiv:1412.0767), trained on Sports-1M, with the published layer table."""

from c3dvis.networks.graph.architecture import Architecture, Op

NUM_CLASSES = 487

# Caffe pools in ceil mode with clipped windows, which is padding after the last row and column only.
CAFFE_POOL5 = ((0, 0), (0, 1), (0, 1))

# The layer table that Keras ports publish pads on both sides: the same shapes, other windows, other values.
TABLE_POOL5 = ((0, 0), (1, 1), (1, 1))
POOL5_PADDINGS = {"caffe": CAFFE_POOL5, "table": TABLE_POOL5}

# What the layers are called in Caffe's file and in those made from it.
ALIASES = {
    "conv1a": "conv1", "conv2a": "conv2",
    "fc6-1": "fc6", "fc7-1": "fc7", "fc8-1": "fc8",
}  # fmt: skip

# B, G, R: mean of the clip cube that is subtracted before the network, over the centre crop of 112×112.
MEAN_BGR = (95.13, 102.86, 107.75)

# Frames are resized to 128×171 (height×width) and cut to these rows and columns.
CROP = ((128, 171), (8, 120), (29, 141))


def architecture(pool5_padding: str = "caffe") -> Architecture:
    """C3D from the clip to the class scores before softmax.

    Args:
        pool5_padding: `caffe`, what the network was trained with, or `table`, what the published table of its Keras
            ports has. Convolutions are the same in both; fc6, fc7, fc8 are not.
    """

    def conv(name: str, source: str, filters: int) -> Op:
        return Op(name, "conv", (source,), filters, (3, 3, 3))

    def pool(name: str, source: str, frames: int) -> Op:
        return Op(name, "max_pool", (source,), kernel=(frames, 2, 2), strides=(frames, 2, 2), padding="valid")

    ops = (
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
        Op("zero_padding", "pad", ("conv5b",), pads=POOL5_PADDINGS[pool5_padding]),
        pool("pool5", "zero_padding", 2),
        Op("flatten", "flatten", ("pool5",)),
        Op("fc6", "dense", ("flatten",), 4096),
        Op("dropout_1", "dropout", ("fc6",)),
        Op("fc7", "dense", ("dropout_1",), 4096),
        Op("dropout_2", "dropout", ("fc7",)),
        Op("fc8", "dense", ("dropout_2",), NUM_CLASSES, relu=False),
    )
    return Architecture("c3d-sports1m", ops, aliases=ALIASES)
