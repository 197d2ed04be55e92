"""The measures beside a picture: how the network responds to a clip, and how steady and repetitive the picture is.

Pages and benchmarks take their measures from this module. All are computed on the uint8 clip as shown (of more than
three channels: on the values of all of them), converted back to network input.
"""

import math
import threading
from typing import Any

import numpy as np
import tensorflow as tf
from cachetools import LRUCache, cached
from scipy import ndimage

from c3dvis.maximize.energy.layer_response import filter_means
from c3dvis.maximize.energy.objectives import filter_weights, position_weights
from c3dvis.maximize.phase_twins import at_contrast, clipped_share, phase_twins
from c3dvis.media.gif import quantize
from c3dvis.networks.compute.network import Network
from c3dvis.spec import RenderSpec

NOISE_SEEDS = range(8)
_SHIFTS = ((1, 4, 4), (-1, -4, 4), (1, -4, -4), (-1, 4, -4))  # frames, rows, columns
_SCALES = (0.92, 1.08)
_BLUR = 0.7  # pixels
_ALIGNMENT = 3  # pixels
_BATCH = 4  # clips
_STILLS = 64  # frames that are held still, evenly spread over a longer clip
_MOST_VALUES = 16 * 2**20  # of one operation's output for a batch; a larger batch saves few percent of time
_SILENT = 1e-5  # a smaller standard deviation of a filter's response over the noise clips is rounding

Metric = float | int | bool | None


class Quality:
    """The measures of one target: some filters of one layer, at one clip size.

    Args:
        network: the network.
        spec: names layer, filters, objective and size.
        precision: arithmetic of the ratios (robustness, motion); activations and ranks are float32.
    """

    def __init__(self, network: Network, spec: RenderSpec, precision: str = "float32") -> None:
        self._network = network
        self._spec = spec
        self._size = (spec.frames, spec.height, spec.width)
        self._precision = precision
        shape = network.info.output_shape(spec.layer, *self._size)
        self._batch = max(1, min(_BATCH, _MOST_VALUES // _largest_output(network, spec)))
        self._positions = tf.constant(position_weights(spec, shape))
        self._filters = filter_weights(spec, shape)
        self._latest: tuple[np.ndarray, np.ndarray] | None = None

    def shown_activation(self, clip: np.ndarray) -> float:
        """The target's mean response, after its activation function, to a clip (T, H, W, planes) uint8."""
        return float(self._target(self._response(clip))[0])

    def shown_activations(self, clips: list[np.ndarray]) -> np.ndarray:
        """`shown_activation` of several clips, (clips,) float32."""
        return self._target(self._responses(clips, "float32"))

    def measure(self, clip: np.ndarray, canvas: tuple[int, int, int] | None = None) -> dict[str, Metric]:
        """All measures of a clip; docs/method.md defines each.

        Args:
            clip: (T, H, W, planes) uint8.
            canvas: (frames, height, width) of the small canvas that the optimisation began on, if any.
        """
        response = self._response(clip)
        shown = float(self._target(response)[0])
        noise = self._target(self.noise_responses())
        average, deviation = float(noise.mean()), float(noise.std())
        return {
            "shown_activation": shown,
            "strength": float(self._target(self._responses([at_contrast(clip)], "float32"))[0]),
            "contrast": float(clip.std(dtype=np.float64)),
            "clipped": clipped_share(clip),
            "noise_activation": average,
            "noise_deviation": deviation,
            "gain": shown / average if average > 0 else None,
            "selectivity": self._selectivity(response[0]),
            **self._ratios(clip, shown),
            "coherence": coherence(clip),
            "repetition": repetition(clip, canvas[1:] if canvas else None),
            "dead": self._dead(clip, shown),
        }

    @cached(
        LRUCache(64),
        key=lambda self: (
            self._network.fingerprint, self._spec.layer, self._size, self._spec.objective, self._spec.position
        ),
        lock=threading.Lock(),
    )  # fmt: skip
    def noise_responses(self) -> np.ndarray:
        """Mean response of every filter to 8 clips of uniform noise, (8, filters) float32; cached per layer."""
        shape = (*self._size, self._network.input_domain.planes)
        clips = [np.random.RandomState(s).randint(0, 256, shape, np.uint8) for s in NOISE_SEEDS]
        return self._responses(clips, "float32")

    def noise_scale(self) -> np.ndarray:
        """(2, filters) float32: mean over the noise clips, and 1/deviation; 0 for a filter that is silent on noise."""
        noise = self.noise_responses()
        deviation = noise.std(axis=0)
        responds = deviation > _SILENT
        return np.stack([noise.mean(axis=0), np.divide(1, deviation, out=np.zeros_like(deviation), where=responds)])

    def _response(self, clip: np.ndarray) -> np.ndarray:
        """`_responses` to one clip in float32. The latest is kept: an optimisation ends with it, `measure` begins."""
        if self._latest is None or not np.array_equal(self._latest[0], clip):
            self._latest = clip, self._responses([clip], "float32")
        return self._latest[1]

    def _responses(self, clips: list[np.ndarray], precision: str) -> np.ndarray:
        """Weighted mean over positions of every filter's response, (clips, filters) float32."""
        domain = self._network.input_domain
        uniform = self._spec.objective != "neuron"
        forward = _compiled_means(self._network, self._spec.layer, self._size, precision, uniform)
        rows = []
        for first in range(0, len(clips), self._batch):
            batch = np.stack([domain.to_network(clip) for clip in clips[first : first + self._batch]])
            rows.append(forward(tf.constant(batch), self._positions).numpy())
        return np.concatenate(rows)

    def _target(self, responses: np.ndarray) -> np.ndarray:
        """The target's response to each clip (clips,), of every filter's (clips, filters)."""
        if self._spec.objective == "layer":
            return responses.mean(axis=1)
        return responses @ self._filters

    def _selectivity(self, response: np.ndarray) -> int | None:
        """Rank among the layer's filters, each standardised by its response to noise; None for several filters.

        A filter that is silent on all noise clips has no deviation to be standardised by, and no rank.
        """
        if self._spec.objective == "layer" or not isinstance(self._spec.filter, int):
            return None
        average, scale = self.noise_scale()
        score = (response - average) * scale
        return int((score > score[self._spec.filter]).sum()) + 1 if scale[self._spec.filter] else None

    def _ratios(self, clip: np.ndarray, shown: float) -> dict[str, Metric]:
        """The measures that compare the response to the clip with that to changed clips.

        Robustness is against disturbances of the clip, the twin gain against its phase-scrambled twins, motion against
        its best frame held still. The first two need a clip with a response.
        """
        disturbed, twins = (self._disturbed(clip), list(phase_twins(clip))) if shown > 0 else ([], [])
        chosen = clip if len(clip) <= _STILLS else clip[np.linspace(0, len(clip) - 1, _STILLS).round().astype(int)]
        stills = (np.broadcast_to(frame, clip.shape) for frame in chosen)
        found = self._target(self._responses([clip, *disturbed, *twins, *stills], self._precision))
        value, of_disturbed, of_twins, of_stills = np.split(found, np.cumsum([1, len(disturbed), len(twins)]))
        response, best = float(value[0]), float(of_stills.max())
        twin = float(of_twins.mean()) if twins else None
        return {
            "twin_activation": twin,
            "twin_gain": response / twin if twin is not None and twin > 0 else None,
            "robustness": float(of_disturbed.mean()) / response if disturbed and response > 0 else None,
            "motion": response / best if best > 0 else None,
        }

    def _disturbed(self, clip: np.ndarray) -> list[np.ndarray]:
        return [
            *(shifted(clip, shift) for shift in _SHIFTS),
            *(rescaled(clip, factor) for factor in _SCALES),
            _bytes(ndimage.gaussian_filter(clip.astype(np.float32), (0, _BLUR, _BLUR, 0), mode="nearest")),
            *([_as_gif(clip)] if clip.shape[-1] == 3 else []),  # a GIF has no more channels
        ]

    def _dead(self, clip: np.ndarray, shown: float) -> bool:
        """Whether the pre-activation is at or below zero at every position, for a layer that ends in a ReLU."""
        if shown > 0 or self._spec.objective == "layer":
            return False
        tensor = tf.constant(self._network.input_domain.to_network(clip)[np.newaxis])

        @tf.function(autograph=False)
        def values(clips: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            response = self._network.forward(clips, self._spec.layer)
            return response.before, response.after

        before, after = values(tensor)
        if np.array_equal(before, after):
            return False  # without a ReLU a negative response is a response
        wanted = np.flatnonzero(self._filters > 0)
        return bool((before.numpy()[..., wanted] <= 0).all())


@cached(LRUCache(12), key=lambda network, *rest: (network.fingerprint, *rest), lock=threading.Lock())
def _compiled_means(network: Network, layer: str, size: tuple[int, int, int], precision: str, uniform: bool) -> Any:
    """A compiled function from a batch of network inputs and the weights of positions to `filter_means`.

    Args:
        uniform: all positions have the same weight, and the second argument is not read.
    """
    clips = tf.TensorSpec((None, *size, network.architecture.channels))

    @tf.function(autograph=False, input_signature=[clips, tf.TensorSpec((None, None, None))])
    def means(batch: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        after = network.forward(tf.cast(batch, precision), layer).after
        return filter_means(after, None if uniform else positions)

    return means


def _largest_output(network: Network, spec: RenderSpec) -> int:
    """Values of the largest operation's output on the way to a layer, for one clip."""
    shapes = network.architecture.shapes(spec.frames, spec.height, spec.width)
    return max(math.prod(shapes[op.name]) for op in network.architecture.ancestry(spec.layer))


def shifted(clip: np.ndarray, shift: tuple[int, int, int]) -> np.ndarray:
    """The clip moved by whole frames, rows and columns; the gap is filled with the nearest edge."""
    for axis, by in enumerate(shift):
        index = np.clip(np.arange(clip.shape[axis]) - by, 0, clip.shape[axis] - 1)
        clip = np.take(clip, index, axis=axis)
    return clip


def rescaled(clip: np.ndarray, factor: float) -> np.ndarray:
    """The clip's frames scaled about their centre (bilinear), then cropped or padded with the edge to their size."""
    rows, columns = (_resampling(size, factor) for size in clip.shape[1:3])
    return _bytes(np.einsum("ih,thwc,jw->tijc", rows, clip.astype(np.float32), columns, optimize=True))


def _resampling(size: int, factor: float) -> np.ndarray:
    """(size, size) float32 matrix of linear interpolation at coordinates scaled about the centre."""
    centre = (size - 1) / 2
    coordinates = np.clip((np.arange(size) - centre) / factor + centre, 0, size - 1)
    if size == 1:
        return np.ones((1, 1), np.float32)
    low = np.minimum(coordinates.astype(int), size - 2)
    matrix = np.zeros((size, size), np.float32)
    matrix[np.arange(size), low] = 1 - (coordinates - low)
    matrix[np.arange(size), low + 1] += coordinates - low
    return matrix


def _as_gif(clip: np.ndarray) -> np.ndarray:
    indices, palette = quantize(clip)
    return palette[indices]


def _bytes(clip: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(clip), 0, 255).astype(np.uint8)


def coherence(clip: np.ndarray) -> float | None:
    """Mean correlation of neighbouring frames after the best alignment within ±3 pixels; None for one frame."""
    frames = clip.astype(np.float32).mean(axis=-1)
    margin = _ALIGNMENT
    if len(frames) < 2 or min(frames.shape[1:]) <= 4 * margin:
        return None
    height, width = frames.shape[1] - 2 * margin, frames.shape[2] - 2 * margin
    inner = _standardised(frames[:-1, margin : margin + height, margin : margin + width])
    best = np.full(len(frames) - 1, -1.0)
    for dy in range(2 * margin + 1):
        for dx in range(2 * margin + 1):
            other = _standardised(frames[1:, dy : dy + height, dx : dx + width])
            best = np.maximum(best, np.einsum("thw,thw->t", inner, other))
    still = np.all(frames[1:] == frames[:-1], axis=(1, 2))  # also when a frame is flat and has no correlation
    return float(np.where(still, 1.0, best).mean())


def _standardised(frames: np.ndarray) -> np.ndarray:
    """Each frame with mean 0 and norm 1."""
    centred = frames - frames.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt(np.square(centred).sum(axis=(1, 2), keepdims=True))
    return centred / np.maximum(norm, 1e-6)


def repetition(clip: np.ndarray, period: tuple[int, int] | None = None) -> float:
    """How visibly a clip is periodic in space; a tiled picture is near 1.

    The highest normalised autocorrelation at the period (along either axis or both), minus its mean at lags of that
    length in other directions.

    Args:
        clip: (T, H, W, 3) uint8.
        period: rows and columns of the small canvas; half the clip when left out.
    """
    frames = clip.astype(np.float32).mean(axis=-1)
    frames -= frames.mean(axis=(1, 2), keepdims=True)
    power = np.square(np.abs(np.fft.rfft2(frames))).mean(axis=0)
    correlation = np.fft.irfft2(power, frames.shape[1:])
    if correlation[0, 0] <= 0:
        return 0.0
    correlation /= correlation[0, 0]
    rows, columns = period or (frames.shape[1] // 2, frames.shape[2] // 2)
    at_period = max(correlation[rows, 0], correlation[0, columns], correlation[rows, columns])
    angles = np.arange(1, 8) * math.pi / 16  # between the axes
    others = [correlation[round(rows * math.sin(a)), round(columns * math.cos(a))] for a in angles]
    return float(at_period - np.mean(others))
