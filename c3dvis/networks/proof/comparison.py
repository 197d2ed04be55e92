"""Compares an imported network with the framework that its model comes from, on two random clips."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.compute.network import Network
from c3dvis.networks.importers.imported import Address
from c3dvis.networks.weights.proof import Proof

TOLERANCE = 1e-3
"""Largest difference of a layer's responses from the framework's, relative to the largest response of the filter."""

_SMALLEST = 1e-2
"""Of a filter whose largest response is below this share of its layer's, the share of the layer's is taken."""

_FLOAT16 = 1e-2
"""The tolerance where the file holds float16."""


class CannotRun(Exception):
    """The framework cannot run the model; the message says why, as a clause."""


class Reference(Protocol):
    """A model in its own framework.

    Attributes:
        name: of the framework, with its version.
    """

    name: str

    def responses(self, clip: np.ndarray, addresses: Sequence[Address]) -> list[np.ndarray]:
        """Values of the model at addresses, each (t, h, w, filters) or (units,): channels last, without the batch axis.

        Args:
            clip: network input (T, H, W, channels) float32.

        Raises:
            CannotRun: the framework refuses to compute them.
        """
        ...


def prove(network: Network, reference: Reference, addresses: Mapping[str, Address], is_float16: bool = False) -> Proof:
    """Compare every layer that can be targeted, on two random clips of the size that the network was trained with.

    Args:
        network: as imported.
        reference: its model.
        addresses: for each layer of the network, where the model has its value.
        is_float16: whether the weights are stored in half precision.

    Raises:
        WeightsDamaged: a layer differs; the message names the first one, and by how much.
        CannotRun: the framework cannot run the model.
    """
    tolerance = _FLOAT16 if is_float16 else TOLERANCE
    largest, silent = 0.0, set(network.layers)
    for clip in random_clips(network):
        theirs = reference.responses(clip, [addresses[layer] for layer in network.layers])
        ours = network.responses(clip)
        for layer, expected in zip(network.layers, theirs, strict=True):
            if not np.isfinite(expected).all():
                raise WeightsDamaged(
                    f"{network.name} is refused: {layer} gives numbers that are not finite on a random clip, also if "
                    f"{reference.name} computes it. Expected finite numbers: are its weights or its range wrong?"
                )
            apart = difference(ours[layer], expected)
            if not apart <= tolerance:
                raise WeightsDamaged(
                    f"{network.name} is refused: c3dvis computes it differently from {reference.name}. The first layer "
                    f"that differs is {layer}, by {apart:.2g} relative (expected at most {tolerance:g}). Please report "
                    "the kinds of its layers, so that this is mended."
                )
            largest = max(largest, apart)
            if np.ptp(expected) > 0:
                silent.discard(layer)
    layers = f"all {len(network.layers)} layers" if len(network.layers) > 1 else "its one layer"
    dead = f"; silent on both: {', '.join(sorted(silent)[:5])}" if silent else ""
    return Proof(
        True,
        f"{reference.name} computes the same in {layers} on two random clips, within {largest:.1g} relative{dead}",
    )


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference over a layer's filters, relative to the largest response of each; infinite of other shapes."""
    if ours.size != theirs.size or ours.shape[-1] != theirs.shape[-1]:
        return float("inf")
    ours, theirs = (np.asarray(each, np.float64).reshape(-1, each.shape[-1]) for each in (ours, theirs))
    scale = np.abs(theirs).max(axis=0)
    scale = np.maximum(scale, max(_SMALLEST * scale.max(), 1e-30))
    return float((np.abs(ours - theirs).max(axis=0) / scale).max())


def random_clips(network: Network) -> list[np.ndarray]:
    """Two network inputs (T, H, W, channels) float32 in its range: noise at every position, and in blocks."""
    generator = np.random.default_rng(0)
    low, high = network.input_domain.bounds(*network.info.trained_size[1:])
    shape = (*network.info.trained_size, network.architecture.channels)
    noise = generator.random(shape, np.float32)
    blocks = generator.random(shape, np.float32)
    for axis, size in enumerate(shape[:3]):
        blocks = np.take(blocks, np.arange(size) // 4, axis)
    return [unit * (high - low) + low for unit in (noise, blocks)]
