"""A clip with a volume that changes it: what a render that starts from a clip searches."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from c3dvis.maximize.volume.moving_volume import MovingVolume
from c3dvis.maximize.volume.parametrization import FourierVolume, PreparedViews
from c3dvis.maximize.volume.pixel_volume import PixelVolume


class DreamVolume:
    """A fixed clip plus a share of a volume's difference from grey; only the volume is searched.

    With a share of 0 it is the clip exactly. The parameters are the volume's. A view moves both alike; where it looks
    beyond the clip's edge, the clip's last values go on, and so do the volume's (of pixels it wraps round).

    Args:
        change: the volume.
        clip: (*change.size, 3) uint8.
        share: from 0 to 1.
    """

    def __init__(self, change: FourierVolume | MovingVolume | PixelVolume, clip: np.ndarray, share: float) -> None:
        self.size, self.shape, self.lengths = change.size, change.shape, change.lengths
        self._change, self._share = change, share
        self._clip = tf.constant(clip.astype(np.float32) / np.float32(255))
        self._scales = not isinstance(change, PixelVolume)

    def start(self, seed: int) -> np.ndarray:
        return self._change.start(seed)

    def prepare(self, views: np.ndarray) -> PreparedViews:
        parts = []
        for axis, size in enumerate(self.size):
            scale = views[:, 3 + axis] if self._scales else np.zeros(len(views))
            centre = (size - 1) / 2
            places = (np.arange(size) - centre) * (1 + scale[:, np.newaxis]) + centre + views[:, axis, np.newaxis]
            places = np.clip(places, 0, size - 1)
            below = np.floor(places).astype(np.int32)
            parts += [below, np.minimum(below + 1, size - 1), (places - below).astype(np.float32)]
        return (*parts, *self._change.prepare(views))

    def sample(self, parameters: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        clip = self._clip
        for axis in range(3):
            below, above, between = view[3 * axis : 3 * axis + 3]
            shape = [-1 if other == axis else 1 for other in range(4)]
            first, second = tf.gather(clip, below, axis=axis), tf.gather(clip, above, axis=axis)
            clip = first + tf.reshape(between, shape) * (second - first)
        change = self._change.sample(parameters, view[9:]) - 0.5
        return tf.clip_by_value(clip + self._share * change, 0, 1)

    def constrain(self, parameters: tf.Tensor) -> tf.Tensor:
        return self._change.constrain(parameters)

    def at_full_contrast(self, parameters: np.ndarray) -> np.ndarray:
        return self._change.at_full_contrast(parameters)

    def from_linear(self, volume: np.ndarray, seed: int) -> np.ndarray:
        return self._change.from_linear(volume, seed)
