"""What is searched: numbers that stand for a volume, and how a volume is sampled from them.

A parametrisation turns its numbers into a volume of the shown range, seen through a view: a small shift and scale
of each axis. Both know the clip's size and nothing of networks beyond their input range.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

from c3dvis.networks.domain import InputDomain

# Square root of the covariance of natural images' colours, as published with lucid and by Olah et al. 2017
# (distill.pub/2017/feature-visualization, "Preconditioning and parameterization").
_COLOUR = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
COLOUR_CORRELATION = _COLOUR / np.linalg.norm(_COLOUR, axis=0).max()

# Share of the spectrum that is searched on each spatial axis. What lies above is the finest grain, which pictures
# of filters do not need and which does not survive being encoded.
BANDWIDTH = 0.72
# Natural images' amplitude falls as 1/f. A steeper fall keeps grain out where the filter does not care; beyond a
# wavelength of 40 pixels it stops, or slow washes of colour would outweigh what the filter looks for.
FREQUENCY_FALL = 2.0
LONGEST_WAVE = 40
# Amplitude of the starting noise, in units of the spectrum's own scale.
START_DEVIATION = 0.01


@dataclass(frozen=True)
class View:
    """Where a volume is sampled: x ↦ centre + (1 + scale)·(x − centre) + shift, per axis.

    Attributes:
        shift: (3,) float32 tensor, in frames and pixels.
        scale: (3,) float32 tensor.
    """

    shift: tf.Tensor
    scale: tf.Tensor

    @classmethod
    def plain(cls) -> "View":
        """The volume as it is shown."""
        return cls(tf.zeros(3), tf.zeros(3))


class Parametrization(Protocol):
    """Numbers that stand for a volume of a size (frames, height, width)."""

    size: tuple[int, int, int]
    shape: tuple[int, ...]

    def start(self, seed: int) -> np.ndarray:
        """The numbers a search starts from."""
        ...

    def sample(self, state: tf.Tensor, view: View) -> tf.Tensor:
        """Volume (T, H, W, 3) RGB; 0 is black and 1 white."""
        ...

    def constrain(self, state: tf.Tensor) -> tf.Tensor:
        """The nearest allowed numbers."""
        ...


class FourierVolume:
    """A periodic volume as coefficients of a real Fourier basis, in decorrelated colours, bounded by a sigmoid.

    The basis is separable, so sampling it is three small matrix products, at any shift and scale exactly: no
    interpolation blurs the picture between steps, and a shift needs no padding. Olah et al. 2017; the frequency
    scale after the same.

    Args:
        size: (frames, height, width).
    """

    def __init__(self, size: tuple[int, int, int]) -> None:
        self.size = size
        frames, height, width = size
        self.counts = (frames, _odd(height * BANDWIDTH, height), _odd(width * BANDWIDTH, width))
        self.shape = (*self.counts, 3)
        self._scale = tf.constant(self._frequency_scale()[..., np.newaxis], tf.float32)
        self._colour = tf.constant(COLOUR_CORRELATION, tf.float32)

    def start(self, seed: int) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64(seed))
        return generator.normal(0, START_DEVIATION, self.shape).astype(np.float32)

    def sample(self, state: tf.Tensor, view: View) -> tf.Tensor:
        volume = state * self._scale  # (t, h, w, 3) coefficients
        for axis in range(3):
            basis = _basis(self.size[axis], self.counts[axis], view.shift[axis], view.scale[axis])
            volume = _transform_first_axis(volume, basis)  # the new axis goes last: (h, w, 3, T), …, (3, T, H, W)
        return tf.sigmoid(4 * _transform_first_axis(volume, self._colour))

    def constrain(self, state: tf.Tensor) -> tf.Tensor:
        return state

    def _frequency_scale(self) -> np.ndarray:
        axes = [_frequencies(size, count) for size, count in zip(self.size, self.counts, strict=True)]
        t, h, w = np.meshgrid(*axes, indexing="ij")
        frequency = np.maximum(np.sqrt(t**2 + h**2 + w**2), 1 / LONGEST_WAVE)
        scale = frequency**-FREQUENCY_FALL
        return scale / np.sqrt(np.square(scale).sum())


class PixelVolume:
    """Plain voxels in the network's own units, as keras-vis searches them, kept within the valid input range.

    A view shifts them by whole frames and pixels, wrapping round; its scale does nothing here.

    Args:
        size: (frames, height, width).
        domain: the network's input range.
    """

    def __init__(self, size: tuple[int, int, int], domain: InputDomain) -> None:
        self.size = size
        self.shape = (*size, 3)
        self._low, high = domain.shown_bounds
        self._range = high - self._low

    def start(self, seed: int) -> np.ndarray:
        """Noise around middle grey with a deviation of 5 % of the range, keras-vis's own start."""
        generator = np.random.Generator(np.random.PCG64(seed))
        noise = generator.normal(0.5, 0.05, self.shape).astype(np.float32)
        return self._low + noise * self._range

    def sample(self, state: tf.Tensor, view: View) -> tf.Tensor:
        shifted = tf.roll(state, tf.cast(tf.round(-view.shift), tf.int32), [0, 1, 2])
        return (shifted - self._low) / self._range

    def constrain(self, state: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(state, self._low, self._low + self._range)


def _odd(wanted: float, size: int) -> int:
    """An odd number of basis functions (a constant, then pairs of cosine and sine), at most `size`."""
    count = max(1, min(int(wanted), size))
    return count if count % 2 or count == size else count + 1


def _frequencies(size: int, count: int) -> np.ndarray:
    """Frequency of each basis function, in cycles per frame or pixel: 0, then 1/size …, twice over."""
    pairs = np.arange(1, count // 2 + 1) / size
    return np.concatenate([[0.0], pairs, pairs])[:count]


def _basis(size: int, count: int, shift: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Real Fourier basis of period `size`, (size, count), sampled where a view looks."""
    centre = (size - 1) / 2
    places = (tf.range(size, dtype=tf.float32) - centre) * (1 + scale) + centre + shift
    cycles = np.arange(1, count // 2 + 1, dtype=np.float32) / np.float32(size)
    angles = 2 * np.pi * places[:, tf.newaxis] * cycles[np.newaxis]
    waves = [tf.ones((size, 1)), np.sqrt(2) * tf.cos(angles), np.sqrt(2) * tf.sin(angles)]
    return tf.concat(waves, 1)[:, :count]


def _transform_first_axis(volume: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """(n, …) with a matrix (m, n) to (…, m): one matrix product, no transposition in memory."""
    rest = volume.shape[1:]
    flat = tf.reshape(volume, (volume.shape[0], -1))
    return tf.reshape(tf.matmul(flat, matrix, transpose_a=True, transpose_b=True), (*rest, matrix.shape[0]))
