"""Parametrisations of a volume: the parameters that the optimiser updates, and how a volume is sampled from them.

A parametrisation turns a batch of parameters into a batch of volumes, seen through a view: a small shift and scale of
each axis. It depends on the volume's size and on the network's input range, and on no other property of the network.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from c3dvis.networks.graph.input_domain import InputDomain

Size = tuple[int, int, int]
PreparedViews = tuple[np.ndarray, ...]

# Square root of the covariance of natural images' colours, as published with lucid and by Olah et al. 2017
# (distill.pub/2017/feature-visualization, "Preconditioning and parameterization").
_COLOUR = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
COLOUR_CORRELATION = _COLOUR / np.linalg.norm(_COLOUR, axis=0).max()
# Standard deviation of a plane that is no colour, which is about that of a colour.
PLANE_DEVIATION = np.float32(np.sqrt(np.square(COLOUR_CORRELATION).sum() / 3))

# Share of the frequencies along each spatial axis that have parameters. The rest is the finest grain, which pictures of
# filters do not need and which video encoding removes.
BANDWIDTH = 0.72
# Natural images' amplitude falls as 1/f. A steeper fall keeps out grain to which the filter is indifferent.
FREQUENCY_FALL = 2.0
# Largest difference of a volume's mean from middle grey, of its range, where its contrast is held.
BRIGHTNESS = 0.085
# Standard deviation of the unbounded values below which the contrast is lower than asked for, so that the starting
# noise is shown as the faint noise that it is. A few steps later they are above 1.
FAINT = 0.2
# Standard deviation of the starting noise, in units of the spectrum's own scale.
START_DEVIATION = 0.01


class Parametrization(Protocol):
    """A differentiable map from parameters to a volume that is periodic along every axis.

    Attributes:
        size: (frames, height, width) of the volume.
        shape: of one volume's parameters.
    """

    size: Size
    shape: tuple[int, ...]

    def start(self, seed: int) -> np.ndarray:
        """The parameters (*shape) float32 that an optimisation starts from: noise."""
        ...

    def prepare(self, views: np.ndarray) -> PreparedViews:
        """What `sample` needs of each of n views, as arrays (n, …).

        Args:
            views: (n, 6) from `random_views.random_views`: shift, then scale, of frames, rows and columns. The volume
                is sampled at centre + (1 + scale)·(x − centre) + shift along each axis.
        """
        ...

    def sample(self, parameters: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        """Volumes (N, T, H, W, planes) through a prepared view, of parameters (N, *shape); 0 is black and 1 white."""
        ...

    def constrain(self, parameters: tf.Tensor) -> tf.Tensor:
        """The nearest allowed parameters."""
        ...

    def to_linear(self, parameters: np.ndarray) -> np.ndarray:
        """The volume (*size, planes) that is linear in the parameters (*shape), so that volumes may be added."""
        ...

    def from_linear(self, volume: np.ndarray) -> np.ndarray:
        """The parameters (*shape) whose linear volume comes nearest to this one, by least squares."""
        ...


class FourierVolume:
    """A periodic volume as coefficients of a real Fourier basis, in decorrelated colours, held at a contrast.

    The basis is separable, so that sampling is three small matrix products. Sampling is exact at any shift and scale:
    nothing is interpolated from step to step, and a shift needs no padding. After Olah et al. 2017, with time added.

    A sigmoid alone bounds the values but not the contrast: a search that may raise it does, until most values are
    nearly black or white and the gradient is lost. Instead the values are standardised over the volume and scaled to
    the contrast that is asked for, so that only the distribution of that contrast over shapes, colours and frames is
    searched. A soft limit (nearly linear, unlike the sigmoid) then keeps them between black and white.

    Args:
        size: (frames, height, width).
        longest_wave: in frames or pixels. Amplitudes fall with frequency from this wavelength on; longer waves are as
            strong as this one. Otherwise slow washes of colour would outweigh shapes.
        contrast: standard deviation of the values, of 255; 0 leaves it free, bounded by a sigmoid.
        channels: of the network's input. Of one, the colours are averaged; of more than three, each is a plane of its
            own, and none is correlated with another.
    """

    def __init__(self, size: Size, longest_wave: float, contrast: float = 0.0, channels: int = 3) -> None:
        self.size = size
        self._contrast, self._grey = contrast, channels == 1
        mixing = COLOUR_CORRELATION if channels <= 3 else PLANE_DEVIATION * np.eye(channels, dtype=np.float32)
        self._mixing = 4 * mixing
        frames, height, width = size
        self.counts = (frames, _odd(height * BANDWIDTH, height), _odd(width * BANDWIDTH, width))
        self.shape = (*self.counts, max(3, channels))
        scale = self.frequency_scale(longest_wave)
        self._scale = (scale / np.sqrt(np.square(scale).sum()))[..., np.newaxis].astype(np.float32)

    def start(self, seed: int) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64(seed))
        return generator.normal(0, START_DEVIATION, self.shape).astype(np.float32)

    def prepare(self, views: np.ndarray) -> PreparedViews:
        return tuple(
            _basis(_coordinates(size, views[:, axis], views[:, 3 + axis]), size, count)
            for axis, (size, count) in enumerate(zip(self.size, self.counts, strict=True))
        )

    def sample(self, parameters: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        waves = tf.transpose(self.coefficients(parameters), (1, 2, 3, 4, 0))  # (t, h, w, planes, N) coefficients
        for basis in view:  # the new axis goes last: (h, w, planes, N, T), …, (planes, N, T, H, W)
            waves = _transform_first_axis(waves, basis)
        values = _transform_first_axis(waves, tf.constant(self._mixing))
        if self._grey:
            values = tf.repeat(tf.reduce_mean(values, -1, keepdims=True), 3, -1)
        return _held(values, self._contrast / 127.5) if self._contrast else tf.sigmoid(values)

    def coefficients(self, parameters: tf.Tensor) -> tf.Tensor:
        """Coefficients of the basis (N, *shape) of parameters (N, *shape)."""
        return parameters * self._scale

    def constrain(self, parameters: tf.Tensor) -> tf.Tensor:
        return parameters

    def to_linear(self, parameters: np.ndarray) -> np.ndarray:
        return self._along_axes(parameters * self._scale, self._bases())

    def from_linear(self, volume: np.ndarray) -> np.ndarray:
        # a basis has orthogonal columns, so its pseudo-inverse is its transpose over their squared norms
        inverses = [(basis / np.square(basis).sum(axis=0)).T for basis in self._bases()]
        return (self._along_axes(volume, inverses) / self._scale).astype(np.float32)

    def _bases(self) -> list[np.ndarray]:
        return [basis[0] for basis in self.prepare(np.zeros((1, 6), np.float32))]

    @staticmethod
    def _along_axes(volume: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
        for matrix in matrices:  # (T, H, W, planes) … (planes, T, H, W)
            volume = np.tensordot(volume, matrix, axes=(0, 1))
        return np.moveaxis(volume, 0, -1)

    def frequency_scale(self, longest_wave: float) -> np.ndarray:
        """Relative amplitude at each frequency, (t, h, w)."""
        t, h, w = self.frequency_grid()
        return np.maximum(np.sqrt(t**2 + h**2 + w**2), 1 / longest_wave) ** -FREQUENCY_FALL

    def frequency_grid(self) -> list[np.ndarray]:
        """Temporal, vertical and horizontal frequency of each coefficient, (t, h, w) each."""
        axes = [frequencies(size, count) for size, count in zip(self.size, self.counts, strict=True)]
        return list(np.meshgrid(*axes, indexing="ij"))


class PixelVolume:
    """Voxels in the network's own units, as keras-vis optimises them, clipped to the valid input range.

    A view shifts them by whole frames and pixels, wrapping round. Its scale is ignored.

    Args:
        size: (frames, height, width).
        domain: the network's input range.
    """

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

    def to_linear(self, parameters: np.ndarray) -> np.ndarray:
        return parameters

    def from_linear(self, volume: np.ndarray) -> np.ndarray:
        return volume


def _held(values: tf.Tensor, deviation: float) -> tf.Tensor:
    """Volumes (N, T, H, W, planes) in [0, 1] of unbounded values, each with this standard deviation on the scale of ±1.

    The values are standardised, scaled, and softly limited. The mean of the values shifts the volume's brightness, by
    at most `BRIGHTNESS`.
    """
    axes = [1, 2, 3, 4]
    mean = tf.reduce_mean(values, axes, keepdims=True)
    centred = values - mean
    standard = centred * tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axes, keepdims=True) + FAINT**2)
    brightness = tf.clip_by_value(mean, -2 * BRIGHTNESS, 2 * BRIGHTNESS)
    scale: Any = deviation
    # The limit takes a part of the deviation, which depends on how the values are distributed: it is given back here.
    some, offset = tf.stop_gradient(standard[:, :, ::2, ::2]), tf.stop_gradient(brightness)
    wanted = deviation * tf.math.reduce_std(some, axes, keepdims=True)
    for _ in range(2):
        scale *= wanted / tf.math.reduce_std(_limited(scale * some + offset), axes, keepdims=True)
    return 0.5 + 0.5 * _limited(scale * standard + brightness)


def _limited(distance: tf.Tensor) -> tf.Tensor:
    """x/(1 + x⁴)^¼ of distances from grey; ±1 is black and white."""
    return distance * tf.math.rsqrt(tf.sqrt(1 + tf.square(tf.square(distance))))


def _odd(wanted: float, size: int) -> int:
    """An odd number of basis functions (a constant, then pairs of cosine and sine), at most `size`."""
    count = max(1, min(int(wanted), size))
    return count if count % 2 or count == size else count + 1


def frequencies(size: int, count: int) -> np.ndarray:
    """Frequency of each basis function, (count,) in cycles per frame or pixel: 0, then 1/size …, twice over."""
    pairs = np.arange(1, count // 2 + 1) / size
    return np.concatenate([[0.0], pairs, pairs])[:count]


def _coordinates(size: int, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Where each of n views samples one axis, (n, size) float32 in frames or pixels."""
    centre = (size - 1) / 2
    offsets = np.arange(size) - centre
    return (offsets * (1 + scale[:, np.newaxis]) + centre + shift[:, np.newaxis]).astype(np.float32)


def _basis(coordinates: np.ndarray, size: int, count: int) -> np.ndarray:
    """Real Fourier basis of period `size` at coordinates (…), (…, count) float32."""
    cycles = np.arange(1, count // 2 + 1, dtype=np.float32) * np.float32(2 * np.pi / size)
    angles = coordinates[..., np.newaxis] * cycles
    waves = [np.ones_like(coordinates)[..., np.newaxis], np.sqrt(2) * np.cos(angles), np.sqrt(2) * np.sin(angles)]
    return np.concatenate(waves, -1)[..., :count].astype(np.float32)


def _transform_first_axis(waves: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """(n, …) with a matrix (m, n) to (…, m): one matrix product, no transposition in memory."""
    first, *rest = waves.shape
    flat = tf.reshape(waves, (first, -1))
    return tf.reshape(tf.matmul(flat, matrix, transpose_a=True, transpose_b=True), (*rest, matrix.shape[0]))
