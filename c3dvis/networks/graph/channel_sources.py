"""Which filter makes a channel: the graph is followed from an operation's input back to the layer that computed it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import Operation, Shape

_NEVER_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softplus", "softmax", "exponential")
_KEEP_THE_SIGN = (ops.MaxPool, ops.AveragePool, ops.GlobalAveragePool, ops.GlobalMaxPool, ops.Pad, ops.Crop,
                  ops.Upsample, ops.Dropout, ops.ReshapeToVolume, ops.Flatten, ops.Concat)  # fmt: skip


@dataclass(frozen=True)
class ChannelSource:
    """The filter that makes one channel of an operation's output.

    Attributes:
        layer: the layer that computes it: a convolution, a dense layer or an element-wise join; `input` is the clip.
        filter: number of the filter in that layer; of the clip, number of the channel.
        joined: (layer, filter) under which a block that joins branches has the same filter, or None.
        via: names of the operations between, from the layer on.
        scale: product of the factors of the normalisations between.
        never_negative: whether the channel's values are 0 or more, whatever the clip.
    """

    layer: str
    filter: int
    joined: tuple[str, int] | None = None
    via: tuple[str, ...] = ()
    scale: float = 1.0
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
    those of its branches: behind them the filter is still the same. A normalisation multiplies each channel. An
    element-wise join (a sum, for example) is a layer with filters of its own: the search ends there.

    Args:
        architecture: of the network.
        shapes: of every operation's output, from `Architecture.shapes`.
        name: of an operation, or `input`.
        channel: of its output; of a flattened volume, the index in the vector.
        factor: gives the factors (channels,) of an `ops.Scale` by its name.
    """
    op = architecture.by_name.get(name)
    if op is None:
        return ChannelSource(name, channel)
    if isinstance(op, ops.Merge) or (isinstance(op, ops.Weighted) and not isinstance(op, ops.Scale)):
        return ChannelSource(name, channel, never_negative=_is_rectified(op))
    below, inner, scale = op.inputs[0], channel, 1.0
    if isinstance(op, ops.Concat):
        for below in op.inputs:
            if inner < shapes[below][-1]:
                break
            inner -= shapes[below][-1]
    elif isinstance(op, ops.Flatten):
        inner = channel % shapes[below][-1]
    elif isinstance(op, ops.Scale):
        scale = float(factor(name)[channel])
    found = channel_source(architecture, shapes, below, inner, factor)
    kept = found.never_negative and isinstance(op, _KEEP_THE_SIGN)
    is_block = isinstance(op, ops.Concat) and op.activation is None
    through = found.via if is_block else (*found.via, name)
    joined = (name, channel) if is_block and not found.via else found.joined
    return replace(
        found, joined=joined, via=through, scale=found.scale * scale, never_negative=kept or _is_rectified(op)
    )


def _is_rectified(op: Operation) -> bool:
    return op.activation is not None and op.activation.function in _NEVER_NEGATIVE
