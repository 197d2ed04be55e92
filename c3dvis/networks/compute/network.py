"""`Network`: an architecture with its weights, which computes responses and their gradients."""

import threading
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf
from cachetools import LRUCache, cachedmethod

from c3dvis.errors import WeightsMissing
from c3dvis.networks.compute import warm_up
from c3dvis.networks.compute.device import fast_precision, grows_memory, resolve_precision
from c3dvis.networks.compute.device_weights import DeviceWeights
from c3dvis.networks.compute.forward import Response, forward, merge_parallel_convolutions, responses, values
from c3dvis.networks.graph.operations import Concat, Conv
from c3dvis.networks.registry import NetworkInfo, describe
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.installed_weights import Weights
from c3dvis.networks.wiring import Wiring, wiring
from c3dvis.spec import RenderSpec

_MODELS_KEPT = 10


class Network:
    """A network with its weights.

    Args:
        info: from the registry.
        weights: (kernel, bias) of every operation that has them; None reads the network's weights file.

    Attributes:
        layers: names that can be targeted, in order.
        input_domain: `to_network(clip)` and `to_clip(tensor)`.
        fingerprint: identifies architecture, input domain and weights.
    """

    def __init__(self, info: NetworkInfo, weights: Weights | None = None) -> None:
        self.info = info
        self.name = info.name
        self.architecture = info.architecture
        self.layers = info.layers
        self.input_domain = info.domain
        self.fingerprint = installed_weights.fingerprint(info) if weights is None else ""
        self._weights: Weights = installed_weights.read(info) if weights is None else weights
        self._on_device: dict[str, DeviceWeights] = {}
        self._models = LRUCache[Any, Any](_MODELS_KEPT)

    def precision(self, asked: str) -> str:
        """The precision that this network computes in, of the one that a spec names.

        Raises:
            InvalidSpec: this process cannot compute in it.
        """
        return resolve_precision(asked)

    def prepared(self, spec: RenderSpec) -> RenderSpec:
        """A spec for this network, and the network for a render of it: called before each render."""
        return self.info.sized(spec.replace(network=self.name))

    def forward(self, clips: tf.Tensor, layer: str) -> Response:
        """Response of a layer, and its backward pass; to be called while a graph is traced.

        Args:
            clips: network input (N, T, H, W, channels), float32 or bfloat16: the precision of the arithmetic.
            layer: a name from `layers`.

        Raises:
            WeightsMissing: the file holds no weights for an operation that the layer depends on.
        """
        return forward(self.architecture, self._device_weights(clips.dtype.name), clips, layer)

    def to_device(self, precision: str) -> None:
        """Copy the convolutions' weights to the device, so that the first render does not wait for that."""
        weights = self._device_weights(precision)
        for group in merge_parallel_convolutions(self.architecture.operations):
            if isinstance(group[0], Conv) and all(op.name in self._weights for op in group):
                weights.kernel_and_bias(cast(Sequence[Conv], group))

    @cachedmethod(attrgetter("_models"))
    def model(self, layer: str, size: tuple[int, int, int], precision: str = "float32") -> Any:
        """Keras model from a network input (N, T, H, W, channels) to the pair (before, after) of `Response`.

        The models of one precision share their weights.

        Args:
            layer: a name from `layers`.
            size: (frames, height, width) of the clip.
            precision: `float32` or `bfloat16`, of weights and arithmetic.

        Raises:
            UnknownLayer, InvalidSpec: no such layer, or the clip is too small for it.
            WeightsMissing: the file holds no weights for an operation that the layer depends on.
        """
        self.info.output_shape(layer, *size)
        weights = self._device_weights(precision)
        clip = keras.Input((*size, self.architecture.channels), dtype=precision, name="clip")
        before: dict[str, Any] = {"input": clip}
        after: dict[str, Any] = {"input": clip}
        for op in self.architecture.ancestry(layer):
            before[op.name] = weights.apply(op, [after[name] for name in op.inputs])
            after[op.name] = weights.activate(op, before[op.name])
        op = self.architecture.by_name[layer]
        if isinstance(op, Concat) and op.activation is None:
            before[layer] = weights.apply(op, [before[name] for name in op.inputs])
        return keras.Model(clip, [before[layer], after[layer]])

    def respond(self, clip: np.ndarray, layer: str) -> np.ndarray:
        """Response (t, h, w, filters) float32 of a layer to a clip, after the activation function.

        Args:
            clip: (T, H, W, 3) RGB, or (T, H, W, channels) as `RenderResult.channels` has them; uint8, or floating point
                from 0 to 1.
            layer: a name from `layers`.

        Raises:
            UnknownLayer, InvalidSpec: no such layer, or the clip is too small for it.
            ValueError: the clip has another shape, dtype or range.
        """
        return self.respond_to_input(self.input_domain.to_network(clip), layer)

    def respond_to_input(self, tensor: np.ndarray, layer: str) -> np.ndarray:
        """As `respond`, for a network input (T, H, W, channels) float32 in the network's own range."""
        frames, height, width = tensor.shape[:3]
        model = self.model(layer, (frames, height, width))
        _, after = model(tf.constant(tensor[np.newaxis], tf.float32), training=False)
        return after[0].numpy().reshape(self.info.output_shape(layer, frames, height, width))

    def responses(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        """Response of every layer, (t, h, w, filters) or (units,) float32, by name; computed as the `fast` engine does.

        Args:
            tensor: network input (T, H, W, channels) float32 in the network's own range.
        """
        clip = tf.constant(tensor[np.newaxis], tf.float32)
        weights = self._device_weights("float32")
        compute: Any = tf.function(lambda clips: responses(self.architecture, weights, clips), autograph=False)
        return {name: value[0].numpy() for name, value in compute(clip).items()}

    def values(self, clips: tf.Tensor, layers: Sequence[str]) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """(before, after) the activation function of several layers, by name; to be called while a graph is traced.

        Args:
            clips: network input (N, T, H, W, channels) float32.
            layers: names from `layers` that a clip of this size is large enough for.
        """
        return values(self.architecture, self._device_weights(clips.dtype.name), clips, layers)

    def weights(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """(kernel, bias) float32 of an operation; the kernel's axes are `kernel_axes` of its class.

        Raises:
            WeightsMissing: the file holds no weights for this operation.
            WeightsDamaged: they cannot be read, or are not finite.
        """
        if layer not in self._weights:
            raise WeightsMissing(
                f"The weights file of {self.name} holds nothing for {layer}: expected a file of the whole network, "
                f"received {', '.join(self._weights)} alone. Choose one of those layers, or bring a whole file."
            )
        return self._weights[layer]

    def wiring(self, layer: str, filter: int) -> Wiring:  # noqa: A002
        """The kernel of a filter and the filters that it reads; errors as of `c3dvis.networks.wiring.wiring`."""
        return wiring(self.info, layer, filter, self._weights)

    def _device_weights(self, precision: str) -> DeviceWeights:
        return self._on_device.setdefault(precision, DeviceWeights(self.weights, precision))


_loaded: dict[str, Network] = {}
_loading = threading.Lock()


def load_network(name: str) -> Network:
    """The network of that name, with its weights on the device and TensorFlow warmed up.

    It is read once per process and weights file.

    Raises:
        UnknownNetwork: no such network.
        WeightsMissing, WeightsDamaged: its weights are not on this machine, or cannot be used.
    """
    info = describe(name)
    with _loading:
        network = _loaded.get(name)
        if network is None or network.fingerprint != installed_weights.fingerprint(info):
            grows_memory()
            if info.code:
                from c3dvis.networks.compute import own_code  # which imports this module

                network = own_code.load(info)
            else:
                network = Network(info)
            network.to_device(fast_precision())
            warm_up.start(fast_precision())
            _loaded[name] = network
        return network
