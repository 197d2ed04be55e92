"""Operations that read windows of a volume with a kernel of weights, or pool them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

from c3dvis.networks.graph.base_operation import (
    NO_MARGINS,
    Counts,
    Margins,
    Operation,
    Padding,
    ReceptiveField,
    Shape,
    Triple,
)


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
        pads: positions added around the input before that: zeros; for a maximum, values that never win.
    """

    kernel: Triple = (1, 1, 1)
    strides: Triple = (1, 1, 1)
    padding: Padding = "same"
    pads: Margins = field(default=NO_MARGINS, kw_only=True)

    _in_keras_vis = True

    @property
    def window(self) -> Triple:
        """Extent of the window, with the gaps of a dilation."""
        return self.kernel

    @property
    def has_pads(self) -> bool:
        """Whether positions are added around the input."""
        return self.pads != NO_MARGINS

    @property
    def is_in_keras_vis(self) -> bool:
        return not self.has_pads and super().is_in_keras_vis

    @property
    def is_shift_equivariant(self) -> bool:
        return not self.has_pads and (self.padding == "same" or self.window == self.strides)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        *sizes, channels = inputs[0]
        return (*(self._output_size(size, axis) for axis, size in enumerate(sizes)), channels)

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        return super().receptive_field(inputs, input_shape).widened(self.window, self.strides)

    def input_interval(self, first: int, last: int, axis: int, input_size: int, output_size: int) -> tuple[int, int]:
        window, stride = self.window[axis], self.strides[axis]
        before = self.pads[axis][0]
        if self.padding == "same":
            before += max((output_size - 1) * stride + window - input_size - sum(self.pads[axis]), 0) // 2
        first, last = first * stride - before, last * stride - before + window - 1
        return max(first, 0), min(last, input_size - 1)

    def _output_size(self, size: int, axis: int) -> int:
        """Number of output positions along an axis."""
        if size < 1:
            return 0
        size += sum(self.pads[axis])
        if self.padding == "same":
            return -(-size // self.strides[axis])
        return max(0, (size - self.window[axis]) // self.strides[axis] + 1)


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
        return self.is_standard and self.kernel == self.strides == (1, 1, 1) and not self.has_pads

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
    """A transposed convolution; arguments as of `Conv`.

    Args:
        cuts: positions removed from the output.
        extra: positions added at its ends before that, fewer than the stride; they hold the bias alone.
    """

    kernel: Triple = (1, 1, 1)
    strides: Triple = (1, 1, 1)
    padding: Padding = "same"
    cuts: Margins = NO_MARGINS
    extra: Counts = (0, 0, 0)

    is_targetable = True
    kernel_axes = "THWOI"

    def kernel_shape(self, input_channels: int) -> Shape:
        return (*self.kernel, self.filters, input_channels)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        sizes = []
        for axis, size in enumerate(inputs[0][:3]):
            taps, stride = self.kernel[axis], self.strides[axis]
            more = max(taps - stride, 0) if self.padding == "valid" else 0
            sizes.append(max(0, size * stride + more + self.extra[axis] - sum(self.cuts[axis])) if size else 0)
        return (*sizes, self.filters)

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        overlap = tuple(-(-taps // stride) for taps, stride in zip(self.kernel, self.strides, strict=True))
        return (
            super().receptive_field(inputs, input_shape).widened(overlap, tuple(Fraction(1, n) for n in self.strides))
        )


@dataclass(frozen=True)
class Pool(_Window):
    """A number for each window and channel.

    Args:
        ceil: of a `valid` pooling, whether a last window that begins within the padded input may reach beyond it.
    """

    ceil: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether Keras has a layer for it."""
        return not self.has_pads and not self.reaches_beyond

    @property
    def reaches_beyond(self) -> bool:
        """Whether its last windows may reach beyond the padded input."""
        return self.ceil and self.padding == "valid"

    @property
    def is_in_keras_vis(self) -> bool:
        return self.is_plain and super().is_in_keras_vis

    @property
    def is_shift_equivariant(self) -> bool:
        return self.is_plain and super().is_shift_equivariant

    def beyond(self, size: int, axis: int) -> int:
        """How many positions the last window reaches beyond the padded input, for an input size along an axis.

        It is below zero where a window would begin in the pads at the end: they are shortened.
        """
        if not self.reaches_beyond:
            return 0
        before, after = self.pads[axis]
        end = (self._output_size(size, axis) - 1) * self.strides[axis] + self.window[axis]
        return max(end - before - size, 0) - after

    def _output_size(self, size: int, axis: int) -> int:
        if not self.reaches_beyond or size < 1:
            return super()._output_size(size, axis)
        before, after = self.pads[axis]
        stride = self.strides[axis]
        count = -(-(before + size + after - self.window[axis]) // stride) + 1
        return max(0, count - ((count - 1) * stride >= before + size))


class MaxPool(Pool, kind="max_pool"):
    """The maximum over a window."""


@dataclass(frozen=True)
class AveragePool(Pool, kind="avg_pool"):
    """The mean over a window, without its padded positions.

    Args:
        counts_pads: whether positions added by `pads` count as zeros.
    """

    counts_pads: bool = False
