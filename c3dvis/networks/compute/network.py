"""A loaded network: Keras models of its layers, in the precision asked for.

The only module of this room that loads TensorFlow. Knows nothing of maximisation.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as keras_layers

from c3dvis.errors import WeightsMissing
from c3dvis.networks.compute import warm_up
from c3dvis.networks.compute.device import configure, fast_precision
from c3dvis.networks.compute.forward import Response, forward, has_one_tap, together
from c3dvis.networks.compute.input_gradient import Blocks
from c3dvis.networks.graph.architecture import WEIGHTED, Op
from c3dvis.networks.registry import NetworkInfo, describe
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.installed_weights import Weights

_MODELS_KEPT = 10


class Network:
    """A network with its weights.

    Args:
        info: from the registry.
        weights: (kernel, bias) per convolution and dense layer; read from the registry's file when left out.

    Attributes:
        layers: names that can be targeted, in order.
        input_domain: `to_network(clip)` and `to_display(tensor)`.
        fingerprint: identifies architecture, input domain and weights.
        tensors: weights that are on the device, by what they are for and their precision.
    """

    def __init__(self, info: NetworkInfo, weights: Weights | None = None) -> None:
        self.info = info
        self.name = info.name
        self.architecture = info.architecture
        self.layers = info.layers
        self.input_domain = info.domain
        self.fingerprint = installed_weights.fingerprint(info) if weights is None else ""
        self._weights: Weights = installed_weights.read(info) if weights is None else weights
        self.tensors: dict[Any, Any] = {}
        self._layers: dict[tuple[str, str], Any] = {}
        self._models: OrderedDict[tuple[str, tuple[int, ...], str], Any] = OrderedDict()

    def forward(self, clips: tf.Tensor, layer: str) -> Response:
        """Response of a layer, and the way back from it; for use in a graph.

        Args:
            clips: network input (N, T, H, W, channels), float32 or bfloat16: the precision of the arithmetic.
            layer: a name from `layers`.

        Raises:
            WeightsMissing: the file holds no weights for a layer on the way.
        """
        return forward(self.architecture, _Parts(self, clips.dtype.name), clips, layer)

    def to_device(self, precision: str) -> None:
        """Put the convolutions' weights where they are computed with, so that the first search need not."""
        parts = _Parts(self, precision)
        for group in together(self.architecture.ops):
            if group[0].kind == "conv" and all(op.name in self._weights for op in group):
                parts.weights(tuple(op.name for op in group))

    def model(self, layer: str, size: tuple[int, int, int], precision: str = "float32") -> Any:
        """Keras model from a network input (N, T, H, W, 3) to the pair (before, after) a layer's activation function.

        For a block that joins branches, `before` joins what its branches hold before theirs. Weights are shared
        between the models of one precision.

        Args:
            layer: a name from `layers`.
            size: (frames, height, width) of the clip.
            precision: `float32` or `bfloat16`, of weights and arithmetic.

        Raises:
            UnknownLayer, InvalidSpec: no such layer, or the clip is too small for it.
            WeightsMissing: the file holds no weights for a layer on the way.
        """
        self.info.output_shape(layer, *size)
        key = (layer, size, precision)
        if key not in self._models:
            self._models[key] = self._build(layer, size, precision)
            while len(self._models) > _MODELS_KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def respond(self, clip: np.ndarray, layer: str) -> np.ndarray:
        """The layer's response (t, h, w, filters) float32, after its activation function, to a clip.

        Args:
            clip: (T, H, W, 3) uint8 RGB.
            layer: a name from `layers`.

        Raises:
            UnknownLayer, InvalidSpec: no such layer, or the clip is too small for it.
            ValueError: the clip has another shape or dtype.
        """
        return self.respond_to_input(self.input_domain.to_network(clip), layer)

    def respond_to_input(self, tensor: np.ndarray, layer: str) -> np.ndarray:
        """As `respond`, for a network input (T, H, W, 3) float32 in the network's own range."""
        frames, height, width = tensor.shape[:3]
        model = self.model(layer, (frames, height, width))
        _, after = model(tf.constant(tensor[np.newaxis], tf.float32), training=False)
        return after[0].numpy().reshape(self.info.output_shape(layer, frames, height, width))

    def weights(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """(kernel, bias) float32 of a convolution (kernel (T, H, W, in, out)) or a dense layer (kernel (in, out)).

        Raises:
            WeightsMissing: the file holds none for this layer.
            WeightsDamaged: they cannot be read, or are not finite.
        """
        if layer not in self._weights:
            raise WeightsMissing(
                f"The weights file of {self.name} holds nothing for {layer}: expected a file of the whole network, "
                f"received {', '.join(self._weights)} alone. Choose one of those layers, or bring a whole file."
            )
        return self._weights[layer]

    def _build(self, layer: str, size: tuple[int, int, int], precision: str) -> Any:
        clip = keras.Input((*size, self.architecture.channels), dtype=precision, name="clip")
        after: dict[str, Any] = {"input": clip}
        before: dict[str, Any] = {"input": clip}
        for op in self.architecture.ancestry(layer):
            inputs = [after[name] for name in op.inputs]
            if op.kind == "concat":
                after[op.name] = keras_layers.Concatenate(dtype=precision)(inputs)
                if op.name == layer:
                    held = [before.get(name, after[name]) for name in op.inputs]
                    before[layer] = keras_layers.Concatenate(dtype=precision)(held)
                continue
            made = self.keras_layer(op, precision, inputs[0].shape)
            before[op.name] = made(inputs if op.kind in _JOINS else inputs[0])
            activation = activation_layer(op, precision)
            after[op.name] = activation(before[op.name]) if activation else before[op.name]
        return keras.Model(clip, [before[layer], after[layer]])

    def keras_layer(self, op: Op, precision: str, input_shape: tuple[int | None, ...]) -> Any:
        key = (op.name, precision)
        if op.kind not in WEIGHTED:
            return plain_layer(op, precision)
        if key not in self._layers:
            with tf.init_scope():  # outside the graph that may be under way: other graphs use its weights too
                self._layers[key] = _weighted_layer(op, precision, input_shape, self.weights(op.name))
        return self._layers[key]


class _Parts:
    """What the plain operations ask of a network, in one precision."""

    def __init__(self, network: Network, precision: str) -> None:
        self._network, self._precision = network, precision

    def weights(self, names: tuple[str, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        def joined() -> list[np.ndarray]:
            kernels, biases = zip(*(self._network.weights(name) for name in names), strict=True)
            if has_one_tap(self._network.architecture.by_name[names[0]]):
                kernels = [kernel.reshape(kernel.shape[-2:]) for kernel in kernels]
            return [np.concatenate(kernels, -1), np.concatenate(biases, -1)]

        return self._kept(names, joined)

    def blocks(self, names: tuple[str, ...], blocks: Blocks) -> tf.Tensor:
        def dealt() -> list[np.ndarray]:
            return [blocks.kernel(np.concatenate([self._network.weights(name)[0] for name in names], -1))]

        return self._kept((names, blocks), dealt)[0]

    def layer(self, op: Op, inputs: list[tf.Tensor]) -> tf.Tensor:
        made = self._network.keras_layer(op, self._precision, tuple(inputs[0].shape))
        return made(inputs if op.kind in _JOINS else inputs[0])

    def activate(self, op: Op, value: tf.Tensor) -> tf.Tensor:
        return activation_layer(op, self._precision)(value)

    def _kept(self, what: Any, make: Callable[[], list[np.ndarray]]) -> Any:
        key = (what, self._precision)
        kept = self._network.tensors
        if key not in kept:
            with tf.init_scope():  # outside the graph that may be under way: other graphs use them too
                kept[key] = tuple(tf.cast(tf.constant(array), self._precision) for array in make())
        return kept[key]


def activation_layer(op: Op, precision: str) -> Any:
    """The activation function that follows an operation, or None."""
    if op.activation == "leaky_relu":
        return keras_layers.LeakyReLU(op.alpha, dtype=precision)
    if op.activation:
        return keras_layers.Activation(op.activation, dtype=precision)
    return keras_layers.ReLU(dtype=precision) if op.relu and op.kind in WEIGHTED else None


_JOINS = {
    "add": keras_layers.Add,
    "average": keras_layers.Average,
    "maximum": keras_layers.Maximum,
    "multiply": keras_layers.Multiply,
    "subtract": keras_layers.Subtract,
}


def plain_layer(op: Op, precision: str) -> Any:
    """The Keras layer of an operation without weights and without an activation function."""
    if op.kind in _JOINS:
        return _JOINS[op.kind](dtype=precision)
    match op.kind:
        case "max_pool":
            return keras_layers.MaxPooling3D(op.kernel, op.strides, op.padding, dtype=precision)
        case "avg_pool":
            return keras_layers.AveragePooling3D(op.kernel, op.strides, op.padding, dtype=precision)
        case "global_avg_pool":
            return keras_layers.GlobalAveragePooling3D(dtype=precision)
        case "global_max_pool":
            return keras_layers.GlobalMaxPooling3D(dtype=precision)
        case "pad":
            return keras_layers.ZeroPadding3D(op.pads, dtype=precision)
        case "crop":
            return keras_layers.Cropping3D(op.pads, dtype=precision)
        case "upsample":
            return keras_layers.UpSampling3D(op.strides, dtype=precision)
        case "flatten":
            return keras_layers.Flatten(dtype=precision)
        case "spread":
            return keras_layers.Reshape((1, 1, 1, -1), dtype=precision)
    return keras_layers.Activation("linear", dtype=precision)  # dropout does nothing outside training


def _weighted_layer(
    op: Op, precision: str, input_shape: tuple[int | None, ...], weights: tuple[np.ndarray, np.ndarray]
) -> Any:
    name = op.name.replace("/", ".")
    values = list(weights)
    plain: dict[str, Any] = {"dtype": precision, "trainable": False, "name": name}
    match op.kind:
        case "dense":
            layer = keras_layers.Dense(op.filters, **plain)
        case "scale":  # a normalisation whose statistics are those of a standard distribution
            layer = keras_layers.BatchNormalization(epsilon=0.0, moving_variance_initializer="ones", **plain)
            ones = np.ones(op.filters, np.float32)
            values += [np.zeros_like(ones), ones]
        case "transposed":
            layer = keras_layers.Conv3DTranspose(
                op.filters, op.kernel, op.strides, op.padding, kernel_initializer="zeros", **plain
            )
        case _:
            layer = keras_layers.Conv3D(
                op.filters, op.kernel, op.strides, op.padding, dilation_rate=op.dilation, groups=op.groups,
                kernel_initializer="zeros", **plain,
            )  # fmt: skip
    layer.build(input_shape)
    layer.set_weights(values)
    return layer


_loaded: dict[str, Network] = {}
_loading = threading.Lock()


def load_network(name: str) -> Network:
    """The network of that name, read once per process and weights file, and put on the device. Starts TensorFlow too.

    Raises:
        UnknownNetwork: no such network.
        WeightsMissing, WeightsDamaged: its weights are not on this machine, or not what they should be.
    """
    info = describe(name)
    with _loading:
        network = _loaded.get(name)
        if network is None or network.fingerprint != installed_weights.fingerprint(info):
            configure()
            network = Network(info)
            network.to_device(fast_precision())
            warm_up.start(fast_precision())
            _loaded[name] = network
        return network
