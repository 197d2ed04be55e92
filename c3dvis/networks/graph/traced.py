"""The architecture of a network that its own framework computes: of a layer only its name and shape are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from c3dvis.errors import InvalidSpec
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import Operation, ReceptiveField, Shape, Triple


@dataclass(frozen=True)
class Traced(Operation, kind="traced"):
    """A layer as its framework computes it.

    It counts as reading the whole clip, since nothing tells what it reads.

    Args:
        shape: (t, h, w, filters) or (units,) of its output.
        size: (frames, height, width) of the clip for which it has this shape.
        layer_type: the name of its class in the framework.
        weights: number of its weights.
    """

    shape: tuple[int, ...]
    size: Triple
    layer_type: str
    weights: int = 0
    is_targetable = True
    is_computed_here = False

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return self.shape

    def parameters(self, input_channels: int) -> int:
        return self.weights

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        positions = self.shape[:3] if len(self.shape) == 4 else (1, 1, 1)
        return ReceptiveField(self.size, tuple(map(Fraction, self.size, positions)))


@dataclass(frozen=True)
class TracedArchitecture(Architecture):
    """The layers of a network that its own framework computes, at the one clip size that it has.

    Args:
        size: (frames, height, width).
    """

    size: Triple = (1, 1, 1)

    @classmethod
    def of(cls, described: Mapping[str, Any], size: Triple) -> "TracedArchitecture":
        """The architecture that `to_dict` described, also after JSON, for clips of this size.

        Raises:
            ValueError, TypeError, KeyError: it does not describe layers of such a network.
        """
        operations = tuple(map(Operation.from_dict, described["operations"]))
        if not all(isinstance(op, Traced) and op.inputs == ("input",) and op.size == size for op in operations):
            raise ValueError("expected layers that read a clip of the network's size")
        if len({op.name for op in operations} - {"input"}) != len(operations) or not operations:
            raise ValueError("expected layers of different names")
        return cls(described["name"], operations, described["channels"], size=size)

    def output_shape(self, layer: str, frames: int, height: int, width: int) -> Shape:
        if (frames, height, width) != self.size:
            raise InvalidSpec(
                f"{self.name} was taken with clips of {'×'.join(map(str, self.size))} (frames×height×width); received "
                f"{frames}×{height}×{width}. Take that size, or take the network anew with another."
            )
        return super().output_shape(layer, frames, height, width)

    def smallest_size(self, layer: str) -> Triple:
        return self.size

    def multiplications(self, layer: str, frames: int, height: int, width: int) -> int:
        """0: not known."""
        return 0
