"""Which filter makes a channel: the graph is followed from an operation's input back to the layer that computed it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import Operation, Shape

_NEVER_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softplus", "softmax", "exponential", "abs", "square",
                   "sqrt")  # fmt: skip
_KEEP_THE_SIGN = (ops.MaxPool, ops.AveragePool, ops.GlobalAveragePool, ops.GlobalMaxPool, ops.Reduce, ops.Crop,
                  ops.Take, ops.Rearrange, ops.Upsample, ops.Resize, ops.Dropout, ops.ReshapeToVolume, ops.Flatten,
                  ops.Concat)  # fmt: skip


class NoSource(Exception):
    """A channel is made of several others by an operation that is no layer.

    Attributes:
        operation: its name.
    """

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


@dataclass(frozen=True)
class ChannelSource:
    """The filter that makes one channel of an operation's output.

    Attributes:
        layer: the layer that computes it: a convolution, a dense layer or an element-wise join; `input` is the clip.
        filter: number of the filter in that layer; of the clip, number of the channel.
        joined: (layer, filter) under which a block that joins branches has the same filter, or None.
        via: names of the operations between, from the layer on.
        scale: product of the factors of the normalisations between.
        normalised: whether one of them brings the channel to variance 1 on the clip that it sees; `scale` is then by
            the channel's standard deviation.
        never_negative: whether the channel's values are 0 or more, whatever the clip.
    """

    layer: str
    filter: int
    joined: tuple[str, int] | None = None
    via: tuple[str, ...] = ()
    scale: float = 1.0
    normalised: bool = False
    never_negative: bool = False


def channel_source(
    architecture: Architecture,
    shapes: Mapping[str, Shape],
    name: str,
    channel: int,
    factor: Callable[[str], "list[float]"],
) -> ChannelSource:
    """The filter that makes a channel.

    Pooling, padding, cropping, dropout and activation functions keep the channels apart, and a concatenation lines up
    those of its branches: behind them the filter is still the same. A normalisation multiplies each channel. What
    chooses or shuffles channels is followed. An element-wise join (a sum, for example) is a layer with filters of its
    own: the search ends there.

    Args:
        architecture: of the network.
        shapes: of every operation's output, from `Architecture.shapes`.
        name: of an operation, or `input`.
        channel: of its output; of a flattened volume, the index in the vector.
        factor: gives the factors (channels,) of an `ops.PerChannel` by its name.

    Raises:
        NoSource: the channel is made of several others by an operation that is no layer.
    """
    op = architecture.by_name.get(name)
    if op is None:
        return ChannelSource(name, channel)
    if isinstance(op, ops.Merge) or (isinstance(op, ops.Weighted) and not isinstance(op, ops.PerChannel)):
        return ChannelSource(name, channel, never_negative=_is_rectified(op))
    if isinstance(op, ops.Constant):
        raise NoSource(name)
    below, inner, scale = op.inputs[0], channel, 1.0
    shape = shapes[below]
    if isinstance(op, ops.Concat):
        for below in op.inputs:
            if inner < shapes[below][-1]:
                break
            inner -= shapes[below][-1]
    elif isinstance(op, ops.Flatten):
        inner = channel % shape[-1]
    elif isinstance(op, ops.Take | ops.Rearrange):
        source = op.source_channel(channel, shape[-1])
        if source is None:
            raise NoSource(name)
        inner = source
    elif isinstance(op, ops.Reduce):
        if "c" in op.axes:
            raise NoSource(name)
        if op.function == "sum":
            scale = float(math.prod(shape[index] for index in op.indices(len(shape))))
    elif isinstance(op, ops.PerChannel) and not isinstance(op, ops.PRelu):
        scale = float(factor(name)[channel])
    found = channel_source(architecture, shapes, below, inner, factor)
    kept = found.never_negative and (
        isinstance(op, _KEEP_THE_SIGN) or (isinstance(op, ops.Pad) and (op.mode != "constant" or op.value >= 0))
    )
    normalised = found.normalised or isinstance(op, ops.GroupNorm | ops.LayerNorm)
    is_block = isinstance(op, ops.Concat) and op.activation is None
    through = found.via if is_block else (*found.via, name)
    joined = (name, channel) if is_block and not found.via else found.joined
    return replace(
        found, joined=joined, via=through, scale=found.scale * scale, normalised=normalised,
        never_negative=kept or _is_rectified(op),
    )  # fmt: skip


def _is_rectified(op: Operation) -> bool:
    activation = op.activation
    if activation is None:
        return False
    bounded = activation.function == "clip" and activation.low is not None and activation.low >= 0
    return bounded or activation.function in _NEVER_NEGATIVE
