"""The wiring of a filter: its kernel, and the filters of earlier layers that excite and inhibit it.

Everything here is a property of the network's weights alone; no clip is involved. After Voss et al. 2021, Visualizing
Weights, https://distill.pub/2020/circuits/visualizing-weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from cachetools import LRUCache, cached

from c3dvis.errors import InvalidSpec, WeightsMissing
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Shape
from c3dvis.networks.graph.channel_sources import ChannelSource, NoSource, channel_source
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.installed_weights import Weights

__all__ = ["ChannelSource", "NoKernel", "Wiring", "WiringInput", "wiring"]

_KEPT = 64


class NoKernel(InvalidSpec):
    """A filter has no kernel of its own.

    Attributes:
        parts: the filters that it is made of.
    """

    def __init__(self, message: str, parts: tuple[ChannelSource, ...]) -> None:
        super().__init__(message)
        self.parts = parts


@dataclass(frozen=True, eq=False)
class WiringInput:
    """One input of a filter's kernel.

    Attributes:
        source: the filter that it comes from.
        weights: (t, h, w) float32, its part of the kernel.
        strength: the sum of the weights: how much the filter's response changes per unit of the input where the input
            is the same everywhere. Above 0 the input excites the filter, below 0 it inhibits it.
        norm: root of the sum of the squared weights.
    """

    source: ChannelSource
    weights: np.ndarray

    @cached_property
    def strength(self) -> float:
        return float(self.weights.sum(dtype=np.float64))

    @cached_property
    def norm(self) -> float:
        return float(np.linalg.norm(self.weights.astype(np.float64)))


@dataclass(frozen=True, eq=False)
class Wiring:
    """The kernel of one filter, and where its inputs come from.

    Attributes:
        network, layer, filter: as asked for.
        made_by: the convolution or dense layer that computes the filter, with the filter's number there: another
            layer's if `layer` is a block that joins branches.
        kernel: (t, h, w, inputs) float32, in the order in which the layer reads frames, rows and columns; with the
            normalisations after the convolution, and those between it and the filters that it reads.
        dilation: distance of neighbouring taps in frames, rows and columns of the layer's input.
        inputs: in the order of the kernel's last axis.
    """

    network: str
    layer: str
    filter: int
    made_by: ChannelSource
    kernel: np.ndarray
    dilation: tuple[int, int, int]
    inputs: tuple[WiringInput, ...]

    @property
    def is_relative(self) -> bool:
        """Whether a strength is by the standard deviation of the input, since a normalisation stands between."""
        return any(each.source.normalised for each in self.inputs) or self.made_by.normalised

    @property
    def reads_the_clip(self) -> bool:
        """Whether the inputs are the colour channels of the clip."""
        return all(each.source.layer == "input" for each in self.inputs)

    @property
    def norm_over_inputs(self) -> np.ndarray:
        """(t, h, w) float32: the norm of the kernel over its inputs."""
        return np.linalg.norm(self.kernel, axis=-1)

    def exciting(self, count: int) -> tuple[WiringInput, ...]:
        """The inputs with the highest strength above 0, the highest first."""
        ranked = sorted(self.inputs, key=lambda each: -each.strength)
        return tuple(each for each in ranked[:count] if each.strength > 0)

    def inhibiting(self, count: int) -> tuple[WiringInput, ...]:
        """The inputs with the lowest strength below 0, the lowest first."""
        ranked = sorted(self.inputs, key=lambda each: each.strength)
        return tuple(each for each in ranked[:count] if each.strength < 0)


def wiring(info: NetworkInfo, layer: str, filter: int, weights: Weights | None = None) -> Wiring:  # noqa: A002
    """The wiring of a filter.

    Args:
        info: the network.
        layer: a name from `info.layers`.
        filter: number of the filter in that layer.
        weights: of the network; None reads its weights file, and keeps the wiring for the next call.

    Raises:
        UnknownLayer: no such layer.
        InvalidSpec: the layer has no such filter.
        NoKernel: the filter is an element-wise join of other filters or a channel of the clip, or its inputs are made
            of several filters each.
        WeightsMissing, WeightsDamaged: the weights are not on this machine, or cannot be used.
    """
    if info.code:
        raise NoKernel(
            f"c3dvis does not know how the layers of {info.name} are joined: its own code computes them. Take a "
            "network that was added from a model's file.",
            (),
        )
    if weights is not None:
        return _wiring(info, layer, filter, weights)
    return _installed(info, layer, filter, installed_weights.fingerprint(info))


@cached(LRUCache(_KEPT), key=lambda info, *rest: (info.name, *rest), lock=Lock())
def _installed(info: NetworkInfo, layer: str, number: int, fingerprint: str) -> Wiring:
    """Cached by the fingerprint, which changes with the weights, and by name: networks may share a fingerprint."""
    return _wiring(info, layer, number, installed_weights.read(info))


def _wiring(info: NetworkInfo, layer: str, number: int, weights: Weights) -> Wiring:
    info.architecture.check_layer(layer)
    shapes = info.architecture.shapes(*info.trained_size)
    if not 0 <= number < shapes[layer][-1]:
        raise InvalidSpec(f"{layer} of {info.name} has filters 0 to {shapes[layer][-1] - 1}; received filter {number}.")
    trace = _Trace(info, shapes, weights)
    try:
        return _traced(info, layer, number, weights, shapes, trace)
    except NoSource as error:
        raise NoKernel(
            f"The inputs of filter {number} of {layer} cannot be named one by one: {error.operation} makes each of "
            "them of several filters. Take the wiring of a layer before it.",
            (),
        ) from None


def _traced(
    info: NetworkInfo, layer: str, number: int, weights: Weights, shapes: Mapping[str, Shape], trace: "_Trace"
) -> Wiring:
    made_by = trace.source(layer, number)
    op = info.architecture.by_name.get(made_by.layer)
    if not isinstance(op, ops.Weighted):
        raise _no_kernel(info, trace, layer, number, made_by)
    kernel = _of(info, weights, op.name)[0]
    volume, channels = _kernel_of(op, kernel, made_by.filter)
    sources = [trace.source(op.inputs[0], channel) for channel in channels]
    effective = volume * np.array([source.scale for source in sources], np.float32) * np.float32(made_by.scale)
    if flattened := _flattened(info, op, shapes):  # each filter of the volume has one weight for every position
        effective, sources = effective.reshape(flattened), sources[: flattened[3]]
    effective.setflags(write=False)
    inputs = tuple(WiringInput(source, effective[..., index]) for index, source in enumerate(sources))
    dilation = op.dilation if isinstance(op, ops.Conv) else (1, 1, 1)
    return Wiring(info.name, layer, number, made_by, effective, dilation, inputs)


class _Trace:
    """Finds the sources of channels in one network with its weights."""

    def __init__(self, info: NetworkInfo, shapes: Mapping[str, Shape], weights: Weights) -> None:
        self._info, self.shapes, self._weights = info, shapes, weights
        self._factors: dict[str, list[float]] = {}

    def source(self, name: str, channel: int) -> ChannelSource:
        return channel_source(self._info.architecture, self.shapes, name, channel, self._factor)

    def _factor(self, name: str) -> list[float]:
        if name not in self._factors:
            self._factors[name] = _of(self._info, self._weights, name)[0].tolist()
        return self._factors[name]


def _of(info: NetworkInfo, weights: Weights, name: str) -> tuple[np.ndarray, np.ndarray]:
    if name not in weights:
        raise WeightsMissing(
            f"The weights file of {info.name} holds nothing for {name}: expected a file of the whole network. "
            "Choose a layer that it has, or bring a whole file."
        )
    return weights[name]


def _kernel_of(op: ops.Weighted, kernel: np.ndarray, number: int) -> tuple[np.ndarray, range]:
    """The kernel (t, h, w, inputs) of one filter, and the channels of the operation's input that it reads.

    That of a transposed convolution is flipped: each of its taps then stands where the layer reads, as in a
    convolution.
    """
    match op:
        case ops.Conv():
            width = kernel.shape[3]
            first = number // (op.filters // op.groups) * width
            return kernel[..., number], range(first, first + width)
        case ops.ConvTranspose():
            return kernel[::-1, ::-1, ::-1, number, :], range(kernel.shape[4])
    return kernel[:, number].reshape(1, 1, 1, -1), range(kernel.shape[0])


def _flattened(info: NetworkInfo, op: ops.Weighted, shapes: Mapping[str, Shape]) -> Shape | None:
    """Shape (t, h, w, channels) of the volume whose flattened values a dense layer reads; else None."""
    source = info.architecture.by_name.get(op.inputs[0]) if isinstance(op, ops.Dense) else None
    while isinstance(source, ops.Dropout | ops.ActivationLayer | ops.Scale | ops.PRelu | ops.LayerNorm):
        source = info.architecture.by_name.get(source.inputs[0])
    return shapes[source.inputs[0]] if isinstance(source, ops.Flatten) and len(shapes[source.inputs[0]]) == 4 else None


def _no_kernel(info: NetworkInfo, trace: _Trace, layer: str, number: int, made_by: ChannelSource) -> NoKernel:
    op = info.architecture.by_name.get(made_by.layer)
    if op is None:
        return NoKernel(
            f"Filter {number} of {layer} has no kernel: it is channel {made_by.filter} of the clip itself. Take a "
            "convolution, or a filter that one makes.",
            (),
        )
    parts = tuple(
        trace.source(name, made_by.filter if trace.shapes[name][-1] > 1 else 0)  # one channel is broadcast
        for name in op.inputs
    )
    listed = " and ".join(f"filter {part.filter} of {part.layer}" for part in parts)
    what = {"add": "sum", "average": "mean", "multiply": "product", "subtract": "difference", "divide": "quotient"}.get(
        op.kind, op.kind
    )
    return NoKernel(
        f"Filter {number} of {layer} has no kernel of its own: it is the {what} of {listed}. Take the wiring of one "
        "of those.",
        parts,
    )
