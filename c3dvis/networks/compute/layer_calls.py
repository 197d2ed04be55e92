"""What each layer of a Keras model gives while the model is called."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import tensorflow as tf

_calling = threading.RLock()


class LayerCall(NamedTuple):
    """One call of a layer.

    Attributes:
        layer: that was called.
        value: (N, t, h, w, filters) or (N, units), its output.
    """

    layer: Any
    value: Any


def layers_of(model: Any) -> list[Any]:
    """All layers within a model of Keras 3 or tf_keras, at any depth."""
    return list(model._flatten_layers(include_self=False, recursive=True))


def layer_calls(model: Any, clips: tf.Tensor) -> dict[str, LayerCall]:
    """Call a model, for inference, and return its layers' calls in order, by path.

    The path joins the names of the layers that are being called, without the model's. A call of the same path again
    has `#2` after it, and `:1` stands before an output that is not a layer's first. Calls whose output is neither a
    volume nor a vector of known shape are left out. While the model is called, the layers' `call` is wrapped.

    Args:
        model: of Keras 3 or tf_keras.
        clips: (N, frames, height, width, channels) float32.
    """
    calls: dict[str, LayerCall] = {}
    path: list[str] = []

    def recorded(layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            path.append(layer.name)
            try:
                outputs = call(*args, **kwargs)
                for index, value in enumerate(tf.nest.flatten(outputs)):
                    if _is_target(value):
                        calls[_unused("/".join(path) + (f":{index}" if index else ""), calls)] = LayerCall(layer, value)
            finally:
                path.pop()
            return outputs

        return wrapper

    with _calling:
        layers = [layer for layer in layers_of(model) if type(layer).__name__ != "InputLayer"]
        own = [layer.__dict__.get("call") for layer in layers]
        try:
            for layer in layers:  # past Keras, which looks for weights in what is set
                layer.__dict__["call"] = recorded(layer, layer.call)
            model(clips, training=False)
        finally:
            for layer, call in zip(layers, own, strict=True):
                layer.__dict__.pop("call")
                if call is not None:
                    layer.__dict__["call"] = call
    return calls


def _is_target(value: Any) -> bool:
    if not isinstance(value, tf.Tensor) or not value.dtype.is_floating:
        return False
    return value.shape.rank in (2, 5) and None not in value.shape[1:].as_list()


def _unused(path: str, calls: dict[str, LayerCall]) -> str:
    count = 1
    while (name := f"{path}#{count}" if count > 1 else path) in calls:
        count += 1
    return name
