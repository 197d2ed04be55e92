"""The kinds of operations: for each a frozen class that computes output shape, parameters and receptive field.

A new kind is added here and in `compute/keras_layers.py`; where Keras models contain it, also in
`importers/from_keras/layer.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from c3dvis.networks.graph.base_operation import Operation, ReceptiveField, Shape
from c3dvis.networks.graph.normalisations import GroupNorm, LayerNorm, PerChannel, PRelu, Scale
from c3dvis.networks.graph.shape_operations import (
    AXES,
    Constant,
    Crop,
    Flatten,
    Pad,
    Rearrange,
    ReshapeToVolume,
    Resize,
    Take,
    Upsample,
    WholeInput,
)  # fmt: skip
from c3dvis.networks.graph.window_operations import AveragePool, Conv, ConvTranspose, MaxPool, Pool, Weighted

__all__ = [
    "ActivationLayer", "Add", "Average", "AveragePool", "Concat", "Constant", "Conv", "ConvTranspose", "Crop", "Dense",
    "Divide", "Dropout", "Flatten", "GlobalAveragePool", "GlobalMaxPool", "GroupNorm", "Join", "LayerNorm", "MaxPool",
    "Maximum", "Merge", "Minimum", "Multiply", "PRelu", "Pad", "PerChannel", "Pool", "Rearrange", "Reduce",
    "ReshapeToVolume", "Resize", "Scale", "Subtract", "Take", "Upsample", "Weighted",
]  # fmt: skip


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


class GlobalAveragePool(WholeInput, kind="global_avg_pool"):
    """The mean over all positions."""


class GlobalMaxPool(WholeInput, kind="global_max_pool"):
    """The maximum over all positions."""


@dataclass(frozen=True)
class Reduce(Operation, kind="reduce"):
    """One number in place of all positions along some axes, which keep the size 1.

    Args:
        function: which number.
        axes: some of t, h, w and c, in this order; of a vector, c.
    """

    function: Literal["mean", "max", "min", "sum"]
    axes: str

    def __post_init__(self) -> None:
        if "".join(axis for axis in AXES if axis in self.axes) != self.axes or not self.axes:
            raise ValueError(f"expected some of the axes {AXES} in this order, received {self.axes!r}")

    def indices(self, rank: int) -> list[int]:
        """Numbers of the axes of an input with `rank` axes, without the batch axis."""
        return [AXES[-rank:].index(axis) for axis in self.axes]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        reduced = self.indices(len(inputs[0]))
        return tuple(min(size, 1) if index in reduced else size for index, size in enumerate(inputs[0]))

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        sizes = (input_shape or (1, 1, 1, 1))[:3] if len(input_shape or (1,) * 4) == 4 else (1, 1, 1)
        window = [size if axis in self.axes else 1 for axis, size in zip("thw", sizes, strict=True)]
        return super().receptive_field(inputs, input_shape).widened(window, (1, 1, 1))


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
        """Whether the branches have the same frames, height and width; a size of 1 is broadcast, 0 is too small."""
        return all(len(set(column) - {0, 1}) <= 1 for column in zip(*(shape[:-1] for shape in inputs), strict=True))


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
        rank = max(map(len, inputs))  # a vector is broadcast over the positions of a volume
        whole = ((*[1] * (rank - len(shape)), *shape) for shape in inputs)
        return tuple(max(column) for column in zip(*whole, strict=True))


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


class Divide(Merge, kind="divide"):
    """The first divided by the second."""


class Minimum(Merge, kind="minimum"):
    """The minimum."""
