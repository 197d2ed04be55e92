"""The method of the clearest public program for 3D networks, on c3dvis's networks, as a baseline.

3DKernelVisualizer (Li and Li 2025, arXiv:2505.07387), its first stage, which makes the clip that most excites a filter.
Written from the paper's description:

    v     = σ(C x)                                 voxels x (T, H, W, 3) through the colour decorrelation C
    loss  = −mean over positions of the filter's response to view(v)
    x     = Adam(x, ∂ loss/∂x), rate 0.05          from noise of deviation 0.01; no regulariser

Each of 512 steps sees v through a random view: moved by up to 4 frames and 8 pixels, and scaled by up to ±10 %. Frames
wrap round; a view that reaches beyond the picture's edge sees it reflected. (The authors' program draws shifts in one
direction only and fills the border with black.) The network's forward and backward pass is that of c3dvis, which is
faster than the same network under TensorFlow's own gradient: the seconds compare methods, not kernels.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from cachetools import LRUCache, cached

from c3dvis.maximize.energy.layer_response import layer_response
from c3dvis.maximize.volume.parametrization import COLOUR_CORRELATION, Size
from c3dvis.networks.compute.network import Network

STEPS = 512
SHIFT = (4, 8)
"""Largest shift: frames, pixels."""
SCALE = 0.1
"""Largest change of scale, the same for height and width."""
RATE = 0.05
START_DEVIATION = 0.01
_MEAN, _SQUARE, _FLOOR = 0.9, 0.999, 1e-8  # Adam's, as Kingma and Ba 2015 have them

View = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Shift of the frames () int32; matrices (H, H) and (W, W) float32 that resample rows and columns."""


def maximize(network: Network, layer: str, index: int, size: Size, steps: int, seed: int, precision: str) -> np.ndarray:
    """The clip (T, H, W, 3) uint8 that the method ends with.

    Args:
        network: the network.
        layer: a name from its layers.
        index: of the filter.
        size: (frames, height, width) of the clip.
        steps: of Adam; the method has `STEPS`.
        seed: of the start and the views.
        precision: of the network's arithmetic, `float32` or `bfloat16`.
    """
    generator = np.random.default_rng(seed)
    parameters = tf.constant(generator.normal(0, START_DEVIATION, (*size, 3)).astype(np.float32))
    slots = tf.zeros_like(parameters), tf.zeros_like(parameters)
    step = compiled_step(network, layer, size, precision)
    for number in range(1, steps + 1):
        view = tuple(map(tf.constant, random_view(generator, size)))
        parameters, slots, _ = step(parameters, slots, tf.constant(number), tf.constant(index), view)
    return (volume(parameters).numpy() * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def volume(parameters: tf.Tensor) -> tf.Tensor:
    """The volume (T, H, W, 3) in [0, 1] of voxels (T, H, W, 3)."""
    return tf.sigmoid(tf.tensordot(parameters, tf.constant(COLOUR_CORRELATION.T), 1))


def random_view(generator: np.random.Generator, size: Size) -> View:
    """A view that the method draws for one step."""
    frames, height, width = size
    most_frames, most_pixels = SHIFT
    shift = generator.integers(-most_frames, most_frames, endpoint=True)
    rows, columns = generator.integers(-most_pixels, most_pixels, 2, endpoint=True)
    scale = generator.uniform(1 - SCALE, 1 + SCALE)
    return np.array(shift % frames, np.int32), resampling(height, scale, rows), resampling(width, scale, columns)


def resampling(size: int, scale: float, shift: float) -> np.ndarray:
    """(size, size) float32 matrix that scales an axis about its centre and then moves it, by linear interpolation.

    What lies beyond an end is the axis reflected at its last position.
    """
    centre = (size - 1) / 2
    coordinates = (np.arange(size) - shift - centre) / scale + centre
    period = 2 * (size - 1)
    coordinates = np.abs((coordinates + size - 1) % period - (size - 1))
    low = np.minimum(coordinates.astype(int), size - 2)
    matrix = np.zeros((size, size), np.float32)
    matrix[np.arange(size), low] = 1 - (coordinates - low)
    matrix[np.arange(size), low + 1] = coordinates - low
    return matrix


@cached(
    LRUCache(4), key=lambda network, *rest: (network.fingerprint, *rest), lock=threading.Lock()
)  # one tracing for all filters of a layer
def compiled_step(network: Network, layer: str, size: Size, precision: str) -> Callable[..., Any]:
    """One step, compiled, of all filters of a layer.

    Its arguments are the voxels (T, H, W, 3), Adam's two moments of the same shape, the step's number from 1, the index
    of the filter, and the view. It returns the next voxels and moments, and the loss before the step.
    """
    voxels, number = tf.TensorSpec((*size, 3)), tf.TensorSpec((), tf.int32)
    view = number, *[tf.TensorSpec((length, length)) for length in size[1:]]

    @tf.function(autograph=False, input_signature=[voxels, (voxels, voxels), number, number, view])
    def step(
        parameters: tf.Tensor,
        slots: tuple[tf.Tensor, tf.Tensor],
        number: tf.Tensor,
        index: tf.Tensor,
        view: Sequence[tf.Tensor],
    ) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            value = loss(network, layer, volume(parameters), index, view, precision)
        gradient: Any = tape.gradient(value, parameters)
        mean = _MEAN * slots[0] + (1 - _MEAN) * gradient
        square = _SQUARE * slots[1] + (1 - _SQUARE) * tf.square(gradient)
        count = tf.cast(number, tf.float32)
        unbiased_mean, unbiased_square = mean / (1 - tf.pow(_MEAN, count)), square / (1 - tf.pow(_SQUARE, count))
        return parameters - RATE * unbiased_mean / (tf.sqrt(unbiased_square) + _FLOOR), (mean, square), value

    return step


def loss(
    network: Network, layer: str, shown: tf.Tensor, index: tf.Tensor, view: Sequence[tf.Tensor], precision: str
) -> tf.Tensor:
    """−mean response () of a filter, after its ReLU, to a volume (T, H, W, 3) in [0, 1] through a view."""
    shift, rows, columns = view
    moved = tf.roll(shown, shift, 0)
    moved = tf.einsum("ih,thwc->tiwc", rows, moved)
    moved = tf.einsum("jw,tiwc->tijc", columns, moved)
    domain = network.input_domain
    shape: Any = shown.shape
    clips = domain.from_unit(moved[tf.newaxis], *domain.bounds(*shape[1:3]), tf.reverse)
    response = layer_response(partial(network.forward, layer=layer), tf.cast(clips, precision), None, True, False)
    return -response.after[0, index]
