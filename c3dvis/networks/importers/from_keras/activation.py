"""Keras's activation functions, in the forms that its files have: names, layers, settings."""

from collections.abc import Mapping
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.base_operation import ACTIVATIONS, RELU, Activation

Step = Activation | tuple[float, float]
"""An activation function, or (factor, offset) to apply to the value."""


def activations(function: Any, name: str, is_keras_2: bool) -> list[Step]:
    """The steps of an activation function, none of `linear`.

    Args:
        function: a name, or the description of a layer or function, as Keras writes them.
        name: of the layer, for error messages.
        is_keras_2: whether Keras 2 wrote it, in which some names mean something else.

    Raises:
        WeightsDamaged: it is not known here.
    """
    if isinstance(function, Mapping):
        config = function.get("config")
        if function.get("class_name") == "function":  # a function by its name, as later versions of Keras 3 write it
            if function.get("registered_name") not in (None, "function") or isinstance(config, Mapping):
                raise _unknown(function, name)
            return activations(config, name, is_keras_2)
        if function.get("registered_name") not in (None, function["class_name"]):
            raise _unknown(function.get("registered_name"), name)
        return _layer(function["class_name"], config or {}, name, is_keras_2)
    if function in (None, "linear"):
        return []
    match function:
        case "hard_sigmoid" if is_keras_2:  # in Keras 3, another function has this name
            return [(0.2, 0.5), Activation("clip", low=0.0, high=1.0)]
        case "hard_tanh":
            return [Activation("clip", low=-1.0, high=1.0)]
        case "leaky_relu":
            return [Activation("leaky_relu", 0.2)]
        case "hard_swish" | "hard_silu":
            return [Activation("hard_silu")]
    if function not in ACTIVATIONS or function in ("clip", "thresholded_relu"):
        raise _unknown(function, name)
    return [Activation(function)]


def _layer(kind: str, config: Mapping[str, Any], name: str, is_keras_2: bool) -> list[Step]:
    """The steps of a layer that is an activation function."""
    match kind:
        case "LeakyReLU":
            return [Activation("leaky_relu", float(config.get("negative_slope", config.get("alpha", 0.3))))]
        case "ELU":
            return [Activation("elu", alpha=float(config.get("alpha", 1.0)))]
        case "Softmax":  # `elementwise.py` reads its axis
            return [Activation("softmax")]
        case "ReLU" | "ThresholdedReLU":
            slope, largest = float(config.get("negative_slope") or 0.0), config.get("max_value")
            threshold = float(config.get("theta", 1.0) if kind == "ThresholdedReLU" else config.get("threshold") or 0.0)
            if threshold or kind == "ThresholdedReLU":
                high = None if largest is None else float(largest)
                return [Activation("thresholded_relu", slope, low=threshold, high=high)]
            if slope:
                return [Activation("leaky_relu", slope, high=None if largest is None else float(largest))]
            if largest is None:
                return [RELU]
            return [Activation("relu6") if largest == 6 else Activation("clip", low=0.0, high=float(largest))]
        case "Activation":
            return activations(config.get("activation"), name, is_keras_2)
    raise WeightsDamaged(f"The layer {name[:60]} is a {kind[:60]} with settings that are not known here.")


def _unknown(function: Any, name: str) -> WeightsDamaged:
    return WeightsDamaged(f"The layer {name[:60]} has the activation {str(function)[:60]!r}, which is not known here.")
