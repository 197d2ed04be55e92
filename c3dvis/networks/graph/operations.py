"""The kinds of operations: for each a frozen class that computes output shape, parameters and receptive field.

A new kind is added here and in `compute/keras_layers.py`; where Keras models contain it, also in
`importers/keras_layer.py`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from c3dvis.networks.graph.base_operation import Margins, Operation, Padding, ReceptiveField, Shape, Triple

_NO_MARGINS: Margins = ((0, 0), (0, 0), (0, 0))


@dataclass(frozen=True)
class Weighted(Operation, ABC):
    """An operation with a kernel and a bias.

    Args:
        filters: number of output channels.
    """

    filters: int

    kernel_axes: ClassVar[str]
    """Axes of the kernel: T, H, W, I (input channels) and O (output channels)."""

    @abstractmethod
    def kernel_shape(self, input_channels: int) -> Shape:
        """Shape of the kernel; the bias is (filters,)."""

    def parameters(self, input_channels: int) -> int:
        return math.prod(self.kernel_shape(input_channels)) + self.filters


@dataclass(frozen=True)
class _Window(Operation):
    """A convolution or pooling: each output position depends on a window of the input.

    Args:
        kernel, strides: in frames, rows and columns.
        padding: `same` or `valid`.
    """

    kernel: Triple = (1, 1, 1)
    strides: Triple = (1, 1, 1)
    padding: Padding = "same"

    _in_keras_vis = True

    @property
    def window(self) -> Triple:
        """Extent of the window, with the gaps of a dilation."""
        return self.kernel

    @property
    def is_shift_equivariant(self) -> bool:
        return self.padding == "same" or self.window == self.strides

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        *sizes, channels = inputs[0]
        axes = zip(sizes, self.window, self.strides, strict=True)
        if self.padding == "same":
            return (*(-(-size // stride) for size, _, stride in axes), channels)
        return (*(max(0, (size - window) // stride + 1) for size, window, stride in axes), channels)

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        return super().receptive_field(inputs, input_shape).widened(self.window, self.strides)

    def input_interval(self, first: int, last: int, axis: int, input_size: int, output_size: int) -> tuple[int, int]:
        window, stride = self.window[axis], self.strides[axis]
        padded = max((output_size - 1) * stride + window - input_size, 0) if self.padding == "same" else 0
        first, last = first * stride - padded // 2, last * stride - padded // 2 + window - 1
        return max(first, 0), min(last, input_size - 1)


@dataclass(frozen=True)
class Conv(_Window, Weighted, kind="conv"):
    """A convolution.

    Args:
        groups: number of groups that the channels are split into.
        dilation: distance between neighbouring taps, in frames, rows and columns.
    """

    groups: int = 1
    dilation: Triple = (1, 1, 1)

    is_targetable = True
    kernel_axes = "THWIO"

    @property
    def is_standard(self) -> bool:
        """Whether it has neither groups nor a dilation."""
        return self.groups == 1 and self.dilation == (1, 1, 1)

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a matrix product over the channels of each position."""
        return self.is_standard and self.kernel == self.strides == (1, 1, 1)

    @property
    def is_in_keras_vis(self) -> bool:
        return self.is_standard and super().is_in_keras_vis

    @property
    def window(self) -> Triple:
        t, h, w = ((taps - 1) * gap + 1 for taps, gap in zip(self.kernel, self.dilation, strict=True))
        return t, h, w

    def kernel_shape(self, input_channels: int) -> Shape:
        return (*self.kernel, input_channels // self.groups, self.filters)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (*super().output_shape(inputs)[:3], self.filters)


@dataclass(frozen=True)
class ConvTranspose(Weighted, kind="conv_transpose"):
    """A transposed convolution; arguments as of `Conv`."""

    kernel: Triple = (1, 1, 1)
    strides: Triple = (1, 1, 1)
    padding: Padding = "same"

    is_targetable = True
    kernel_axes = "THWOI"

    def kernel_shape(self, input_channels: int) -> Shape:
        return (*self.kernel, self.filters, input_channels)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        sizes = []
        for size, taps, stride in zip(inputs[0][:3], self.kernel, self.strides, strict=True):
            more = max(taps - stride, 0) if self.padding == "valid" else 0
            sizes.append(size * stride + more if size else 0)
        return (*sizes, self.filters)

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        overlap = tuple(-(-taps // stride) for taps, stride in zip(self.kernel, self.strides, strict=True))
        return (
            super().receptive_field(inputs, input_shape).widened(overlap, tuple(Fraction(1, n) for n in self.strides))
        )


@dataclass(frozen=True)
class Dense(Weighted, kind="dense"):
    """A fully connected layer on a vector."""

    is_targetable = True
    kernel_axes = "IO"
    _in_keras_vis = True

    def kernel_shape(self, input_channels: int) -> Shape:
        return (input_channels, self.filters)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (self.filters,)


@dataclass(frozen=True)
class Scale(Weighted, kind="scale"):
    """A factor (its kernel) and an offset (its bias) for each channel: a normalisation with fixed statistics."""

    kernel_axes = "O"
    _shift_equivariant = True

    def kernel_shape(self, input_channels: int) -> Shape:
        return (self.filters,)


class MaxPool(_Window, kind="max_pool"):
    """The maximum over a window."""


class AveragePool(_Window, kind="avg_pool"):
    """The mean over a window, without its padded positions."""


class _WholeInput(Operation):
    """An operation whose outputs depend on every position of the input."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0][3:]

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        return super().receptive_field(inputs, input_shape).widened((input_shape or (1, 1, 1))[:3], (1, 1, 1))


class GlobalAveragePool(_WholeInput, kind="global_avg_pool"):
    """The mean over all positions."""


class GlobalMaxPool(_WholeInput, kind="global_max_pool"):
    """The maximum over all positions."""


class Flatten(_WholeInput, kind="flatten"):
    """A volume as a vector, in the order (t, h, w, channel)."""

    _in_keras_vis = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (math.prod(inputs[0]),)


class ReshapeToVolume(Operation, kind="reshape_to_volume"):
    """A vector as the channels of a volume of one position."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (1, 1, 1, *inputs[0])


@dataclass(frozen=True)
class ZeroPad(Operation, kind="pad"):
    """Zeros around a volume.

    Args:
        pads: how many are added.
    """

    pads: Margins = _NO_MARGINS

    _in_keras_vis = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return _with_margins(inputs[0], self.pads, 1)


@dataclass(frozen=True)
class Crop(Operation, kind="crop"):
    """The inside of a volume.

    Args:
        cuts: how many positions are removed.
    """

    cuts: Margins = _NO_MARGINS

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return _with_margins(inputs[0], self.cuts, -1)


@dataclass(frozen=True)
class Upsample(Operation, kind="upsample"):
    """Every position repeated.

    Args:
        factors: how often, along frames, height and width.
    """

    factors: Triple = (1, 1, 1)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        sizes = (size * factor for size, factor in zip(inputs[0][:3], self.factors, strict=True))
        return (*sizes, inputs[0][3])

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        return (
            super().receptive_field(inputs, input_shape).widened((1, 1, 1), tuple(Fraction(1, n) for n in self.factors))
        )


class Dropout(Operation, kind="dropout"):
    """A dropout or noise layer, which has no effect outside of training."""

    _shift_equivariant = True
    _in_keras_vis = True


class ActivationLayer(Operation, kind="activation"):
    """A layer that only applies an activation function: its field `activation`."""

    _shift_equivariant = True


class Join(Operation):
    """An operation that joins several branches."""

    is_targetable = True

    def fits(self, inputs: Sequence[Shape]) -> bool:
        """Whether the branches have the same frames, height and width; a branch of size 1 is broadcast."""
        sizes = [shape[:-1] for shape in inputs]
        return all(size == sizes[0] or min(size, default=1) <= 1 or min(sizes[0], default=1) <= 1 for size in sizes)


class Concat(Join, kind="concat"):
    """The channels of all branches, concatenated."""

    _shift_equivariant = True
    _in_keras_vis = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))


class Merge(Join):
    """An element-wise operation on branches."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if not min(map(min, inputs)):
            return inputs[0]
        return tuple(max(column) for column in zip(*inputs, strict=True))


class Add(Merge, kind="add"):
    """The sum."""


class Average(Merge, kind="average"):
    """The mean."""


class Maximum(Merge, kind="maximum"):
    """The maximum."""


class Multiply(Merge, kind="multiply"):
    """The product."""


class Subtract(Merge, kind="subtract"):
    """The first less the second."""


def _with_margins(shape: Shape, margins: Margins, sign: int) -> Shape:
    sizes = (max(0, size + sign * sum(margin)) for size, margin in zip(shape[:3], margins, strict=True))
    return (*sizes, shape[3])
