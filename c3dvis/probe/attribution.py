"""Where in a clip a target's response comes from: gradient saliency, Grad-CAM over time, integrated gradients.

A target's score is the mean of a filter's response over all positions, after its activation function. The score of a
class is that before a softmax or sigmoid, if the last layer has one: after it, the gradient would also tell which other
classes the clip does not show.
"""

import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from cachetools import LRUCache
from scipy import ndimage

from c3dvis.errors import InvalidSpec, RenderFailed
from c3dvis.networks.compute.network import Network
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.probe.values import Attribution, Target

COMPLETENESS = 0.01
"""The share of the difference of scores by which a sum of integrated gradients may miss it."""

_FIRST_STEPS = 16
_MOST_GRADIENTS = 512
_ERRORS = 8  # a trapezoid may take this part of what is left of the allowed error
_NARROWEST = 2.0**-20  # of a trapezoid: float32 has no points between
_GREY = 0.5  # of black 0 and white 1: where the path of integrated gradients starts
_SILENT = 1e-6  # a smaller difference of scores is rounding

_compiled: LRUCache[Any, Any] = LRUCache(12)
_lock = threading.RLock()


class _Sample(NamedTuple):
    """A point of the path from grey to the clip.

    Attributes:
        share: of the path, 0 to 1.
        score: the target's.
        gradient: of the score with respect to the network's input.
        along: derivative of the score by the share.
    """

    share: float
    score: float
    gradient: np.ndarray
    along: float


def saliency(network: Network, target: Target, clip: np.ndarray) -> Attribution:
    """How much a target's score changes with each pixel: the norm of the gradient over the pixel's channels.

    The gradient is by a change from black to white of the channel. After Simonyan et al. 2014, arXiv:1312.6034.

    Args:
        network: with its weights.
        target: a filter or a class.
        clip: (T, H, W, 3) uint8 RGB, or (T, H, W, channels).

    Raises:
        UnknownLayer, InvalidSpec: no such layer or filter, or the clip is too small for the layer.
    """
    target.check(network.info, clip.shape[:3])
    score, gradient = score_gradient(network, target, network.input_domain.to_network(clip))
    low, high = network.input_domain.bounds(*clip.shape[1:3])
    span = high - low
    if network.input_domain.order == "BGR":
        span = span[..., ::-1]
    return Attribution(np.linalg.norm(gradient * span, axis=-1).astype(np.float32), target, "saliency", score)


def integrated_gradients(
    network: Network, target: Target, clip: np.ndarray, *, on_progress: OnProgress | None = None
) -> Attribution:
    """How much each pixel adds to a target's score, over a clip that is grey everywhere; above and below 0.

    The gradients are averaged along the straight path from the grey clip by trapezoids. Each is halved until it
    explains the difference of the scores at its ends, so that the sum is the difference of the two clips' scores within
    1 %. After Sundararajan et al. 2017, arXiv:1703.01365.

    Args:
        network, target, clip: as of `saliency`.
        on_progress: receives (gradients done, 0): how many it takes is not known before.

    Raises:
        UnknownLayer, InvalidSpec: as of `saliency`.
        RenderFailed: the sum does not come near the difference.
    """
    target.check(network.info, clip.shape[:3])
    domain = network.input_domain
    end = domain.to_network(clip)
    start = domain.to_network(np.full((*clip.shape[:3], 3), _GREY, np.float32))
    way = end - start
    done = 0

    def sample(share: float) -> _Sample:
        nonlocal done
        score, gradient = score_gradient(network, target, start + np.float32(share) * way)
        done += 1
        if on_progress:
            on_progress(done, 0)
        return _Sample(share, score, gradient, float(np.vdot(gradient.astype(np.float64), way)))

    first, last = sample(0.0), sample(1.0)
    allowed = max(COMPLETENESS * abs(last.score - first.score), _SILENT)
    total, error = np.zeros(way.shape, np.float64), 0.0
    coarse = [(index / _FIRST_STEPS) ** 3 for index in range(1, _FIRST_STEPS)]  # near grey the gradient changes fastest
    left, ahead = first, [last, *reversed(coarse)]  # the next is at the end, as a share until its turn comes
    while ahead and done < _MOST_GRADIENTS:
        right = ahead[-1] = ahead[-1] if isinstance(ahead[-1], _Sample) else sample(ahead[-1])
        width = right.share - left.share
        missed = width * (left.along + right.along) / 2 - (right.score - left.score)
        room = allowed - abs(error) if missed * error > 0 else allowed
        if abs(missed) > room / _ERRORS and width > _NARROWEST:
            ahead.append(sample((left.share + right.share) / 2))
        else:
            total += width / 2 * (left.gradient + right.gradient)
            error += missed
            left = ahead.pop()
    values = way * total
    if ahead or abs(float(values.sum()) - (last.score - first.score)) > allowed:
        raise RenderFailed(
            f"The integrated gradients of {target.layer} filter {target.filter} do not add up: expected a sum of "
            f"{last.score - first.score:.4g} within 1 %, and {done} gradients did not reach it. Take the saliency."
        )
    summed = values.sum(axis=-1).astype(np.float32)
    return Attribution(summed, target, "integrated_gradients", last.score, "", first.score, done)


def grad_cam(network: Network, target: Target, clip: np.ndarray, at: str = "") -> Attribution:
    """Where, on an earlier layer, the filters respond that raise a target's score; not below 0.

    The layer's filters are weighed by the mean gradient of the score with respect to each, summed, and what is below 0
    is left out. The sum is resized to the clip linearly, over time too. After Selvaraju et al. 2017, arXiv:1610.02391.

    Args:
        network, target, clip: as of `saliency`.
        at: a layer that the target depends on, with a volume as output; by default the last one through which all that
            the target reads passes.

    Raises:
        UnknownLayer, InvalidSpec: as of `saliency`, or the target does not depend on the layer.
    """
    target.check(network.info, clip.shape[:3])
    at = at or _layer_before(network.info, target.layer)
    if at == target.layer or at not in _before(network.info, target.layer):
        raise InvalidSpec(f"{target.layer} does not read {at}. Grad-CAM takes a layer before the target's.")
    network.info.output_shape(at, *clip.shape[:3])
    tensor = network.input_domain.to_network(clip)
    before = _reads_before(network.info, target)

    def compute(clips: tf.Tensor, index: tf.Tensor) -> Any:
        found = network.values(clips, (at, target.layer))
        score = _score(found[target.layer][0 if before else 1], index)
        value = found[at][1]
        (gradient,) = tf.gradients(score, [value], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        axes = list(range(1, value.shape.rank - 1))
        weights = tf.reduce_mean(gradient, axes, keepdims=True)
        return score, tf.nn.relu(tf.reduce_sum(weights * value, -1))

    function = _function((network.fingerprint, target.layer, at, tensor.shape, before), compute)
    score, map_ = function(tf.constant(tensor[np.newaxis], tf.float32), tf.constant(target.filter))
    resized = resized_volume(map_.numpy()[0], clip.shape[:3])
    return Attribution(resized, target, "grad_cam", float(score), at)


def score_gradient(network: Network, target: Target, tensor: np.ndarray) -> tuple[float, np.ndarray]:
    """A target's score, and its gradient (T, H, W, channels) float32 with respect to a network input of that shape."""
    before = _reads_before(network.info, target)

    def compute(clips: tf.Tensor, index: tf.Tensor) -> Any:
        response = network.forward(clips, target.layer)
        value: Any = response.before if before else response.after
        upstream = tf.one_hot(index, value.shape[-1]) / math.prod(value.shape[1:-1])
        upstream = tf.broadcast_to(upstream, tf.shape(value))
        return _score(value, index), response.backward(*((upstream, None) if before else (None, upstream)))

    function = _function((network.fingerprint, target.layer, "", tensor.shape, before), compute)
    score, gradient = function(tf.constant(tensor[np.newaxis], tf.float32), tf.constant(target.filter))
    return float(score), gradient.numpy()[0]


def resized_volume(values: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """A volume (t, h, w) float32 resized linearly to a clip's size (T, H, W): a position lies where its stride does."""
    factors = [new / old for new, old in zip(size, values.shape, strict=True)]
    return np.asarray(ndimage.zoom(values.astype(np.float32), factors, order=1, mode="nearest", grid_mode=True))


def _function(key: Any, compute: Callable[..., Any]) -> Any:
    with _lock:
        if key not in _compiled:
            _compiled[key] = tf.function(compute, autograph=False)
        return _compiled[key]


def _score(value: Any, index: tf.Tensor) -> tf.Tensor:
    """Mean over all positions of one filter, of (1, …, filters)."""
    return tf.reduce_mean(tf.gather(value, index, axis=-1))


def _reads_before(info: NetworkInfo, target: Target) -> bool:
    """Whether a target's score is read before the activation function."""
    activation = getattr(info.architecture.by_name[target.layer], "activation", None)
    return target.layer == info.layers[-1] and getattr(activation, "function", activation) in ("softmax", "sigmoid")


def _before(info: NetworkInfo, layer: str) -> list[str]:
    """Layers with a volume as output that a layer depends on, in order."""
    shapes = info.architecture.shapes(*info.usable_size(layer))
    names = [op.name for op in info.architecture.ancestry(layer) if op.name != layer]
    if not names:  # a model in memory: how its layers are joined is not known
        names = list(info.layers[: info.layers.index(layer)])
    return [name for name in names if name in info.layers and len(shapes[name]) == 4]


def _layer_before(info: NetworkInfo, layer: str) -> str:
    """The last layer through which everything that a layer reads passes."""
    passed: dict[str, set[str]] = {"input": set()}  # by operation, what lies on every path to it
    for op in info.architecture.ancestry(layer):
        passed[op.name] = set.intersection(*(passed[name] for name in op.inputs)) | {op.name}
    candidates = _before(info, layer)
    on_all_paths = [name for name in candidates if name in passed[layer]]
    if found := (on_all_paths or ([] if len(passed) > 2 else candidates)):
        return found[-1]
    raise InvalidSpec(
        f"Grad-CAM weighs the filters of a layer before {layer}, and it is the first of {info.name}. Take the saliency."
    )
