"""Operations that move, repeat, drop or add positions and channels, without weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from c3dvis.networks.graph.base_operation import NO_MARGINS, Counts, Margins, Operation, ReceptiveField, Shape, Triple

AXES = "thwc"
"""The axes of a volume, in order."""
Axis = Literal["t", "h", "w", "c"]


class WholeInput(Operation):
    """An operation whose outputs depend on every position of the input."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0][3:]

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        return super().receptive_field(inputs, input_shape).widened((input_shape or (1, 1, 1))[:3], (1, 1, 1))


class Flatten(WholeInput, kind="flatten"):
    """A volume as a vector, in the order (t, h, w, channel)."""

    _in_keras_vis = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (math.prod(inputs[0]),)


class ReshapeToVolume(Operation, kind="reshape_to_volume"):
    """A vector as the channels of a volume of one position."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (1, 1, 1, *inputs[0])


@dataclass(frozen=True)
class Constant(Operation, kind="constant"):
    """The same values whatever the clip, in place of an input beside it.

    Args:
        shape: (t, h, w, channels) or (channels,); frames, height or width of 0 are those of the clip.
        values: that it holds: one, or one for each channel.
    """

    shape: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.shape) not in (1, 4) or len(self.values) not in (1, self.shape[-1]):
            raise ValueError(f"expected one value, or one for each channel of {self.shape}, received {self.values}")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (*(size or own for size, own in zip(self.shape[:-1], inputs[0], strict=False)), self.shape[-1])


@dataclass(frozen=True)
class Pad(Operation, kind="pad"):
    """Positions around a volume.

    Args:
        pads: how many are added.
        mode: what they hold: one value, the nearest position of the volume, or the volume mirrored at its first and
            last positions.
        value: of the mode `constant`.
    """

    pads: Margins = NO_MARGINS
    mode: Literal["constant", "edge", "reflect"] = "constant"
    value: float = 0.0

    @property
    def adds_zeros(self) -> bool:
        """Whether the positions hold zeros."""
        return self.mode == "constant" and self.value == 0

    @property
    def is_in_keras_vis(self) -> bool:
        return self.adds_zeros and self.activation is None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if self.mode == "reflect" and any(
            max(margin) >= size for size, margin in zip(inputs[0][:3], self.pads, strict=True)
        ):
            return (0, 0, 0, inputs[0][3])  # fewer positions than are mirrored
        return _with_margins(inputs[0], self.pads, 1)


@dataclass(frozen=True)
class Crop(Operation, kind="crop"):
    """The inside of a volume.

    Args:
        cuts: how many positions are removed at the ends.
        steps: of those inside, the first of so many is kept.
    """

    cuts: Margins = NO_MARGINS
    steps: Triple = (1, 1, 1)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        *sizes, channels = _with_margins(inputs[0], self.cuts, -1)
        return (*(-(-size // step) for size, step in zip(sizes, self.steps, strict=True)), channels)

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        return super().receptive_field(inputs, input_shape).widened((1, 1, 1), self.steps)


@dataclass(frozen=True)
class Take(Operation, kind="take"):
    """Chosen positions or channels, in a chosen order.

    Args:
        axis: along which they are chosen.
        indices: of those that are taken.
    """

    axis: Axis
    indices: tuple[int, ...]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        shape, axis = list(inputs[0]), AXES.index(self.axis)
        shape[axis] = len(self.indices) if max(self.indices) < shape[axis] else 0
        return tuple(shape)

    def source_channel(self, channel: int, input_channels: int) -> int | None:
        """The channel of the input that a channel of the output is."""
        return self.indices[channel] if self.axis == "c" else channel


@dataclass(frozen=True)
class Rearrange(Operation, kind="rearrange"):
    """Axes split into factors, and the factors joined to other axes: a shuffle of channels, a pixel shuffle.

    Args:
        splits: for frames, height, width and channels, the sizes that each is split into, the slowest first; one of
            each may be 0, which takes what the others leave.
        joins: for the same axes of the output, the numbers of the factors that it is made of, counted over all
            `splits`.
    """

    splits: tuple[tuple[int, ...], ...]
    joins: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        count = sum(map(len, self.splits))
        used = [factor for join in self.joins for factor in join]
        if len(self.splits) != 4 or len(self.joins) != 4 or sorted(used) != list(range(count)):
            raise ValueError(f"expected four splits, and four joins of the factors 0 to {count - 1}, each used once")
        if any(split.count(0) > 1 for split in self.splits):
            raise ValueError("expected at most one 0 in each split")

    @property
    def moves_axes(self) -> bool:
        """Whether the output differs from the input."""
        return self.joins != ((0,), (1,), (2,), (3,))

    def factors(self, shape: Shape) -> list[int] | None:
        """Sizes of all factors for an input of a shape; None where they do not divide it."""
        sizes: list[int] = []
        for size, split in zip(shape, self.splits, strict=True):
            known = math.prod(each for each in split if each)
            if size % known or (0 not in split and size != known):
                return None
            sizes += [each or size // known for each in split]
        return sizes

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        sizes = self.factors(inputs[0])
        if sizes is None:
            return (0, 0, 0, inputs[0][3])
        return tuple(math.prod(sizes[factor] for factor in join) for join in self.joins)

    def source_channel(self, channel: int, input_channels: int) -> int | None:
        """The channel of the input that a channel of the output is; None where it is made of several."""
        before = sum(map(len, self.splits[:3]))
        join = self.joins[3]
        if sorted(join) != list(range(before, before + len(self.splits[3]))):
            return None
        known = math.prod(each for each in self.splits[3] if each)
        sizes = [each or input_channels // known for each in self.splits[3]]
        source = 0
        index, places = channel, {}
        for factor in reversed(join):
            index, places[factor - before] = divmod(index, sizes[factor - before])
        for number, size in enumerate(sizes):
            source = source * size + places[number]
        return source


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


@dataclass(frozen=True)
class Resize(Operation, kind="resize"):
    """A volume sampled at other positions: `up` positions of the output for `down` of the input.

    Args:
        up, down: along frames, height and width.
        to: number of positions of the output, whatever the input has; 0 where `up` and `down` say it.
        mode: the nearest position, or the two nearest on each axis weighed by their distance.
        positions: where an output position lies in the input, as the ONNX operator Resize calls it.
        rounding: which position of the mode `nearest` is the nearest, as ONNX calls it.
    """

    up: Triple
    down: Triple
    mode: Literal["nearest", "linear"] = "linear"
    positions: Literal["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"] = "half_pixel"
    rounding: Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] = "round_prefer_floor"
    to: Counts = (0, 0, 0)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        ratios = [self.ratio(axis, size) for axis, size in enumerate(inputs[0][:3])]
        sizes = (size * up // down for size, (up, down) in zip(inputs[0][:3], ratios, strict=True))
        return (*sizes, inputs[0][3])

    def ratio(self, axis: int, size: int) -> tuple[int, int]:
        """How many positions of the output there are for how many of an input of that size along an axis."""
        return (self.to[axis], max(size, 1)) if self.to[axis] else (self.up[axis], self.down[axis])

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        stride = tuple(Fraction(down, up) for up, down in zip(self.up, self.down, strict=True))
        window = [1 + (self.mode == "linear" and step != 1) for step in stride]
        return super().receptive_field(inputs, input_shape).widened(window, stride)

    def weights(self, axis: int, size: int) -> np.ndarray:
        """Weight (output position, input position) float64 along an axis of an input of that size."""
        up, down = self.ratio(axis, size)
        count = size * up // down
        out = np.arange(count, dtype=np.float64)
        match self.positions:
            case "asymmetric":
                places = out * down / up
            case "align_corners":
                places = out * (size - 1) / max(count - 1, 1)
            case "pytorch_half_pixel" if count == 1:
                places = out * 0
            case _:
                places = (out + 0.5) * down / up - 0.5
        if self.mode == "nearest":
            rounded = {
                "floor": np.floor(places), "ceil": np.ceil(places), "round_prefer_floor": np.ceil(places - 0.5),
                "round_prefer_ceil": np.floor(places + 0.5),
            }[self.rounding]  # fmt: skip
            return np.eye(size)[np.clip(rounded, 0, size - 1).astype(int)]
        places = np.clip(places, 0, size - 1)
        below = np.floor(places).astype(int)
        above = np.minimum(below + 1, size - 1)
        share = (places - below)[:, np.newaxis]
        return np.eye(size)[below] * (1 - share) + np.eye(size)[above] * share

    def repeats(self, shape: Shape) -> bool:
        """Whether it repeats every position of an input of that shape, as `Upsample` does."""
        if self.mode != "nearest" or set(self.down) != {1} or any(self.to):
            return False
        wanted = (np.eye(size).repeat(up, 0) for size, up in zip(shape[:3], self.up, strict=True))
        return all(np.array_equal(self.weights(axis, shape[axis]), each) for axis, each in enumerate(wanted))


def _with_margins(shape: Shape, margins: Margins, sign: int) -> Shape:
    sizes = (max(0, size + sign * sum(margin)) for size, margin in zip(shape[:3], margins, strict=True))
    return (*sizes, shape[3])
