"""The layout of kernels in a file: how to infer it from shapes, and how to convert a kernel to TensorFlow's layout.

c3dvis uses TensorFlow's layout: a convolution cross-correlates the clip with a kernel (T, H, W, in, out), and the rows
of a dense kernel (in, out) are in the order of a flattened (t, h, w, channel) volume.

    Keras on TensorFlow   (T, H, W, in, out), not flipped   (in, out), channels last
    Keras on Theano       (out, in, T, H, W), flipped       (in, out), channels first
    Caffe, PyTorch        (out, in, T, H, W), not flipped   (out, in), channels first
"""

from dataclasses import dataclass

import numpy as np

from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.graph.operations import Conv, Dense, Weighted

CHANNELS_LAST, CHANNELS_FIRST = "channels last", "channels first"


@dataclass(frozen=True)
class Layout:
    """The layout of the kernels in a file.

    Args:
        conv: order of the axes of a convolution kernel, `THWIO` or `OITHW`.
        dense: order of the axes of a dense kernel, `IO` or `OI`.
        flat: order of the axes of the volume that is flattened before the first dense layer.
        flipped: whether convolution kernels are flipped on T, H and W, as a true convolution uses them.
    """

    conv: str
    dense: str
    flat: str
    flipped: bool

    def __str__(self) -> str:
        axes = "(T,H,W,in,out)" if self.conv == "THWIO" else "(out,in,T,H,W)"
        turned = "flipped on T,H,W" if self.flipped else "not flipped"
        return f"convolutions {axes}, {turned}; dense {'(in,out)' if self.dense == 'IO' else '(out,in)'}, {self.flat}"

    def to_tensorflow(self, op: Operation, kernel: np.ndarray, volume: tuple[int, ...] | None = None) -> np.ndarray:
        """A kernel of the file in TensorFlow's layout, float32.

        Args:
            op: the operation that the kernel belongs to.
            kernel: in the layout of the file.
            volume: shape (t, h, w, channels) of the volume that is flattened before a dense layer, else None.
        """
        with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite; `WeightsFile` refuses it
            kernel = kernel.astype(np.float32, copy=False)
        if isinstance(op, Conv):
            if self.conv == "OITHW":
                kernel = kernel.transpose(2, 3, 4, 1, 0)
            if self.flipped:
                kernel = kernel[::-1, ::-1, ::-1]
        elif isinstance(op, Dense):
            if self.dense == "OI":
                kernel = kernel.T
            if volume and self.flat == CHANNELS_FIRST:
                t, h, w, channels = volume
                kernel = kernel.reshape(channels, t, h, w, -1).transpose(1, 2, 3, 0, 4).reshape(kernel.shape)
        return np.ascontiguousarray(kernel)


TENSORFLOW = Layout("THWIO", "IO", CHANNELS_LAST, False)


def stored_orders(op: Weighted) -> tuple[str, ...]:
    """The axis orders that files use for the kernel of an operation."""
    others = ("OITHW",) if isinstance(op, Conv) else ("OI",) if isinstance(op, Dense) else ()
    return (op.kernel_axes, *others)


def stored_shape(op: Weighted, inputs: int, order: str) -> tuple[int, ...]:
    """Shape of a kernel with the axis order `order`."""
    sizes = dict(zip(op.kernel_axes, op.kernel_shape(inputs), strict=True))
    return tuple(sizes[axis] for axis in order)


def infer(
    orders: dict[str, set[str]], architecture: Architecture, flipped: bool | None, by_keras: bool = False
) -> Layout | None:
    """The layout that fits the shapes of all layers, or None if there is none.

    Args:
        orders: for each layer in the file, the axis orders that the shape of its kernel allows.
        architecture: the network.
        flipped: whether kernels are flipped in this file format, or None if the format does not tell.
        by_keras: whether Keras wrote the file.
    """
    convolutions, dense = (  # other operations have one order
        [allowed for name, allowed in orders.items() if isinstance(architecture.by_name[name], kind)]
        for kind in (Conv, Dense)
    )
    conv = set.intersection({"THWIO", "OITHW"}, *convolutions)
    flat = set.intersection({"IO", "OI"}, *dense)
    if not conv or not flat:
        return None
    order = "THWIO" if "THWIO" in conv else "OITHW"
    if len(flat) == 2:  # no dense layer, or only square ones: take the order that is usual beside these convolutions
        flat = {"IO"} if order == "THWIO" or flipped or by_keras else {"OI"}
    rows = flat.pop()
    if flipped is None:  # only Keras on Theano wrote (out,in,T,H,W), and only it did so beside (in,out)
        flipped = order == "OITHW" and (by_keras or (bool(dense) and rows == "IO"))
    return Layout(order, rows, CHANNELS_LAST if order == "THWIO" else CHANNELS_FIRST, flipped)
