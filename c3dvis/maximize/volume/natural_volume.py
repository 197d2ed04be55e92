"""A volume with the amplitude spectrum of natural video, of which phases, directions and colours are searched."""

import numpy as np
import tensorflow as tf

from c3dvis.maximize.volume.parametrization import FourierVolume, Size, frequencies

# Natural video's amplitude falls with the spatial and the temporal frequency by about these powers; fitted to three
# videos at 112 × 112 pixels and 16 frames, of which each differs from the mean by up to 0.5.
SPATIAL_FALL, TEMPORAL_FALL = 1.2, 1.0


class NaturalVolume(FourierVolume):
    """A `FourierVolume` whose amplitudes are held.

    At each spatial and temporal frequency, and in each of the decorrelated colours, the volume has the amplitude of
    natural video. After the magnitude-constrained optimisation of Fel et al. 2023 (arXiv:2306.06805), with time added.
    A wave and those that are its mirror images in time, height and width share one amplitude: which way things move
    and edges run is searched.

    Args:
        size: (frames, height, width).
        contrast, channels, repeats: as in `FourierVolume`.
    """

    def __init__(self, size: Size, contrast: float = 0.0, channels: int = 3, *, repeats: bool = False) -> None:
        super().__init__(size, 0, contrast, channels, repeats=repeats)
        each = [frequencies(length, count) for length, count in zip(self.period, self.counts, strict=True)]
        # (count, count): 1 where cosine and sine are of one frequency
        self._alike = [np.isclose(axis[:, np.newaxis], axis).astype(np.float32) for axis in each]

    def coefficients(self, parameters: tf.Tensor) -> tf.Tensor:
        power = tf.square(parameters)
        for axis, alike in enumerate(self._alike):
            shares = alike / alike.sum(axis=0)
            power = tf.einsum(("nthwc,ta->nahwc", "nthwc,ha->ntawc", "nthwc,wa->nthac")[axis], power, shares)
        return super().coefficients(parameters * tf.math.rsqrt(power + 1e-12))

    def frequency_scale(self, longest_wave: float) -> np.ndarray:
        del longest_wave  # natural video has none
        t, h, w = self.frequency_grid()
        space = np.maximum(np.hypot(h, w), 1 / max(self.period[1:]))
        # what stands still has more than half of the power
        return space**-SPATIAL_FALL * np.maximum(t, 0.5 / self.period[0]) ** -TEMPORAL_FALL
