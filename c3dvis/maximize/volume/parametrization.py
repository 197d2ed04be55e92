"""Parametrisations of a volume: the parameters that the optimiser updates, and how a volume is sampled from them.

A parametrisation turns a batch of parameters into a batch of volumes, seen through a view: a small shift and scale of
each axis. It depends on the volume's size and on the network's input range, and on no other property of the network.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

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
# How far a wave's period, and with it the volume, goes on beyond the clip: a share of the frames, and of the height and
# width. Otherwise the last frame would have to resemble the first, and one edge the opposite one.
BEYOND = (1 / 2, 1 / 7)
# Largest difference of a volume's mean from middle grey, of its range, where its contrast is held.
BRIGHTNESS = 0.085
# Standard deviation of the unbounded values below which the contrast is lower than asked for, so that the starting
# noise is shown as the faint noise that it is. A few steps later they are above 1.
FAINT = 0.2
# Standard deviation of the starting noise, in units of the spectrum's own scale.
START_DEVIATION = 0.01


class Parametrization(Protocol):
    """A differentiable map from parameters to a volume.

    Attributes:
        size: (frames, height, width) of the volume.
        shape: of one volume's parameters.
        lengths: of the parts of flat parameters that differ in kind; none if all are of one kind.
    """

    size: Size
    shape: tuple[int, ...]
    lengths: Sequence[int]

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

    def at_full_contrast(self, parameters: np.ndarray) -> np.ndarray:
        """The noise of `start` (*shape), no longer faint, for a target that is silent on it and has no gradient."""
        ...

    def from_linear(self, volume: np.ndarray, seed: int) -> np.ndarray:
        """Parameters (*shape) from which an optimisation starts at a volume (*size, planes) of unbounded values.

        Args:
            seed: of what the volume does not determine.
        """
        ...


class FourierVolume:
    """A volume as coefficients of a real Fourier basis, in decorrelated colours, held at a contrast.

    The basis is separable, so that sampling is three small matrix products. Sampling is exact at any shift and scale:
    nothing is interpolated from step to step. After Olah et al. 2017, with time added.

    The clip is a window of a periodic volume that is longer along every axis. A view that reaches beyond the clip's
    edge sees the values at the edge go on, as a moved or shrunk clip is filled up. If it saw more of the volume
    instead, shapes would form that only what lies beyond the edge completes, which the shown clip does not have.

    A sigmoid alone bounds the values but not the contrast: a search that may raise it does, until most values are
    nearly black or white and the gradient is lost. Instead the values of each frame are standardised and scaled to the
    contrast that is asked for, so that only the distribution of that contrast over shapes and colours is searched. A
    soft limit (nearly linear, unlike the sigmoid) then keeps them between black and white.

    Args:
        size: (frames, height, width).
        longest_wave: in frames or pixels. Amplitudes fall with frequency from this wavelength on; longer waves are as
            strong as this one. Otherwise slow washes of colour would outweigh shapes.
        contrast: standard deviation of the values, of 255; 0 leaves it free, bounded by a sigmoid.
        channels: of the network's input. Of one, the colours are averaged; of more than three, each is a plane of its
            own, and none is correlated with another.
        repeats: the volume is one of many copies side by side: its period is its size, and beyond an edge a view sees
            the next copy.
    """

    lengths: Sequence[int] = ()

    def __init__(
        self, size: Size, longest_wave: float, contrast: float = 0.0, channels: int = 3, *, repeats: bool = False
    ) -> None:
        self.size = size
        self._repeats = repeats
        self._contrast, self._grey = contrast, channels == 1
        mixing = COLOUR_CORRELATION if channels <= 3 else PLANE_DEVIATION * np.eye(channels, dtype=np.float32)
        self._mixing = 4 * mixing
        self.period = size if repeats else _beyond(size)
        frames, height, width = self.period
        self.counts = (frames, _odd(height * BANDWIDTH, height), _odd(width * BANDWIDTH, width))
        self.shape = (*self.counts, max(3, channels))
        scale = self.frequency_scale(longest_wave)
        self._scale = (scale / np.sqrt(np.square(scale).sum()))[..., np.newaxis].astype(np.float32)

    def start(self, seed: int) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64(seed))
        return generator.normal(0, START_DEVIATION, self.shape).astype(np.float32)

    def prepare(self, views: np.ndarray) -> PreparedViews:
        return tuple(
            _basis(places, period, count)
            for places, period, count in zip(self.places(views), self.period, self.counts, strict=True)
        )

    def places(self, views: np.ndarray) -> list[np.ndarray]:
        """Where each of n views samples each axis, (n, size) float32 each."""
        found = [_coordinates(size, views[:, axis], views[:, 3 + axis]) for axis, size in enumerate(self.size)]
        if self._repeats:
            return found
        return [np.clip(places, 0, size - 1) for places, size in zip(found, self.size, strict=True)]

    def sample(self, parameters: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        return self.shown(self.values(parameters, view))

    def values(
        self, parameters: tf.Tensor, view: Sequence[tf.Tensor], displacement: Sequence[tf.Tensor] | None = None
    ) -> tf.Tensor:
        """Unbounded values (N, T, H, W, planes) through a prepared view, linear in the coefficients.

        Args:
            displacement: how far down and right of its pixels each frame is read, (N, T) each.
        """
        waves = tf.transpose(self.coefficients(parameters), (1, 2, 3, 4, 0))  # (t, h, w, planes, N) coefficients
        for basis in view:  # the new axis goes last: (h, w, planes, N, T), …, (planes, N, T, H, W)
            waves = transform_first_axis(waves, basis)
            if displacement is not None and basis is view[0]:
                for axis, pixels in enumerate(displacement):
                    waves = _displaced(waves, axis, pixels, self.period[1 + axis])
        return transform_first_axis(waves, tf.constant(self._mixing))

    def shown(self, values: tf.Tensor) -> tf.Tensor:
        """Volumes (N, T, H, W, planes) in [0, 1] of unbounded values."""
        if self._grey:
            values = tf.repeat(tf.reduce_mean(values, -1, keepdims=True), 3, -1)
        return _held(values, self._contrast / 127.5) if self._contrast else tf.sigmoid(values)

    def coefficients(self, parameters: tf.Tensor) -> tf.Tensor:
        """Coefficients of the basis (N, *shape) of parameters (N, *shape)."""
        return parameters * self._scale

    def constrain(self, parameters: tf.Tensor) -> tf.Tensor:
        return parameters

    def at_full_contrast(self, parameters: np.ndarray) -> np.ndarray:
        return parameters / np.float32(START_DEVIATION)

    def to_linear(self, parameters: np.ndarray) -> np.ndarray:
        """One period (*period, planes) of the waves of parameters (*shape): what `from_linear` undoes."""
        return _along_axes(parameters * self._scale, self._bases())

    def from_linear(self, volume: np.ndarray, seed: int = 0) -> np.ndarray:
        del seed  # the volume determines all parameters
        for axis, period in enumerate(self.period):
            volume = _extended(volume, axis, period)
        # a basis has orthogonal columns, so its pseudo-inverse is its transpose over their squared norms
        inverses = [(basis / np.square(basis).sum(axis=0)).T for basis in self._bases()]
        return (_along_axes(volume, inverses) / self._scale).astype(np.float32)

    def _bases(self) -> list[np.ndarray]:
        """The basis at every place of one period, for each axis."""
        return [
            _basis(np.arange(period, dtype=np.float32), period, count)
            for period, count in zip(self.period, self.counts, strict=True)
        ]

    def frequency_scale(self, longest_wave: float) -> np.ndarray:
        """Relative amplitude at each frequency, (t, h, w)."""
        t, h, w = self.frequency_grid()
        return np.maximum(np.sqrt(t**2 + h**2 + w**2), 1 / longest_wave) ** -FREQUENCY_FALL

    def frequency_grid(self) -> list[np.ndarray]:
        """Temporal, vertical and horizontal frequency of each coefficient, (t, h, w) each."""
        axes = [frequencies(period, count) for period, count in zip(self.period, self.counts, strict=True)]
        return list(np.meshgrid(*axes, indexing="ij"))


def _held(values: tf.Tensor, deviation: float) -> tf.Tensor:
    """Volumes (N, T, H, W, planes) in [0, 1] of unbounded values, each frame with this deviation on the scale of ±1.

    The values are standardised, scaled, and softly limited. The deviation is that from the volume's mean, which shifts
    its brightness by at most `BRIGHTNESS`.
    """
    mean = tf.reduce_mean(values, [1, 2, 3, 4], keepdims=True)
    centred = values - mean
    frame = [2, 3, 4]
    standard = centred * tf.math.rsqrt(tf.reduce_mean(tf.square(centred), frame, keepdims=True) + FAINT**2)
    brightness = tf.clip_by_value(mean, -2 * BRIGHTNESS, 2 * BRIGHTNESS)
    scale: Any = deviation
    # The limit takes a part of the deviation, which depends on how the values are distributed: it is given back here.
    some, offset = tf.stop_gradient(standard[:, :, ::2, ::2]), tf.stop_gradient(brightness)
    wanted = deviation * tf.math.reduce_std(some, frame, keepdims=True)
    for _ in range(2):
        scale *= wanted / tf.math.reduce_std(_limited(scale * some + offset), frame, keepdims=True)
    return 0.5 + 0.5 * _limited(scale * standard + brightness)


def _limited(distance: tf.Tensor) -> tf.Tensor:
    """x/(1 + x⁴)^¼ of distances from grey; ±1 is black and white."""
    return distance * tf.math.rsqrt(tf.sqrt(1 + tf.square(tf.square(distance))))


def _beyond(size: Size) -> Size:
    """The period of the volume of which a clip of this size is a window."""
    frames, height, width = size
    in_time, in_space = BEYOND
    return frames + int(frames * in_time), height + int(height * in_space), width + int(width * in_space)


def _extended(volume: np.ndarray, axis: int, length: int) -> np.ndarray:
    """A volume made longer along an axis: the end, reflected, fades into the beginning, reflected."""
    volume = np.moveaxis(volume, axis, 0)
    more = length - len(volume)
    share = ((np.arange(more, dtype=np.float32) + 0.5) / max(1, more)).reshape(-1, 1, 1, 1)
    between = (1 - share) * volume[::-1][:more] + share * volume[:more][::-1]
    return np.moveaxis(np.concatenate([volume, between]), 0, axis)


def _along_axes(volume: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """(a, b, c, planes) with matrices (A, a), (B, b), (C, c): (A, B, C, planes)."""
    for matrix in matrices:  # (a, b, c, planes) … (planes, A, B, C)
        volume = np.tensordot(volume, matrix, axes=(0, 1))
    return np.moveaxis(volume, 0, -1)


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


def _displaced(waves: tf.Tensor, axis: int, pixels: tf.Tensor, period: int) -> tf.Tensor:
    """Coefficients (h, w, planes, N, T) of the frames that are read some pixels (N, T) further along height or width.

    The cosine and the sine of a frequency turn into each other, by the part of its wave that the pixels are.
    """
    length: Any = waves.shape[axis]
    count = length // 2
    cycles = np.arange(1, count + 1, dtype=np.float32) * np.float32(2 * np.pi / period)
    angles = np.expand_dims(cycles, tuple(other for other in range(5) if other != axis)) * pixels
    cosines, sines = tf.cos(angles), tf.sin(angles)
    mean, even, odd = tf.split(waves, [1, count, count], axis)
    return tf.concat([mean, even * cosines + odd * sines, odd * cosines - even * sines], axis)


def transform_first_axis(waves: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """(n, …) with a matrix (m, n) to (…, m): one matrix product, no transposition in memory."""
    first, *rest = waves.shape
    flat = tf.reshape(waves, (first, -1))
    return tf.reshape(tf.matmul(flat, matrix, transpose_a=True, transpose_b=True), (*rest, matrix.shape[0]))
