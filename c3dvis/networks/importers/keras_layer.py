"""Translates one layer of a Keras model: its class and settings into operations, its arrays into their weights.

An unsupported class or setting raises an error that names it. `keras_operator.py` translates Keras's functions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Operation, Padding, Triple
from c3dvis.networks.importers.imported import Pair
from c3dvis.networks.importers.keras_activation import activations
from c3dvis.networks.importers.keras_weights import UNREAD, Arrays

MakePair = Callable[[Arrays], Pair]
"""From a layer's arrays by role to the (kernel, bias) of an operation."""

_NO_EFFECT = (
    "Dropout", "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization",
    "Identity", "RandomFlip", "RandomContrast", "RandomBrightness", "RandomTranslation", "RandomRotation", "RandomZoom",
)  # fmt: skip
"""Layers that have no effect outside of training."""
_MERGES: dict[str, type[ops.Merge]] = {
    "Add": ops.Add, "Average": ops.Average, "Maximum": ops.Maximum, "Minimum": ops.Minimum, "Multiply": ops.Multiply,
    "Subtract": ops.Subtract,
}  # fmt: skip
_ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")
_WITHOUT_WEIGHTS = {
    *_NO_EFFECT, *_MERGES, *_ACTIVATIONS, "InputLayer", "Rescaling", "MaxPooling3D", "AveragePooling3D",
    "GlobalAveragePooling3D", "GlobalMaxPooling3D", "ZeroPadding3D", "Cropping3D", "UpSampling3D", "Flatten", "Reshape",
    "Concatenate", "Permute", "RepeatVector", "Masking", "Dot", "ThresholdedReLU", "UnitNormalization", "Lambda",
    "TFOpLambda", "SlicingOpLambda", "Resizing", "CenterCrop",
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A value of the model: the output of an operation, or the clip.

    Attributes:
        name: of the operation, or `input`.
        channels: the last axis; 0 for a flattened volume, whose length depends on the clip.
        is_volume: whether it has frames, height and width.
    """

    name: str
    channels: int
    is_volume: bool


@dataclass(frozen=True)
class Translated:
    """A translated layer.

    Attributes:
        operations: one, or several of which each reads the one before; the last one's output is the layer's.
        output: the layer's output.
        pairs: makes the (kernel, bias) of those operations that have weights, from the layer's arrays.
    """

    operations: tuple[Operation, ...]
    output: Value
    pairs: Mapping[str, MakePair] = field(default_factory=dict)


def roles(kind: str, config: Mapping[str, Any]) -> tuple[tuple[str, ...], int] | None:
    """The roles of a layer's arrays in Keras's order, and how many of them are trained; None of an unknown class."""
    match kind:
        case "Conv3D" | "Conv3DTranspose" | "Dense":
            found = ("kernel", "bias") if config.get("use_bias", True) else ("kernel",)
            return found, len(found)
        case "BatchNormalization":
            trained = [role for key, role in (("scale", "gamma"), ("center", "beta")) if config.get(key, True)]
            return (*trained, "moving_mean", "moving_variance"), len(trained)
        case "GroupNormalization" | "LayerNormalization":
            trained = [role for key, role in (("scale", "gamma"), ("center", "beta")) if config.get(key, True)]
            return tuple(trained), len(trained)
        case "PReLU":
            return ("alpha",), 1
        case "Normalization":
            return ((), 0) if config.get("mean") is not None else (("mean", "variance", UNREAD), 0)
        case _ if kind in _WITHOUT_WEIGHTS:
            return (), 0
    return None


def translate(kind: str, config: Mapping[str, Any], name: str, inputs: Sequence[Value], is_keras_2: bool) -> Translated:
    """Translate a layer.

    Args:
        kind: its class in Keras.
        config: its settings, as Keras writes them.
        name: of its operation.
        inputs: the values that it reads.
        is_keras_2: whether Keras 2 wrote it, in which some names mean something else.

    Raises:
        WeightsDamaged: the class, or a setting of it, is not known here.
    """
    first, names = inputs[0], tuple(value.name for value in inputs)
    channels, is_volume = first.channels, first.is_volume

    def of(op: Operation, channels: int = channels, is_volume: bool = is_volume, **pairs: MakePair) -> Translated:
        """A layer that is one operation, and the activation function in its settings."""
        output, made = Value(name, channels, is_volume), {name: pairs["pair"]} if pairs else {}
        if config.get("activation") in (None, "linear"):
            return Translated((op,), output, made)
        after = activation(f"{name}/activation", output, config["activation"], is_keras_2)
        return Translated((op, *after.operations), after.output, {**made, **after.pairs})

    match kind:
        case "Conv3D":
            filters, kernel = int(config["filters"]), _triple(config["kernel_size"])
            op: Operation = ops.Conv(
                name, names, filters, kernel, _triple(config["strides"]), _padding(config, name),
                int(config.get("groups") or 1), _triple(config.get("dilation_rate", 1)),
            )  # fmt: skip
            return of(op, filters, pair=_kernel_and_bias(filters))
        case "Conv3DTranspose":
            filters, kernel = int(config["filters"]), _triple(config["kernel_size"])
            dilation, groups = _triple(config.get("dilation_rate", 1)), int(config.get("groups") or 1)
            if dilation != (1, 1, 1) or groups != 1 or config.get("output_padding") not in (None, [None] * 3):
                raise WeightsDamaged(f"The layer {name[:60]} is transposed with dilation, groups or an output padding.")
            op = ops.ConvTranspose(name, names, filters, kernel, _triple(config["strides"]), _padding(config, name))
            return of(op, filters, pair=_kernel_and_bias(filters))
        case "Dense":  # on a volume, it is a pointwise convolution
            filters, made = int(config["units"]), ops.Conv if is_volume else ops.Dense
            return of(made(name, names, filters), filters, pair=_kernel_and_bias(filters, is_pointwise=is_volume))
        case "BatchNormalization":
            if config.get("axis") not in (-1, 4, [4], [-1]) and is_volume:
                raise WeightsDamaged(
                    f"The layer {name[:60]} normalises axis {config.get('axis')}; expected the channels."
                )
            return of(ops.Scale(name, names, channels), pair=_normalisation(config, channels))
        case "GroupNormalization" | "LayerNormalization":
            if config.get("axis", -1) not in (-1, [-1], 4 if is_volume else 1, [4 if is_volume else 1]):
                raise WeightsDamaged(f"The layer {name[:60]} normalises axis {config['axis']}; expected the channels.")
            if config.get("rms_scaling") or not channels:
                raise WeightsDamaged(f"The layer {name[:60]} is a {kind} with settings that are not known here.")
            epsilon = float(config.get("epsilon", 1e-3))
            if kind == "LayerNormalization":
                return of(ops.LayerNorm(name, names, channels, epsilon=epsilon), pair=_gamma_and_beta(channels))
            groups = channels if config["groups"] == -1 else int(config["groups"])
            return of(ops.GroupNorm(name, names, channels, groups, epsilon), pair=_gamma_and_beta(channels))
        case "PReLU":
            shared = config.get("shared_axes")
            if is_volume and list(shared or ()) != [1, 2, 3]:
                raise WeightsDamaged(
                    f"The layer {name[:60]} has a slope for each position; expected one for each channel "
                    "(shared_axes=[1, 2, 3])."
                )
            return of(ops.PRelu(name, names, channels), pair=_slopes)
        case "Normalization":
            if config.get("axis", -1) not in (-1, [-1], 4, [4]) or not is_volume:
                raise WeightsDamaged(f"The layer {name[:60]} normalises axis {config['axis']}; expected the channels.")
            return of(ops.Scale(name, names, channels), pair=_given_statistics(config, channels))
        case "Masking" if config.get("mask_value", 0) == 0:  # it replaces zeros by zeros
            return of(ops.Dropout(name, names))
        case "Rescaling":
            return affine(name, first, config["scale"], config["offset"])
        case _ if kind in _ACTIVATIONS:
            function = config["activation"] if kind == "Activation" else {"class_name": kind, "config": config}
            return activation(name, first, function, is_keras_2)
        case "MaxPooling3D" | "AveragePooling3D":
            pool = ops.MaxPool if kind == "MaxPooling3D" else ops.AveragePool
            size, strides = _triple(config["pool_size"]), _triple(config.get("strides") or config["pool_size"])
            return of(pool(name, names, size, strides, _padding(config, name)))
        case "GlobalAveragePooling3D" | "GlobalMaxPooling3D":
            op = (ops.GlobalMaxPool if kind == "GlobalMaxPooling3D" else ops.GlobalAveragePool)(name, names)
            if not config.get("keepdims"):
                return of(op, is_volume=False)
            kept = ops.ReshapeToVolume(f"{name}/kept", (name,))
            return Translated((op, kept), Value(kept.name, channels, True))
        case "ZeroPadding3D":
            return of(ops.Pad(name, names, _margins(config["padding"])))
        case "Cropping3D":
            return of(ops.Crop(name, names, _margins(config["cropping"])))
        case "UpSampling3D":
            return of(ops.Upsample(name, names, _triple(config["size"])))
        case "Flatten" if is_volume:
            return of(ops.Flatten(name, names), 0, False)
        case "Flatten":
            return of(ops.Dropout(name, names))
        case "Reshape" if not is_volume and list(config["target_shape"]) in ([1, 1, 1, channels], [1, 1, 1, -1]):
            return of(ops.ReshapeToVolume(name, names), channels, True)
        case "Concatenate":
            if config.get("axis", -1) not in (-1, 4 if is_volume else 1):
                raise WeightsDamaged(f"The layer {name[:60]} joins along axis {config['axis']}; expected the channels.")
            return of(ops.Concat(name, names), sum(value.channels for value in inputs))
        case _ if kind in _MERGES:
            return merge(_MERGES[kind], name, inputs)
        case _ if kind in _NO_EFFECT:
            return of(ops.Dropout(name, names))
    raise WeightsDamaged(
        f"The layer {name[:60]} is a {str(kind)[:60]}, which is not known here"
        + ("; it would be code to run." if kind in ("Lambda", "TFOpLambda") else ".")
    )


def merge(kind: type[ops.Merge], name: str, inputs: Sequence[Value]) -> Translated:
    """An element-wise operation on values; a vector is broadcast over the positions of a volume."""
    output = Value(name, max(value.channels for value in inputs), any(value.is_volume for value in inputs))
    return Translated((kind(name, tuple(value.name for value in inputs)),), output)


def affine(name: str, value: Value, factor: Any, offset: Any) -> Translated:
    """factor · x + offset, with one number or one for each channel."""
    if not value.channels:
        raise WeightsDamaged(f"The layer {name[:60]} computes with a constant after a volume was flattened.")
    pair = tuple(_per_channel(each, value.channels, name) for each in (factor, offset))
    op = ops.Scale(name, (value.name,), value.channels)
    return Translated((op,), Value(name, value.channels, value.is_volume), {name: lambda _: pair})  # type: ignore[dict-item]


def activation(name: str, value: Value, function: Any, is_keras_2: bool) -> Translated:
    """An activation function of a value, as Keras describes it in a layer's settings."""
    steps = activations(function, name.removesuffix("/activation"), is_keras_2)
    if not steps:
        return Translated((ops.Dropout(name, (value.name,)),), Value(name, value.channels, value.is_volume))
    operations: list[Operation] = []
    pairs: dict[str, MakePair] = {}
    for number, step in enumerate(steps):
        step_name = f"{name}/{number}" if number else name
        if isinstance(step, tuple):
            made = affine(step_name, value, *step)
        else:
            output = Value(step_name, value.channels, value.is_volume)
            made = Translated((ops.ActivationLayer(step_name, (value.name,), activation=step),), output)
        operations += made.operations
        pairs |= made.pairs
        value = made.output
    return Translated(tuple(operations), value, pairs)


def _per_channel(value: Any, channels: int, name: str) -> np.ndarray:
    array = np.asarray(value, np.float32)
    if array.size not in (1, array.shape[-1] if array.ndim else 1) or array.size not in (1, channels):
        raise WeightsDamaged(
            f"The layer {name[:60]} computes with a constant of shape {array.shape}; expected one number, or one for "
            f"each of {channels} channels."
        )
    return np.broadcast_to(array.reshape(-1), (channels,)).copy()


def _kernel_and_bias(filters: int, is_pointwise: bool = False) -> MakePair:
    def pair(arrays: Arrays) -> Pair:
        kernel = arrays["kernel"]
        if is_pointwise:
            kernel = kernel.reshape(1, 1, 1, *kernel.shape)
        return kernel, arrays.get("bias", np.zeros(filters, np.float32))

    return pair


def _normalisation(config: Mapping[str, Any], channels: int) -> MakePair:
    """γ·(x − mean)/√(var + ε) + β as a factor and an offset."""
    epsilon = float(config.get("epsilon", 1e-3))

    def pair(arrays: Arrays) -> Pair:
        factor = 1 / np.sqrt(arrays["moving_variance"].astype(np.float64) + epsilon)
        factor *= arrays.get("gamma", np.ones(channels))
        offset = arrays.get("beta", np.zeros(channels)) - arrays["moving_mean"] * factor
        return factor.astype(np.float32), offset.astype(np.float32)

    return pair


def _gamma_and_beta(channels: int) -> MakePair:
    def pair(arrays: Arrays) -> Pair:
        return (
            arrays.get("gamma", np.ones(channels, np.float32)).reshape(-1),
            arrays.get("beta", np.zeros(channels, np.float32)).reshape(-1),
        )

    return pair


def _slopes(arrays: Arrays) -> Pair:
    alpha = arrays["alpha"].reshape(-1)
    return alpha, np.zeros_like(alpha)


def _given_statistics(config: Mapping[str, Any], channels: int) -> MakePair:
    """(x − mean)/√var, or its inverse, as a factor and an offset."""

    def pair(arrays: Arrays) -> Pair:
        mean, variance = (
            np.asarray(config[role] if config.get("mean") is not None else arrays[role], np.float64).reshape(-1)
            for role in ("mean", "variance")
        )
        deviation = np.maximum(np.sqrt(variance), 1e-7)
        factor, offset = (deviation, mean) if config.get("invert") else (1 / deviation, -mean / deviation)
        return tuple(np.broadcast_to(each, (channels,)).astype(np.float32) for each in (factor, offset))  # type: ignore[return-value]

    return pair


def _triple(value: Any) -> Triple:
    numbers = (value,) * 3 if isinstance(value, int) else tuple(value)
    if len(numbers) != 3 or not all(isinstance(n, int) and 1 <= n <= 1024 for n in numbers):
        raise ValueError(f"expected three sizes, received {value}")
    return numbers  # type: ignore[return-value]


def _margins(value: Any) -> Any:
    if isinstance(value, int):
        value = (value,) * 3
    pairs = ((each, each) if isinstance(each, int) else each for each in value)
    return tuple((int(before), int(after)) for before, after in pairs)


def _padding(config: Mapping[str, Any], name: str) -> Padding:
    if config["padding"] not in ("same", "valid"):
        raise WeightsDamaged(f"The layer {name[:60]} pads {config['padding']!r}; expected same or valid.")
    return config["padding"]
