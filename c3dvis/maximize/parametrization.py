"""What is searched: numbers that stand for a volume, and how a volume is sampled from them.

A parametrisation turns its numbers into volumes of the shown range, seen through a view: a small shift and scale
of each axis. It knows the canvas's size and nothing of networks beyond their input range. Several volumes are
sampled at once, each from its own numbers.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from c3dvis.networks.graph.input_domain import InputDomain

Size = tuple[int, int, int]
Prepared = tuple[np.ndarray, ...]

# Square root of the covariance of natural images' colours, as published with lucid and by Olah et al. 2017
# (distill.pub/2017/feature-visualization, "Preconditioning and parameterization").
_COLOUR = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
COLOUR_CORRELATION = _COLOUR / np.linalg.norm(_COLOUR, axis=0).max()

# Share of the spectrum that is searched on each spatial axis. What lies above is the finest grain, which pictures
# of filters do not need and which does not survive being encoded.
BANDWIDTH = 0.72
# Natural images' amplitude falls as 1/f. A steeper fall keeps grain out where the filter does not care; it stops at the
# longest wave that a volume is asked for, or slow washes of colour would outweigh what the filter looks for.
FREQUENCY_FALL = 2.0
# Amplitude of the starting noise, in units of the spectrum's own scale.
START_DEVIATION = 0.01


class Parametrization(Protocol):
    """Numbers that stand for a periodic volume."""

    size: Size
    shape: tuple[int, ...]

    def start(self, seed: int) -> np.ndarray:
        """The numbers (*shape) a search starts from."""
        ...

    def prepare(self, views: np.ndarray) -> Prepared:
        """What `sample` needs of each of n views (n, 6) from `transforms.random_views`: arrays (n, …).

        A view's shift is in frames, rows and columns, its scale likewise; along each axis the volume is sampled at
        centre + (1 + scale)·(x − centre) + shift.
        """
        ...

    def sample(self, state: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        """Volumes (N, T, H, W, 3) RGB of numbers (N, *shape) through a prepared view; 0 is black and 1 white."""
        ...

    def constrain(self, state: tf.Tensor) -> tf.Tensor:
        """The nearest allowed numbers."""
        ...

    def unfold(self, state: np.ndarray) -> np.ndarray:
        """The volume (*size, 3) of numbers (*shape), in units in which volumes may be put side by side."""
        ...

    def fold(self, volume: np.ndarray) -> np.ndarray:
        """The numbers (*shape) that come nearest to such a volume."""
        ...


class FourierVolume:
    """A periodic volume as coefficients of a real Fourier basis, in decorrelated colours, bounded by a sigmoid.

    The basis is separable, so sampling it is three small matrix products, at any shift and scale exactly: no
    interpolation blurs the picture between steps, and a shift needs no padding. Olah et al. 2017; the frequency
    scale after the same.

    Args:
        size: (frames, height, width).
        longest_wave: in frames or pixels; longer ones are there, and are no stronger than this one.
    """

    def __init__(self, size: Size, longest_wave: float) -> None:
        self.size = size
        frames, height, width = size
        self.counts = (frames, _odd(height * BANDWIDTH, height), _odd(width * BANDWIDTH, width))
        self.shape = (*self.counts, 3)
        self._scale = self._frequency_scale(longest_wave)[..., np.newaxis].astype(np.float32)

    def start(self, seed: int) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64(seed))
        return generator.normal(0, START_DEVIATION, self.shape).astype(np.float32)

    def prepare(self, views: np.ndarray) -> Prepared:
        return tuple(
            _basis(_places(size, views[:, axis], views[:, 3 + axis]), size, count)
            for axis, (size, count) in enumerate(zip(self.size, self.counts, strict=True))
        )

    def sample(self, state: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        waves = tf.transpose(state * self._scale, (1, 2, 3, 4, 0))  # (t, h, w, 3, N) coefficients
        for basis in view:  # the new axis goes last: (h, w, 3, N, T), …, (3, N, T, H, W)
            waves = _transform_first_axis(waves, basis)
        return tf.sigmoid(_transform_first_axis(waves, tf.constant(4 * COLOUR_CORRELATION)))

    def constrain(self, state: tf.Tensor) -> tf.Tensor:
        return state

    def unfold(self, state: np.ndarray) -> np.ndarray:
        return self._along_axes(state * self._scale, self._bases())

    def fold(self, volume: np.ndarray) -> np.ndarray:
        inverses = [(basis / np.square(basis).sum(axis=0)).T for basis in self._bases()]  # its columns are orthogonal
        return (self._along_axes(volume, inverses) / self._scale).astype(np.float32)

    def _bases(self) -> list[np.ndarray]:
        return [basis[0] for basis in self.prepare(np.zeros((1, 6), np.float32))]

    @staticmethod
    def _along_axes(volume: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
        for matrix in matrices:  # (T, H, W, 3) … (3, T, H, W) and the colours to the end again
            volume = np.tensordot(volume, matrix, axes=(0, 1))
        return np.moveaxis(volume, 0, -1)

    def _frequency_scale(self, longest_wave: float) -> np.ndarray:
        axes = [_frequencies(size, count) for size, count in zip(self.size, self.counts, strict=True)]
        t, h, w = np.meshgrid(*axes, indexing="ij")
        frequency = np.maximum(np.sqrt(t**2 + h**2 + w**2), 1 / longest_wave)
        scale = frequency**-FREQUENCY_FALL
        return scale / np.sqrt(np.square(scale).sum())


class PixelVolume:
    """Plain voxels in the network's own units, as keras-vis searches them, kept within the valid input range.

    A view shifts them by whole frames and pixels, wrapping round; its scale does nothing here.

    Args:
        size: (frames, height, width).
        domain: the network's input range.
    """

    def __init__(self, size: Size, domain: InputDomain) -> None:
        self.size = size
        self.shape = (*size, 3)
        self._low, high = domain.shown_bounds
        self._range = high - self._low

    def start(self, seed: int) -> np.ndarray:
        """Noise around middle grey with a deviation of 5 % of the range, keras-vis's own start."""
        generator = np.random.Generator(np.random.PCG64(seed))
        noise = generator.normal(0.5, 0.05, self.shape).astype(np.float32)
        return self._low + noise * self._range

    def prepare(self, views: np.ndarray) -> Prepared:
        return (np.rint(-views[:, :3]).astype(np.int32),)

    def sample(self, state: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        return (tf.roll(state, view[0], [1, 2, 3]) - self._low) / self._range

    def constrain(self, state: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(state, self._low, self._low + self._range)

    def unfold(self, state: np.ndarray) -> np.ndarray:
        return state

    def fold(self, volume: np.ndarray) -> np.ndarray:
        return volume


def spread(small: Parametrization, state: np.ndarray, large: Parametrization, seed: int) -> np.ndarray:
    """Numbers (*large.shape) of a larger canvas that is laid with copies of a smaller one.

    Every copy is rolled in height and width, so that the large canvas does not repeat itself at the small one's period,
    and neighbours fade into each other over half a copy, so that no seam is left. Both canvases are equally long. The
    first roll is by chance; from copy to copy they follow a sequence that spreads points evenly over a plane, since of
    two chance rolls some are nearly alike, and their copies then show the period.
    """
    volume = small.unfold(state)
    rolls = _evenly_spread(np.random.Generator(np.random.PCG64([seed, 2])).random(2))
    laid = np.zeros((*large.size, volume.shape[-1]), np.float32)
    rows, columns = (_fades(large.size[axis], small.size[axis]) for axis in (1, 2))
    for row in rows:
        for column in columns:
            roll = np.floor(next(rolls) * small.size[1:]).astype(int)
            rolled = np.roll(volume, roll, (1, 2))
            for axis in (1, 2):
                rolled = np.take(rolled, np.arange(large.size[axis]) % small.size[axis], axis=axis)
            laid += row[:, np.newaxis, np.newaxis] * column[:, np.newaxis] * rolled
    return large.fold(laid)


def _evenly_spread(first: np.ndarray) -> Iterator[np.ndarray]:
    """Points (2,) of the unit square, the additive recurrence of the plastic number (Roberts 2018, "R2")."""
    plastic = 1.324717957244746  # x³ = x + 1
    for i in itertools.count():
        yield (first + i / np.array([plastic, plastic**2])) % 1


def _fades(whole: int, part: int) -> np.ndarray:
    """Weight of each copy along an axis, (copies, whole) float32; their squares add up to 1, as of unlike pictures."""
    count = -(-whole // part)
    centres = (np.arange(count) + 0.5) * whole / count
    distance = np.abs(np.arange(whole) + 0.5 - centres[:, np.newaxis]) * count / whole  # 0.5 at a seam
    weights = np.cos(np.clip((distance - 0.25) / 0.5, 0, 1) * np.pi / 2)
    return (weights / np.sqrt(np.square(weights).sum(axis=0))).astype(np.float32)


def _odd(wanted: float, size: int) -> int:
    """An odd number of basis functions (a constant, then pairs of cosine and sine), at most `size`."""
    count = max(1, min(int(wanted), size))
    return count if count % 2 or count == size else count + 1


def _frequencies(size: int, count: int) -> np.ndarray:
    """Frequency of each basis function, in cycles per frame or pixel: 0, then 1/size …, twice over."""
    pairs = np.arange(1, count // 2 + 1) / size
    return np.concatenate([[0.0], pairs, pairs])[:count]


def _places(size: int, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Where n views look along one axis, (n, size) float32."""
    centre = (size - 1) / 2
    around = np.arange(size) - centre
    return (around * (1 + scale[:, np.newaxis]) + centre + shift[:, np.newaxis]).astype(np.float32)


def _basis(places: np.ndarray, size: int, count: int) -> np.ndarray:
    """Real Fourier basis of period `size` at some places (…), (…, count) float32."""
    cycles = np.arange(1, count // 2 + 1, dtype=np.float32) * np.float32(2 * np.pi / size)
    angles = places[..., np.newaxis] * cycles
    waves = [np.ones_like(places)[..., np.newaxis], np.sqrt(2) * np.cos(angles), np.sqrt(2) * np.sin(angles)]
    return np.concatenate(waves, -1)[..., :count].astype(np.float32)


def _transform_first_axis(waves: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """(n, …) with a matrix (m, n) to (…, m): one matrix product, no transposition in memory."""
    first, *rest = waves.shape
    flat = tf.reshape(waves, (first, -1))
    return tf.reshape(tf.matmul(flat, matrix, transpose_a=True, transpose_b=True), (*rest, matrix.shape[0]))
