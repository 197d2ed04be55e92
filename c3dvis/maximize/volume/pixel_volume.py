"""Voxels as parameters, as keras-vis has them: the parametrisation `pixel`."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from c3dvis.maximize.volume.parametrization import PreparedViews, Size
from c3dvis.networks.graph.input_domain import InputDomain

FULL_CONTRAST = 4.0
"""How much stronger than keras-vis's starting noise, of 5 % of the range, noise at full contrast is."""


class PixelVolume:
    """Voxels in the network's own units, as keras-vis optimises them, clipped to the valid input range.

    A view shifts them by whole frames and pixels, wrapping round. Its scale is ignored.

    Args:
        size: (frames, height, width).
        domain: the network's input range.
    """

    lengths: Sequence[int] = ()

    def __init__(self, size: Size, domain: InputDomain) -> None:
        self.size = size
        self.shape = (*size, domain.planes)
        self._low, high = domain.plane_bounds
        self._range = high - self._low

    def start(self, seed: int) -> np.ndarray:
        """Noise around middle grey with a standard deviation of 5 % of the range, as in keras-vis."""
        generator = np.random.Generator(np.random.PCG64(seed))
        noise = generator.normal(0.5, 0.05, self.shape).astype(np.float32)
        return self._low + noise * self._range

    def prepare(self, views: np.ndarray) -> PreparedViews:
        return (np.rint(-views[:, :3]).astype(np.int32),)

    def sample(self, parameters: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        return (tf.roll(parameters, view[0], [1, 2, 3]) - self._low) / self._range

    def constrain(self, parameters: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(parameters, self._low, self._low + self._range)

    def at_full_contrast(self, parameters: np.ndarray) -> np.ndarray:
        unit = (parameters - self._low) / self._range
        return (self._low + self._range * np.clip(0.5 + FULL_CONTRAST * (unit - 0.5), 0, 1)).astype(np.float32)

    def to_linear(self, parameters: np.ndarray) -> np.ndarray:
        return parameters

    def from_linear(self, volume: np.ndarray, seed: int = 0) -> np.ndarray:
        del seed  # the volume determines all parameters
        return volume
