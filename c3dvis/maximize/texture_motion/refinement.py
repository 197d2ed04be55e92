"""A texture and displacements that keep the filter's response, found from those that rebuild the clip best.

A clip that one texture and smooth displacements give differs from the found one in what appears, disappears or changes
its form. Small differences cost much of the response. So texture and displacements are both changed a little, by
gradient descent on

    E(I, D) = 3 · |V − warp(I, D)|² / var(V) + max(0, 1 − A(warp(I, D)) / A(V))

Averages are over all values; V is the found clip and A the mean response. The first term holds the rebuilt clip near
the found one. The second is zero as soon as the rebuilt clip has the whole response, so that it is not maximised
further. The change of D is a cubic B-spline on a coarse grid, which makes it smooth in space and time.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from cachetools import LRUCache, cached

from c3dvis.maximize.energy.layer_response import layer_response
from c3dvis.maximize.energy.objectives import filter_weights, position_weights, weighted_response
from c3dvis.maximize.optimizers import Adam
from c3dvis.maximize.volume.warp import warp
from c3dvis.networks.compute.network import Network
from c3dvis.results.texture_motion import positions
from c3dvis.spec import RenderSpec

STEPS = 16
_NEARNESS = 3.0
_PIXELS, _FRAMES = 8, 2  # between the control points of the change of the displacement
_TEXTURE_RATE = 0.05  # of the range from black to white
_DISPLACEMENT_RATE = 0.4  # pixels


def refine(
    network: Network,
    spec: RenderSpec,
    clip: np.ndarray,
    texture: np.ndarray,
    displacement: np.ndarray,
    activation: float,
    on_step: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """The refined texture and displacements, of the shapes of those given.

    Args:
        network: whose response is kept.
        spec: names layer, filters, objective and precision.
        clip: (T, H, W, 3) uint8, the found clip.
        texture, displacement: as `reconstruct` returns them.
        activation: the response to the clip, above 0.
        on_step: called with the number of steps done; it may raise to end the search.
    """
    margin = (texture.shape[0] - clip.shape[1]) // 2
    frames = clip.astype(np.float32) / 255
    shape = network.info.output_shape(spec.layer, *spec.size)
    filters = np.full(shape[3], 1 / shape[3], np.float32) if spec.objective == "layer" else filter_weights(spec, shape)
    step = _compiled_step(network, spec.layer, spec.size, network.precision(spec.precision))
    target = (
        tf.constant(frames), tf.constant(np.stack(positions(displacement, margin), -1), tf.float32),
        tf.constant(position_weights(spec, shape)), tf.constant(filters[np.newaxis]),
        tf.constant(activation, tf.float32), tf.constant(max(float(frames.var()), 1e-6)),
    )  # fmt: skip
    control_points = np.zeros([basis.shape[1] for basis in _bases(spec.size)] + [2], np.float32)
    variables = tf.constant(texture, tf.float32), tf.constant(control_points)
    slots = tuple((tf.zeros_like(each)[tf.newaxis],) * Adam.num_slots for each in variables)
    for index in range(STEPS):
        pace = min(1.0, (STEPS - index) / (0.4 * STEPS))
        variables, slots = step(variables, slots, tf.constant(index), tf.constant(pace, tf.float32), target)
        on_step(index + 1)
    found, control_points = (each.numpy() for each in variables)
    return found, displacement + np.einsum("ta,yb,xc,abcd->tyxd", *_bases(spec.size), control_points, optimize=True)


@cached(LRUCache(4), key=lambda network, *rest: (network.fingerprint, *rest), lock=threading.Lock())
def _compiled_step(network: Network, layer: str, size: tuple[int, int, int], precision: str) -> Any:
    """One step of Adam on texture and control points, compiled for a layer and a clip size."""
    domain, bounds, adam = network.input_domain, network.input_domain.bounds(*size[1:]), Adam()
    bases = [tf.constant(basis) for basis in _bases(size)]

    def energy(texture: Any, control_points: Any, target: Any) -> tf.Tensor:
        frames, places, positions_, filters, activation, variance = target
        places = places + tf.einsum("ta,yb,xc,abcd->tyxd", *bases, control_points)
        rebuilt = warp(texture[tf.newaxis], places[tf.newaxis, ..., 0], places[tf.newaxis, ..., 1])[0]
        seen = tf.repeat(tf.reduce_mean(rebuilt, -1, keepdims=True), 3, -1) if domain.channels == 1 else rebuilt
        clips = tf.cast(domain.from_unit(seen[tf.newaxis], *bounds, tf.reverse), precision)
        response = layer_response(lambda clips: network.forward(clips, layer), clips, positions_)
        kept = weighted_response(response.before, response.after, filters, 0.0)[0] / activation
        distance = tf.reduce_mean(tf.square(frames - rebuilt)) / variance
        return _NEARNESS * distance + tf.nn.relu(1 - kept)

    def step(variables: Any, slots: Any, index: tf.Tensor, pace: tf.Tensor, target: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(variables)
            texture, control_points = variables
            value = energy(texture, control_points, target)
        gradients = tape.gradient(value, variables)
        moved = [
            adam.step(each[tf.newaxis], gradient[tf.newaxis], of_each, index, rate * tf.expand_dims(pace, 0))
            for each, gradient, of_each, rate in zip(
                variables, gradients, slots, (_TEXTURE_RATE, _DISPLACEMENT_RATE), strict=True
            )
        ]
        (texture, _), (control_points, _) = moved
        return (tf.clip_by_value(texture[0], 0, 1), control_points[0]), tuple(memory for _, memory in moved)

    return tf.function(step, autograph=False, reduce_retracing=True)


def _bases(size: tuple[int, int, int]) -> list[np.ndarray]:
    """Cubic B-splines along time, height and width, (length, control points) float32 each."""
    return [_splines(length, step) for length, step in zip(size, (_FRAMES, _PIXELS, _PIXELS), strict=True)]


def _splines(length: int, step: int) -> np.ndarray:
    count = (length - 2) // step + 4  # one control point beyond each end
    distance = np.abs(np.arange(length)[:, np.newaxis] / step - np.arange(-1, count - 1))
    inner, outer = 2 / 3 - distance**2 + distance**3 / 2, np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, inner, outer).astype(np.float32)
