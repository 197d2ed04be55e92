"""Responses of a network to a real clip, its classes, and the filters that respond most, layer by layer."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from cachetools import LRUCache

from c3dvis.errors import InvalidSpec
from c3dvis.networks.compute.network import Network
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.probe.noise import NoiseScale, noise_scale, standardised
from c3dvis.probe.values import ClassScore, FilterResponse, ProbeResult, Target, class_layer, class_names

DEFAULT_TOP = 8
"""Filters of each layer, and classes."""

_KEPT_BYTES = 600 << 20
"""Of the latest clip's responses, kept so that a feature map is there at once."""

OnProgress = Callable[[int, int], None]
Size = tuple[int, int, int]

_compiled: LRUCache[Any, Any] = LRUCache(6)
_latest: tuple[Any, "Responses"] | None = None
_lock = threading.RLock()


class Responses:
    """The responses of several layers to one clip.

    Attributes:
        layers: in the network's order.
        means, squares, peaks: by layer, (filters,) float32: over all positions, the mean response, the mean of its
            square, and the largest.
    """

    def __init__(self, network: Network, size: Size, layers: Sequence[str], computed: dict[str, Any]) -> None:
        self._info, self._size, self._computed = network.info, size, computed
        self.layers = tuple(layers)
        self.means = {layer: computed[layer][1].numpy() for layer in layers}
        self.squares = {layer: computed[layer][2].numpy() for layer in layers}
        self.peaks = {layer: computed[layer][3].numpy() for layer in layers}

    def __getitem__(self, layer: str) -> np.ndarray:
        """Response (t, h, w, filters) float32 of a layer, after its activation function."""
        return self._computed[layer][0].numpy().reshape(self._info.output_shape(layer, *self._size))

    def feature_map(self, target: Target) -> np.ndarray:
        """Response (t, h, w) float32 of one filter; only this one is copied from the device."""
        return self._computed[target.layer][0][0, ..., target.filter].numpy().reshape(
            self._info.output_shape(target.layer, *self._size)[:3]
        )  # fmt: skip

    @property
    def num_bytes(self) -> int:
        return sum(4 * int(np.prod(values[0].shape)) for values in self._computed.values())


def probe_clip(
    network: Network, clip: np.ndarray, top: int = DEFAULT_TOP, on_progress: OnProgress | None = None
) -> ProbeResult:
    """What a network makes of a clip: its classes, and per layer the filters that respond most.

    Filters are ranked by their mean response over all positions, standardised on noise (`noise.standardised`).

    Args:
        network: with its weights.
        clip: (T, H, W, 3) uint8 RGB, or (T, H, W, channels) with a value for each of the network's channels.
        top: filters of each layer, and classes.
        on_progress: receives (noise clips done, noise clips) while the responses to noise are computed: for the first
            clip; later ones find them in the cache.

    Raises:
        InvalidSpec: the clip is too small for every layer.
        WeightsMissing: the file holds no weights for some layers.
    """
    found = responses(network, clip)
    scale = noise_of(network, on_progress)
    scores = {layer: standardised(found.means[layer], scale[layer]) for layer in found.layers if layer in scale}
    layers = {layer: _highest(layer, found, scores[layer], top) for layer in scores}
    classes, no_classes = _classes(network.info, found, top)
    return ProbeResult(network.name, clip.shape[:3], classes, no_classes, layers, found.means, scores)


def responses(network: Network, clip: np.ndarray) -> Responses:
    """Responses of all layers that a clip is large enough for; those to the latest clip are kept."""
    global _latest
    size = clip.shape[:3]
    key = network.fingerprint, hashlib.sha256(clip.tobytes()).digest(), clip.shape
    with _lock:
        if _latest and _latest[0] == key:
            return _latest[1]
        _latest = None  # its memory is free before that of the next is taken
        found = _compute(network, network.input_domain.to_network(clip), possible_layers(network.info, size))
        if found.num_bytes <= _KEPT_BYTES:
            _latest = key, found
        return found


def feature_map(network: Network, target: Target, clip: np.ndarray) -> np.ndarray:
    """Response (t, h, w) float32 of one filter to a clip, after its activation function; arguments as `probe_clip`.

    Raises:
        UnknownLayer, InvalidSpec: no such layer or filter, or the clip is too small for the layer.
    """
    target.check(network.info, clip.shape[:3])
    return responses(network, clip).feature_map(target)


def layer_means(network: Network, layer: str, clip: np.ndarray) -> np.ndarray:
    """Mean response (filters,) float32 of a layer's filters; only the layers before it are computed."""
    return _compute(network, network.input_domain.to_network(clip), (layer,)).means[layer]


def noise_of(network: Network, on_progress: OnProgress | None = None) -> NoiseScale:
    """How the filters of a network respond to noise, by layer; without its classes."""

    def moments(clip: np.ndarray, layers: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        found = _compute(network, network.input_domain.to_network(clip), layers)
        return {layer: (found.means[layer], found.squares[layer]) for layer in layers}

    return noise_scale(network.info, network.fingerprint, moments, on_progress)


def possible_layers(info: NetworkInfo, size: Size) -> tuple[str, ...]:
    """The layers that a clip of a size (frames, height, width) is large enough for.

    Raises:
        InvalidSpec: there is none.
    """
    layers, reason = [], None
    for layer in info.layers:
        try:
            info.output_shape(layer, *size)
            layers.append(layer)
        except InvalidSpec as error:
            reason = error
    if not layers:
        raise reason or InvalidSpec(f"{info.name} has no layer to probe.")
    return tuple(layers)


def _compute(network: Network, tensor: np.ndarray, layers: Sequence[str]) -> Responses:
    """Responses to a network input (T, H, W, channels) float32."""
    size: Size = tensor.shape[:3]  # type: ignore[assignment]
    key = network.fingerprint, size, tuple(layers)
    with _lock:
        function = _compiled.get(key)
        if function is None:

            def compute(clips: tf.Tensor) -> dict[str, Any]:
                found = network.values(clips, layers)
                return {layer: (after, *_summary(after)) for layer, (_, after) in found.items()}

            function = _compiled[key] = tf.function(compute, autograph=False)
    return Responses(network, size, layers, function(tf.constant(tensor[np.newaxis], tf.float32)))


def _summary(after: Any) -> tuple[tf.Tensor, ...]:
    """(filters,) mean, mean square and largest value over all positions of (1, …, filters)."""
    axes = list(range(after.shape.rank - 1))
    return tf.reduce_mean(after, axes), tf.reduce_mean(tf.square(after), axes), tf.reduce_max(after, axes)


def _highest(layer: str, found: Responses, scores: np.ndarray, top: int) -> tuple[FilterResponse, ...]:
    order = np.argsort(-scores, kind="stable")[:top]
    means, peaks = found.means[layer], found.peaks[layer]
    return tuple(
        FilterResponse(layer, int(i), float(means[i]), float(peaks[i]), float(scores[i])) for i in order
    )  # fmt: skip


def _classes(info: NetworkInfo, found: Responses, top: int) -> tuple[tuple[ClassScore, ...], str]:
    last = info.layers[-1]
    if last not in found.layers:
        needed = "×".join(map(str, info.usable_size(last)))
        return (), f"The clip is too small for {last}, where the classes of {info.name} are read: it takes {needed}."
    if class_layer(info) is None:
        return (), f"{last}, the last layer of {info.name}, gives a volume and no classes."
    scores = found.means[last]
    probabilities = _probabilities(info, scores)
    names = class_names(info)
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(
        ClassScore(int(i), names[i], float(probabilities[i]), float(scores[i])) for i in order
    ), ""  # fmt: skip


def _probabilities(info: NetworkInfo, scores: np.ndarray) -> np.ndarray:
    """Softmax of the scores, unless the network ends with one or with a sigmoid; sigmoid of a single score."""
    activation = getattr(info.architecture.by_name[info.layers[-1]], "activation", None)
    name = getattr(activation, "function", activation)
    if name in ("sigmoid", "softmax") or (scores.size > 1 and scores.min() >= 0 and abs(scores.sum() - 1) < 1e-4):
        return scores
    if scores.size == 1:
        return 1 / (1 + np.exp(-scores.astype(np.float64)))
    shifted = np.exp(scores.astype(np.float64) - scores.max())
    return shifted / shifted.sum()
