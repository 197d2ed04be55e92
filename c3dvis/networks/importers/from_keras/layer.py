"""Translates one layer of a Keras model: its class and settings into operations, its arrays into their weights.

An unsupported class or setting raises an error that names it. `operator.py` translates Keras's functions. Layers of 1
and 2 dimensions are those of 3 with a window of 1 along the other axes: they occur in TimeDistributed layers, and
behind a Reshape.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.importers.from_keras import elementwise, normalisations, shapes, windows
from c3dvis.networks.importers.from_keras.roles import ACTIVATIONS, CONVOLUTIONS, NO_EFFECT
from c3dvis.networks.importers.from_keras.value import Steps, Value

_MERGES: dict[str, type[ops.Merge]] = {
    "Add": ops.Add, "Average": ops.Average, "Maximum": ops.Maximum, "Minimum": ops.Minimum, "Multiply": ops.Multiply,
    "Subtract": ops.Subtract,
}  # fmt: skip
_CODE = ("Lambda", "TFOpLambda")
_WITH_ACTIVATION = (*CONVOLUTIONS, "Dense")


def translate(steps: Steps, kind: str, config: Mapping[str, Any], inputs: Sequence[Value], is_keras_2: bool) -> Value:
    """Translate a layer, and return its output.

    Args:
        steps: takes its operations.
        kind: its class in Keras.
        config: its settings, as Keras writes them.
        inputs: the values that it reads.
        is_keras_2: whether Keras 2 wrote it, in which some names mean something else.

    Raises:
        WeightsDamaged: the class, or a setting of it, is not known here.
    """
    output = _translated(steps, kind, config, inputs, is_keras_2)
    if kind in _WITH_ACTIVATION:
        output = elementwise.activated(steps, output, config.get("activation"), is_keras_2)
    return output


def _translated(steps: Steps, kind: str, config: Mapping[str, Any], inputs: Sequence[Value], is_keras_2: bool) -> Value:
    value, name = inputs[0], steps.name
    match kind:
        case "Dense":
            return windows.dense(steps, value, config)
        case _ if kind in CONVOLUTIONS:
            return windows.convolution(steps, value, kind, config)
        case _ if kind.startswith(("MaxPooling", "AveragePooling")):
            return windows.pool(steps, value, kind, config)
        case _ if kind.startswith(("GlobalAveragePooling", "GlobalMaxPooling")):
            return windows.global_pool(steps, value, kind, config)
        case _ if kind.startswith(("ZeroPadding", "Cropping", "UpSampling")):
            return windows.moved(steps, value, kind, config)
        case "Resizing":
            return windows.resizing(steps, value, config)
        case "BatchNormalization":
            return normalisations.batch(steps, value, config)
        case "GroupNormalization" | "LayerNormalization":
            return normalisations.group_or_layer(steps, value, kind, config)
        case "UnitNormalization":
            return normalisations.unit(steps, value, config, is_keras_2)
        case "Normalization":
            return normalisations.given(steps, value, config)
        case "PReLU":
            return normalisations.prelu(steps, value, config)
        case "Rescaling":
            return elementwise.affine(steps, value, config["scale"], config["offset"])
        case _ if kind in ACTIVATIONS:
            function = config["activation"] if kind == "Activation" else {"class_name": kind, "config": config}
            return elementwise.activation(steps, value, function, is_keras_2)
        case "Concatenate":
            return elementwise.concatenate(steps, inputs, int(config.get("axis", -1)))
        case _ if kind in _MERGES:
            return elementwise.merge(steps, _MERGES[kind], inputs)
        case "Flatten":
            if config.get("data_format") == "channels_first" and len(value.order) > 1:
                value, axes = steps.spatial(value, len(value.order) - 1, config)
                value = replace(value, order=f"{axes}c")  # Keras puts the channels last before
            return shapes.flatten(steps, value)
        case "Reshape":
            return shapes.reshape(steps, value, config["target_shape"])
        case "Permute":
            return shapes.permute(steps, value, config["dims"])
        case "RepeatVector":
            return shapes.repeat(steps, value, int(config["n"]))
        case "Masking" if config.get("mask_value", 0) == 0:  # it replaces zeros by zeros
            return steps.keep(value)
        case _ if kind in NO_EFFECT:
            return steps.keep(value)
    raise WeightsDamaged(f"The layer {name[:60]} is a {str(kind)[:60]}, which is not known here{_way(kind)}")


def _way(kind: str) -> str:
    if kind not in _CODE:
        return "."
    return "; it would be code to run. If you have its code, add the network with `c3dvis networks add --code`."
