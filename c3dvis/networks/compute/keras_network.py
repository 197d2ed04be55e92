"""`from_keras()`: a network of a Keras model in memory, which Keras itself computes."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.errors import InvalidSpec
from c3dvis.networks.compute.device import grows_memory
from c3dvis.networks.compute.forward import Response
from c3dvis.networks.compute.layer_calls import LayerCall, layer_calls, layers_of
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.base_operation import Triple
from c3dvis.networks.graph.input_domain import GREY, PLANES, SIDE_BY_SIDE, InputDomain, check_shown
from c3dvis.networks.graph.traced import Traced, TracedArchitecture
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.wiring import Wiring
from c3dvis.spec import RenderSpec

_USUAL_SIZE = (16, 112, 112)

Bound = float | Sequence[float]


def from_keras(
    model: Any,
    range: tuple[Bound, Bound],  # noqa: A002
    *,
    size: Triple | None = None,
    order: str = "RGB",
    name: str | None = None,
    shown: tuple[int, ...] = SIDE_BY_SIDE,
) -> "KerasNetwork":
    """A network of a model in memory: of Keras 3 or tf_keras, also subclassed, also with layers of your own.

    Keras computes it, so each layer is what your model makes of it. Render it as any other network:

        network = c3dvis.from_keras(model, range=(0, 1))
        result = c3dvis.render(c3dvis.RenderSpec(layer="res3/conv2", filter=7), network=network)

    Args:
        model: takes one clip (N, frames, height, width, channels). It is not changed. A render uses the weights that
            the model has when the render begins.
        range: the model's input for black and for white: two numbers, or two lists with one for each channel.
        size: (frames, height, width) of a clip. By default the model's own, or 16, 112 and 112 where it leaves them
            open.
        order: of three channels, `RGB` or `BGR`.
        name: of the network, in titles; by default the model's.
        shown: of more than three channels: three that are shown red, green and blue, or one in grey; by default all are
            shown side by side.

    Raises:
        InvalidSpec: the model takes another input, Keras cannot compute it at that size, or the range is impossible.
    """
    shape = getattr(model, "input_shape", None) or (None,) * 5
    if not isinstance(shape, tuple) or len(shape) != 5:
        raise InvalidSpec(
            f"from_keras takes a model of one clip (N, frames, height, width, channels); received a model of {shape}. "
            "Make a model of one clip of it."
        )
    low, high = (tuple(float(value) for value in np.atleast_1d(bound)) for bound in range)
    channels = shape[4] or (3 if len(low) == len(high) == 1 else max(len(low), len(high)))
    low, high = (bound * channels if len(bound) == 1 else bound for bound in (low, high))
    if (
        len(low) != channels
        or len(high) != channels
        or not all(np.less(low, high))
        or not np.isfinite(low + high).all()
    ):
        raise InvalidSpec(
            f"The range is the model's input for black and for white, each a finite number or {channels} of them, the "
            f"lower first; received {range!r}."
        )
    try:
        check_shown(shown, channels)
    except ValueError as error:
        raise InvalidSpec(f"The channels to show cannot be used: {error}.") from None
    domain = InputDomain(low, high, {1: GREY, 3: order}.get(channels, PLANES), shown=shown)
    frames, height, width = (mine or usual for mine, usual in zip(shape[1:4], _USUAL_SIZE, strict=True))
    title = name or getattr(model, "name", None) or type(model).__name__
    return KerasNetwork(model, re.sub(r"[^\w.-]+", "-", title), domain, size or (frames, height, width))


class KerasNetwork(Network):
    """A network that Keras computes; see `from_keras`.

    A layer's name is the path that leads to it within the model: `res3/conv2`. Where it is called a second time, `#2`
    is appended. Each layer whose output is a volume (N, t, h, w, filters) or a vector (N, units) is a target.

    Args:
        model: of Keras 3 or tf_keras.
        name: of the network.
        domain: of its input.
        size: (frames, height, width) of a clip.
    """

    def __init__(self, model: Any, name: str, domain: InputDomain, size: Triple) -> None:
        grows_memory()
        self._model = model
        try:
            model(tf.zeros((1, *size, domain.channels)), training=False)  # makes the weights of a model that has none
            calls = layer_calls(model, tf.zeros((1, *size, domain.channels)))
        except Exception as error:  # whatever code of the model's own raises
            raise InvalidSpec(
                f"Keras cannot compute {name} for a clip of {'×'.join(map(str, (*size, domain.channels)))} "
                f"(frames×height×width×channels). Give the size that the model takes. Keras says: {str(error)[:300]}"
            ) from error
        if not any(call.value.shape.rank == 5 for call in calls.values()):
            raise InvalidSpec(
                f"No layer of {name} gives a volume (N, t, h, w, filters): expected 3D convolutions, received "
                f"{', '.join(sorted({type(layer).__name__ for layer in layers_of(model)})) or 'no layers'}."
            )
        operations = tuple(
            Traced(path, ("input",), tuple(call.value.shape[1:]), size, type(call.layer).__name__, _parameters(call))
            for path, call in calls.items()
        )
        info = NetworkInfo(
            name=name,
            title=f"{name}, a Keras model in memory",
            licence="its owner's",
            source="a model in memory",
            architecture=TracedArchitecture(name, operations, domain.channels, size=size),
            domain=domain,
            default_size=size,
            weights_file="",
            weights_sha256=None,
        )
        super().__init__(info, {})
        self.fingerprint = self._fingerprint()

    def prepared(self, spec: RenderSpec) -> RenderSpec:
        if not self.info.code:  # that of an archive is its own
            self.fingerprint = self._fingerprint()
        return super().prepared(spec)

    def precision(self, asked: str) -> str:
        del asked  # Keras computes in the model's own
        return "float32"

    def forward(self, clips: tf.Tensor, layer: str) -> Response:
        with tf.GradientTape() as tape:
            tape.watch(clips)
            after = self._response(clips, layer)

        def backward(before: tf.Tensor | None, of_after: tf.Tensor | None) -> Any:
            upstream: Any = tf.add_n([each for each in (before, of_after) if each is not None])
            return tape.gradient(after, clips, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return Response(tf.identity(after), after, False, backward)

    def respond_to_input(self, tensor: np.ndarray, layer: str) -> np.ndarray:
        shape = self.info.output_shape(layer, *tensor.shape[:3])
        return self._response(tf.constant(tensor[np.newaxis], tf.float32), layer)[0].numpy().reshape(shape)

    def responses(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        calls = layer_calls(self._model, tf.constant(tensor[np.newaxis], tf.float32))
        return {path: tf.cast(call.value[0], tf.float32).numpy() for path, call in calls.items()}

    def values(self, clips: tf.Tensor, layers: Sequence[str]) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        calls = layer_calls(self._model, clips)
        return {layer: (calls[layer].value, calls[layer].value) for layer in layers}

    def model(self, layer: str, size: Triple, precision: str = "float32") -> Any:
        raise InvalidSpec(f"{self.name} is a model of your own: use it as you have it, in place of one of c3dvis's.")

    def weights(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        raise InvalidSpec(f"c3dvis does not read the weights of {self.name}: Keras computes it. Ask your model.")

    def wiring(self, layer: str, filter: int) -> Wiring:  # noqa: A002
        raise InvalidSpec(
            f"c3dvis knows of {self.name} what its layers give, not how they are joined. For the wiring, save the "
            "model and add it with `c3dvis networks add`."
        )

    def _response(self, clips: tf.Tensor, layer: str) -> Any:
        """A layer's output in the clips' precision; the model computes in its own."""
        value = layer_calls(self._model, tf.cast(clips, tf.float32))[layer].value
        return tf.cast(value, clips.dtype)

    def _fingerprint(self) -> str:
        """SHA-256 over the layers' configurations, the weights, and what the network was told of its input."""
        digest = hashlib.sha256()
        info = self.info
        for part in (info.architecture.to_dict(), info.domain.to_dict(), *map(_configuration, layers_of(self._model))):
            digest.update(json.dumps(part, sort_keys=True, default=_name).encode())
        for weight in self._model.weights:
            digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
        return digest.hexdigest()


def _configuration(layer: Any) -> Any:
    try:
        return type(layer).__qualname__, layer.get_config()
    except NotImplementedError:  # a layer of one's own that does not say
        return type(layer).__qualname__


def _name(value: Any) -> str:
    """Stands for what JSON cannot hold; the same in every process."""
    return getattr(value, "__qualname__", type(value).__qualname__)


def _parameters(call: LayerCall) -> int:
    return sum(int(np.prod(weight.shape)) for weight in call.layer.weights)
