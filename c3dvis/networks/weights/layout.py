"""How a file lays out its kernels, told from shapes and, where those cannot tell, from values; and the way back.

The program's own layout is TensorFlow's: kernels (T, H, W, in, out) that are correlated with the clip, dense kernels
(in, out) whose rows follow a flattened (t, h, w, channel) volume.

    Keras on TensorFlow   (T, H, W, in, out), correlated    (in, out), channels last
    Keras on Theano       (out, in, T, H, W), flipped       (in, out), channels first
    Caffe, PyTorch        (out, in, T, H, W), correlated    (out, in), channels first
"""

from dataclasses import dataclass, replace

import numpy as np

from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.operation import Operation
from c3dvis.networks.graph.operations import Conv, Dense, Weighted

LAST, FIRST = "channels last", "channels first"


@dataclass(frozen=True)
class Layout:
    """A file's layout.

    Args:
        conv: order of a convolution's axes, `THWIO` or `OITHW`.
        dense: order of a dense kernel's axes, `IO` or `OI`.
        flat: order of the volume that the first dense layer's inputs were flattened from.
        flipped: whether kernels are stored turned round on T, H and W, as true convolution uses them.
    """

    conv: str
    dense: str
    flat: str
    flipped: bool

    def __str__(self) -> str:
        axes = "(T,H,W,in,out)" if self.conv == "THWIO" else "(out,in,T,H,W)"
        turned = "flipped on T,H,W" if self.flipped else "not flipped"
        return f"convolutions {axes}, {turned}; dense {'(in,out)' if self.dense == 'IO' else '(out,in)'}, {self.flat}"

    def to_own(self, op: Operation, kernel: np.ndarray, volume: tuple[int, ...] | None = None) -> np.ndarray:
        """The kernel in the program's layout, float32.

        Args:
            kernel: as stored.
            volume: shape (t, h, w, channels) of what is flattened before a dense layer, if that is so.
        """
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused by the reader
            kernel = kernel.astype(np.float32, copy=False)
        if isinstance(op, Conv):
            if self.conv == "OITHW":
                kernel = kernel.transpose(2, 3, 4, 1, 0)
            if self.flipped:
                kernel = kernel[::-1, ::-1, ::-1]
        elif isinstance(op, Dense):
            if self.dense == "OI":
                kernel = kernel.T
            if volume and self.flat == FIRST:
                t, h, w, channels = volume
                kernel = kernel.reshape(channels, t, h, w, -1).transpose(1, 2, 3, 0, 4).reshape(kernel.shape)
        return np.ascontiguousarray(kernel)

    def from_own(self, op: Operation, kernel: np.ndarray, volume: tuple[int, ...] | None = None) -> np.ndarray:
        """The inverse of `to_own`."""
        if isinstance(op, Conv):
            kernel = kernel[::-1, ::-1, ::-1] if self.flipped else kernel
            kernel = kernel.transpose(4, 3, 0, 1, 2) if self.conv == "OITHW" else kernel
        elif isinstance(op, Dense):
            if volume and self.flat == FIRST:
                kernel = kernel.reshape(*volume, -1).transpose(3, 0, 1, 2, 4).reshape(kernel.shape)
            kernel = kernel.T if self.dense == "OI" else kernel
        return np.ascontiguousarray(kernel)

    def with_flat(self, flat: str) -> "Layout":
        """The same, with another order of the flattened volume."""
        return replace(self, flat=flat)


OWN = Layout("THWIO", "IO", LAST, False)
THEANO = Layout("OITHW", "IO", FIRST, True)
CAFFE = Layout("OITHW", "OI", FIRST, False)
TORCH = CAFFE


def stored_orders(op: Weighted) -> tuple[str, ...]:
    """The orders in which files store the axes of an operation's kernel."""
    others = ("OITHW",) if isinstance(op, Conv) else ("OI",) if isinstance(op, Dense) else ()
    return (op.kernel_axes, *others)


def stored_shape(op: Weighted, inputs: int, order: str) -> tuple[int, ...]:
    """Shape of a kernel whose axes are stored in `order`."""
    sizes = dict(zip(op.kernel_axes, op.kernel_shape(inputs), strict=True))
    return tuple(sizes[axis] for axis in order)


def infer(orders: dict[str, set[str]], architecture: Architecture, flipped: bool | None) -> Layout | None:
    """The one layout that fits every layer, or None.

    Args:
        orders: for each layer found, the axis orders that its kernel's shape allows.
        flipped: what the format says of its kernels, or None.
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
    if len(flat) == 2:  # no dense layer, or square ones alone: the usual company of this order
        flat = {"IO"} if order == "THWIO" or flipped else {"OI"}
    rows = flat.pop()
    if flipped is None:  # (out,in,T,H,W) beside (in,out) is what Keras on Theano wrote, and nobody else
        flipped = bool(dense) and order == "OITHW" and rows == "IO"
    return Layout(order, rows, LAST if order == "THWIO" else FIRST, flipped)
