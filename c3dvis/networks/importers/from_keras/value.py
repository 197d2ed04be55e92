"""`Value`: a tensor of a Keras model as the output of an operation, and `Steps`, which makes a layer's operations.

c3dvis has volumes (t, h, w, c), channels last. A tensor of Keras may have fewer axes, or the channels first: what its
axes are in the operation's output is its `order`. `tc` is a sequence of vectors, and `cthw` a volume with the channels
first; axes that are not in the order have the size 1. Where a layer needs other axes at its places, `Steps` moves them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Operation, Shape
from c3dvis.networks.graph.shape_operations import AXES
from c3dvis.networks.importers.from_keras.weights import Arrays
from c3dvis.networks.importers.imported import Pair

MakePair = Callable[[Arrays], Pair]
"""From a layer's arrays by role to the (kernel, bias) of an operation."""


@dataclass(frozen=True)
class Value:
    """A tensor of the model, for clips of the size that the network is added with.

    Attributes:
        name: of the operation whose output it is, or `input`.
        shape: of that output, (t, h, w, c) or (c,).
        order: the tensor's axes behind the batch, in order.
        outer: axes before those, which a TimeDistributed layer counts to the batch.
    """

    name: str
    shape: Shape
    order: str
    outer: str = ""

    @property
    def channels(self) -> int:
        """Size of the last axis of the operation's output."""
        return self.shape[-1]

    @property
    def is_volume(self) -> bool:
        """Whether the operation's output has frames, height and width."""
        return len(self.shape) == 4

    @property
    def sizes(self) -> tuple[int, ...]:
        """Shape of the tensor, behind the batch."""
        return tuple(self.size(axis) for axis in self.order)

    def size(self, axis: str) -> int:
        """Size of one of t, h, w and c."""
        return dict(zip(AXES[-len(self.shape) :], self.shape, strict=True)).get(axis, 1)

    def axis(self, number: int) -> str:
        """Which axis a number in Keras stands for: 1 is the first behind the batch, -1 the last.

        Raises:
            ValueError: there is none.
        """
        index = number - 1 if number > 0 else len(self.order) + number
        if not 0 <= index < len(self.order):
            raise ValueError(f"there is no axis {number} among {len(self.order)}")
        return self.order[index]


@dataclass
class Steps:
    """The operations of one layer, each of which reads those before it or the layer's inputs.

    Attributes:
        name: of the layer, and of the operation whose output is the layer's.
        operations: in order of computation.
        pairs: makes the (kernel, bias) of those operations that have weights, from the layer's arrays.
    """

    name: str
    operations: list[Operation] = field(default_factory=list)
    pairs: dict[str, MakePair] = field(default_factory=dict)

    def add(self, op: Operation, like: Value, order: str | None = None, pair: MakePair | None = None) -> Value:
        """Add an operation.

        Args:
            op: its first input is `like`, or has the axes of it.
            like: the value whose axes the output has.
            order: those of the output, where they are others.
            pair: makes its weights.
        """
        return self.join(op, [like], order, pair)

    def join(
        self, op: Operation, values: Sequence[Value], order: str | None = None, pair: MakePair | None = None
    ) -> Value:
        """Add an operation on several values; see `add`."""
        shape = op.output_shape([value.shape for value in values])
        if min(shape) < 1:
            sizes = " and ".join("×".join(map(str, value.sizes)) for value in values)
            raise WeightsDamaged(f"The layer {self.name[:60]} cannot be computed of {sizes} at this clip size.")
        self.operations.append(op)
        if pair:
            self.pairs[op.name] = pair
        return replace(values[0], name=op.name, shape=shape, order=values[0].order if order is None else order)

    def keep(self, value: Value, order: str | None = None) -> Value:
        """The value itself as the layer's output, with other axes if `order` is given."""
        return self.add(ops.Dropout(self.name, (value.name,)), value, order)

    def arranged(self, value: Value, order: str) -> Value:
        """The same tensor, whose axes are those of `order` in the operation's output: they are moved if need be."""
        if value.order == order:
            return value
        if not value.is_volume:
            raise WeightsDamaged(f"The layer {self.name[:60]} takes a vector for a volume.")
        spare = [axis for axis in AXES if axis not in value.outer + value.order]
        joins = []
        for axis in AXES:
            source = axis
            if axis not in value.outer:
                source = value.order[order.index(axis)] if axis in order else spare.pop()
            joins.append((AXES.index(source),))
        op = ops.Rearrange(self._unused("arranged"), (value.name,), ((0,),) * 4, tuple(joins))
        return self.add(op, value, order)

    def with_channels(self, value: Value, axis: str) -> Value:
        """The same tensor, in which an axis is the channels."""
        swapped = str.maketrans(f"c{axis}", f"{axis}c")
        return value if axis == "c" else self.arranged(value, value.order.translate(swapped))

    def spatial(self, value: Value, rank: int, config: Mapping[str, Any]) -> tuple[Value, str]:
        """A value as layers of 1, 2 or 3 dimensions read it: those axes in order, and the channels first or last.

        Args:
            value: any.
            rank: number of dimensions.
            config: the layer's settings.

        Returns:
            The value, and its `rank` axes.
        """
        if len(value.order) != rank + 1:
            raise WeightsDamaged(
                f"The layer {self.name[:60]} has {rank} dimensions; expected {rank + 1} axes, received "
                f"{len(value.order)}."
            )
        place = 0 if config.get("data_format") == "channels_first" else rank
        axes = value.order[:place] + value.order[place + 1 :]
        if value.order[place] != "c" or axes != "".join(axis for axis in "thw" if axis in axes):
            free = [axis for axis in "thw" if axis not in value.outer]
            axes = "".join(free[len(free) - rank :])
            value = self.arranged(value, f"{axes[:place]}c{axes[place:]}")
        return value, axes

    def _unused(self, word: str) -> str:
        names = [op.name for op in self.operations]
        name = f"{self.name}/{word}"
        return f"{name} {sum(each.startswith(name) for each in names) + 1}" if name in names else name


@dataclass(frozen=True)
class Translated:
    """A translated layer: its `Steps`, and its output."""

    steps: Steps
    output: Value
