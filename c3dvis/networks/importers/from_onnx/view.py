"""`View`: how the axes of an ONNX value are made of the axes of an operation's output.

ONNX has channels first, c3dvis channels last; and ONNX reshapes, transposes and flattens freely. A reshape or a
transposition therefore computes nothing: it changes the view of the same operation's output. What an axis is made of is
a list of factors; a factor is a part of one axis of the output: of `t`, `h`, `w` or `c`, or of the batch, `n`. Axes of
size 1 are made of nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from c3dvis.networks.graph.base_operation import Shape
from c3dvis.networks.graph.shape_operations import AXES


class Factor(NamedTuple):
    """A part of an axis: the digit of its index that counts `stride`s, `size` of them."""

    axis: str
    stride: int
    size: int


class NotAView(Exception):
    """A value cannot be seen in the shape that is asked for."""


@dataclass(frozen=True)
class View:
    """A view of the output of an operation.

    Attributes:
        operation: its name.
        shape: of its output, (t, h, w, c) or (c,).
        axes: the factors of each axis of the ONNX value.
    """

    operation: str
    shape: Shape
    axes: tuple[tuple[Factor, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Shape of the ONNX value."""
        return tuple(math.prod(factor.size for factor in axis) for axis in self.axes)

    @property
    def is_volume(self) -> bool:
        """Whether the operation's output has frames, height and width."""
        return len(self.shape) == 4

    @property
    def size_of(self) -> dict[str, int]:
        """Size of each axis of the operation's output."""
        return dict(zip(AXES[-len(self.shape) :], self.shape, strict=True))

    def whole(self, axis: str) -> tuple[Factor, ...]:
        """The factors of a whole axis of the operation's output."""
        size = self.size_of.get(axis, 1)
        return (Factor(axis, 1, size),) if size > 1 else ()

    def of(self, operation: str, shape: Shape) -> "View":
        """The view of another operation's output, whose sizes may be others: the axes are made of the same ones.

        Raises:
            NotAView: a size changed along an axis that is split.
        """
        changed = {
            axis for axis, size in zip(AXES[-len(shape) :], shape, strict=True) if self.size_of.get(axis, 1) != size
        }
        made = replace(self, operation=operation, shape=shape)
        axes = []
        for number, axis in enumerate(self.axes):
            kept: list[Factor] = []
            for factor in axis:
                if factor.axis not in changed:
                    kept.append(factor)
                elif factor not in self.whole(factor.axis):
                    raise NotAView(f"axis {number} is a part of an axis whose size changes")
                else:
                    kept += made.whole(factor.axis)
            axes.append(tuple(kept))
        present = {factor.axis for axis in axes for factor in axis}
        for name in changed - present:
            if made.whole(name):
                raise NotAView(f"the axis {name} gets a size where the value has no axis")
        return replace(made, axes=tuple(axes))

    def transposed(self, order: Sequence[int]) -> "View":
        return replace(self, axes=tuple(self.axes[number] for number in order))

    def reshaped(self, sizes: Sequence[int]) -> "View":
        """The view with other sizes, in the order of the same numbers.

        Raises:
            NotAView: a size would join or split what does not lie together.
        """
        if math.prod(sizes) != math.prod(self.sizes):
            raise NotAView(f"{self.sizes} cannot become {tuple(sizes)}")
        left = [factor for axis in self.axes for factor in axis][::-1]
        axes = []
        for size in sizes:
            axis: list[Factor] = []
            while size > 1:
                factor = left.pop()
                if size % factor.size == 0:
                    axis.append(factor)
                    size //= factor.size
                elif factor.size % size == 0:
                    rest = factor.size // size
                    axis.append(Factor(factor.axis, factor.stride * rest, size))
                    left.append(Factor(factor.axis, factor.stride, rest))
                    size = 1
                else:
                    raise NotAView(f"{self.sizes} cannot become {tuple(sizes)} without mixing axes")
            axes.append(_joined(axis))
        return replace(self, axes=tuple(axes))

    def per_channel(self, constant: np.ndarray) -> np.ndarray:
        """The number (channels,) that each channel meets when a constant is broadcast to this value.

        Raises:
            NotAView: the constant differs from position to position.
        """
        channels = self.size_of["c"]
        if constant.ndim > len(self.axes):
            raise NotAView("a constant has more axes than the value it is joined with")
        sizes = (1,) * (len(self.axes) - constant.ndim) + constant.shape
        factors: list[Factor] = []
        array = constant.reshape(sizes)
        for number, (axis, size) in enumerate(zip(self.axes, sizes, strict=True)):
            first = array.take([0], number)
            if size == 1 or (size == self.sizes[number] and (array == first).all()):
                array = first
                continue
            if any(factor.axis != "c" for factor in axis) or size != self.sizes[number]:
                raise NotAView("a constant differs from position to position")
            factors += axis
        array = array.reshape([factor.size for factor in factors])
        index = np.arange(channels)  # of the channel; its digits are the indices along the factors
        places = tuple(index // factor.stride % factor.size for factor in factors)
        return np.broadcast_to(array[places], (channels,)).copy()

    def arrange(self, array: np.ndarray) -> np.ndarray:
        """The operation's output (t, h, w, c) or (c,) of the first clip, of the ONNX value."""
        factors = [factor for axis in self.axes for factor in axis]
        array = array.reshape([factor.size for factor in factors])
        return array.transpose(self._order(factors)).reshape(-1, *self.shape)[0]

    def stored(self, clip: np.ndarray) -> np.ndarray:
        """The ONNX value whose operation's output is `clip`, for every index of the batch."""
        factors = [factor for axis in self.axes for factor in axis]
        order = self._order(factors)
        batch = [factor.size for factor in factors if factor.axis == "n"]
        split = np.broadcast_to(clip, (*batch, *clip.shape)).reshape([factors[index].size for index in order])
        return np.ascontiguousarray(split.transpose(np.argsort(order))).reshape(self.sizes)

    @staticmethod
    def _order(factors: Sequence[Factor]) -> list[int]:
        """Indices of factors in the order of the operation's axes, the batch first."""
        place = "n" + AXES
        return sorted(range(len(factors)), key=lambda index: (place.index(factors[index].axis), -factors[index].stride))


def volume_axes(view: View) -> tuple[tuple[Factor, ...], ...]:
    """The axes of an ONNX value (N, C, T, H, W), of which a view is nothing but the change of layout."""
    batch = view.axes[0] if view.axes and all(factor.axis == "n" for factor in view.axes[0]) else ()
    return (batch, *(view.whole(axis) for axis in "cthw"))


def _joined(axis: Sequence[Factor]) -> tuple[Factor, ...]:
    """Neighbouring factors of one axis that lie together, as one."""
    joined: list[Factor] = []
    for factor in axis:
        if joined and joined[-1].axis == factor.axis and joined[-1].stride == factor.stride * factor.size:
            factor = Factor(factor.axis, factor.stride, joined.pop().size * factor.size)
        joined.append(factor)
    return tuple(joined)
