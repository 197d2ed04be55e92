"""A texture that moves, and what changes beside it: the parametrisations `moving` and `texture`."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from c3dvis.maximize.volume.parametrization import (
    START_DEVIATION,
    FourierVolume,
    PreparedViews,
    Size,
    transform_first_axis,
)
from c3dvis.maximize.volume.warp import warp

MARGIN = 1 / 4
"""Of the larger side: the texture is larger than a frame by this on each side, since content comes into view."""
MODES = (6, 8, 8)
"""Cosines of the velocity along time, height and width."""
SPEED = 0.5
"""Pixels per frame of the slowest mode of the velocity, at a parameter of 1."""
SMOOTH, SMOOTH_TIME = 40.0, 2.0
"""Wavelength, in pixels, of the modes whose amplitude is half of the slowest one's. In time the waves count as that
many times shorter."""
START_MOTION = 0.5
"""Standard deviation of the velocity's parameters at the start."""


class MovingVolume:
    """Still texture times smooth motion, plus a volume for what appears, vanishes and changes its form:

        values_t(x) = I(x + D_t(x)) + R_t(x + d_t)

    Both are spectra as in `FourierVolume`, and the sum is held at its contrast. D_t is the integral over time of a
    velocity that is smooth in space and time, and 0 in the middle frame; d_t is its mean over the frame. Whatever the
    texture shows is seen in all frames, so that the search draws shapes that last and move. What changes moves with the
    frame as a whole: if it stood still, the changes of the first steps would hold the texture back, and the filter
    would be shown less motion than it looks for. Without R (`changes` false) the clip is a texture and its motion, and
    nothing else.

    Args:
        size, longest_wave, contrast, channels: as in `FourierVolume`.
        changes: whether there is a volume beside the texture.
    """

    def __init__(
        self, size: Size, longest_wave: float, contrast: float = 0.0, channels: int = 3, *, changes: bool = True
    ) -> None:
        self.size = size
        _frames, height, width = size
        self._margin = max(1, round(MARGIN * max(height, width)))
        whole = (1, height + 2 * self._margin, width + 2 * self._margin)
        self._texture = FourierVolume(whole, longest_wave, contrast, channels, repeats=True)
        self._plain = tuple(part[0] for part in self._texture.prepare(np.zeros((1, 6), np.float32)))
        self._change = FourierVolume(size, longest_wave, contrast, channels)
        self._changes = changes
        self._velocity = _velocity_scale(size)
        shapes = [self._texture.shape, (*MODES, 2), *([self._change.shape] if changes else [])]
        self._shapes = shapes
        self.lengths: Sequence[int] = [math.prod(shape) for shape in shapes]
        self.shape = (sum(self.lengths),)

    def start(self, seed: int) -> np.ndarray:
        velocity = np.random.Generator(np.random.PCG64([seed, 3])).normal(0, START_MOTION, (*MODES, 2))
        changes = [self._change.start(seed)] if self._changes else []
        parts = [self._texture.start(seed), velocity.astype(np.float32), *changes]
        return np.concatenate([part.ravel() for part in parts])

    def prepare(self, views: np.ndarray) -> PreparedViews:
        """Modes of the displacement along each axis, rows and columns of the frame, and what `FourierVolume` needs."""
        places = self._change.places(views)
        modes = [_integrated(places[0], self.size[0], MODES[0])]
        modes += [
            _cosines(at, size, count) for at, size, count in zip(places[1:], self.size[1:], MODES[1:], strict=True)
        ]
        return (*modes, *places[1:], *(self._change.prepare(views) if self._changes else ()))

    def sample(self, parameters: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        texture, velocity, *change = self.parts(parameters)
        picture = self._texture.values(texture, [tf.constant(part) for part in self._plain])[:, 0]
        down, right = self.displacements(velocity, view[:3])
        values = warp(picture, down + self._margin + view[3][:, tf.newaxis], right + self._margin + view[4])
        if self._changes:
            values += self._change.values(change[0], view[5:], self._whole_displacement(velocity, view[0]))
        return self._change.shown(values)

    def parts(self, parameters: tf.Tensor) -> list[tf.Tensor]:
        """The parameters of the texture, of the velocity (N, *MODES, 2), and of what changes, if anything does."""
        parts = tf.split(parameters, self.lengths, 1)
        return [tf.reshape(part, (-1, *shape)) for part, shape in zip(parts, self._shapes, strict=True)]

    def displacements(self, velocity: tf.Tensor, modes: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Down and right, (N, T, H, W) each in pixels, of the velocity's parameters (N, *MODES, 2)."""
        waves = tf.transpose(velocity * self._velocity, (1, 2, 3, 4, 0))
        for basis in modes:
            waves = transform_first_axis(waves, basis)  # … (2, N, T, H, W)
        return tf.unstack(waves)

    def _whole_displacement(self, velocity: tf.Tensor, modes: tf.Tensor) -> list[tf.Tensor]:
        """How far the whole frame is displaced, down and right, (N, T) each in pixels."""
        everywhere = velocity[:, :, 0, 0] * self._velocity[:, 0, 0]
        return tf.unstack(tf.matmul(everywhere, modes, transpose_a=True, transpose_b=True), axis=1)

    def moving_as_a_whole(self, parameters: np.ndarray, velocity: tuple[float, float]) -> np.ndarray:
        """The parameters (*shape) of the same texture with one velocity everywhere and always, and without changes.

        Args:
            velocity: of the content, down and right in pixels per frame.
        """
        found = np.zeros_like(parameters)
        start = self.lengths[0]
        found[:start] = parameters[:start]
        found[start : start + 2] = np.asarray(velocity) / -SPEED  # content moves against the place where it is read
        return found

    def constrain(self, parameters: tf.Tensor) -> tf.Tensor:
        return parameters

    def at_full_contrast(self, parameters: np.ndarray) -> np.ndarray:
        loud = parameters / np.float32(START_DEVIATION)
        motion = slice(self.lengths[0], self.lengths[0] + self.lengths[1])
        loud[motion] = parameters[motion]
        return loud

    def from_linear(self, volume: np.ndarray, seed: int) -> np.ndarray:
        """The texture is the frame of most contrast, reflected beyond its edges; motion and changes are the start's."""
        frame = volume[np.argmax(volume.var(axis=(1, 2, 3)))][np.newaxis]
        margin = self._margin
        picture = np.pad(frame, [(0, 0), (margin, margin), (margin, margin), (0, 0)], "symmetric")
        parameters = self.start(seed)
        parameters[: self.lengths[0]] += self._texture.from_linear(picture).ravel()
        return parameters


def _velocity_scale(size: Size) -> np.ndarray:
    """Pixels per frame of each mode at a parameter of 1, (*MODES, 1) float32."""
    t, h, w = np.meshgrid(
        *[np.arange(count) / (2 * length) for count, length in zip(MODES, size, strict=True)], indexing="ij"
    )
    waves = np.sqrt(np.square(SMOOTH_TIME * t) + np.square(h) + np.square(w))
    return (SPEED / (1 + np.square(SMOOTH * waves)))[..., np.newaxis].astype(np.float32)


def _cosines(places: np.ndarray, length: int, count: int) -> np.ndarray:
    """cos(k·π·(x + ½)/length), (…, count) float32 at places (…)."""
    return np.cos(np.arange(count) * np.pi * (places[..., np.newaxis] + 0.5) / length).astype(np.float32)


def _integrated(times: np.ndarray, length: int, count: int) -> np.ndarray:
    """The integrals of `_cosines` from the middle of the clip to each time, (…, count) float32 in frames."""
    k, middle = np.arange(1, count), (length - 1) / 2
    waves = length / (k * np.pi)
    sines = np.sin(k * np.pi * (times[..., np.newaxis] + 0.5) / length) - np.sin(k * np.pi / 2)
    return np.concatenate([times[..., np.newaxis] - middle, waves * sines], -1).astype(np.float32)
