"""Operations with one or two numbers for each channel: normalisations, and PReLU."""

from collections.abc import Sequence
from dataclasses import dataclass

from c3dvis.networks.graph.base_operation import ReceptiveField, Shape
from c3dvis.networks.graph.window_operations import Weighted


@dataclass(frozen=True)
class PerChannel(Weighted):
    """An operation with a factor (its kernel) and an offset (its bias) for each channel."""

    kernel_axes = "O"

    def kernel_shape(self, input_channels: int) -> Shape:
        return (input_channels,)


@dataclass(frozen=True)
class Scale(PerChannel, kind="scale"):
    """The factor times the channel, plus the offset: a normalisation with fixed statistics."""

    _shift_equivariant = True


@dataclass(frozen=True)
class GroupNorm(PerChannel, kind="group_norm"):
    """Groups of channels, each brought to mean 0 and variance 1 over all positions of the clip; then as `Scale`.

    With one group for each channel it is an instance normalisation.

    Args:
        groups: number of groups of neighbouring channels.
        epsilon: added to the variance.
    """

    groups: int = 1
    epsilon: float = 1e-5

    def receptive_field(self, inputs: Sequence[ReceptiveField], input_shape: Shape | None) -> ReceptiveField:
        return super().receptive_field(inputs, input_shape).widened((input_shape or (1, 1, 1))[:3], (1, 1, 1))


@dataclass(frozen=True)
class LayerNorm(PerChannel, kind="layer_norm"):
    """The channels of each position, brought to mean 0 and variance 1; then as `Scale`.

    Args:
        epsilon: added to the variance.
    """

    epsilon: float = 1e-5

    _shift_equivariant = True


@dataclass(frozen=True)
class PRelu(PerChannel, kind="prelu"):
    """Each channel times its factor where it is below zero; the offsets are zeros."""

    _shift_equivariant = True
