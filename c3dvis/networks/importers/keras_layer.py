"""Translates one layer of a Keras model: its class and settings into operations, its arrays into their weights.

An unsupported class or setting raises an error that names it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import ACTIVATIONS, RELU, Activation, Operation, Padding, Triple

Pair = tuple[np.ndarray, np.ndarray]
"""(kernel, bias) of an operation."""
Arrays = dict[str, np.ndarray]
"""A layer's arrays by role: kernel, bias, gamma, beta, moving_mean, moving_variance."""
MakePair = Callable[[Arrays], Pair]

_TRAINING_ONLY = (
    "Dropout", "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization",
)  # fmt: skip
_WITHOUT_SETTINGS: dict[str, type[Operation]] = {
    **dict.fromkeys(_TRAINING_ONLY, ops.Dropout),
    "Add": ops.Add, "Average": ops.Average, "Maximum": ops.Maximum, "Multiply": ops.Multiply, "Subtract": ops.Subtract,
}  # fmt: skip


@dataclass(frozen=True)
class Translated:
    """A translated layer.

    Attributes:
        operations: one operation, or two of which the second reads the first; weights belong to the first.
        channels: of its output.
        is_volume: whether its output has frames, height and width.
        roles: of its arrays in a file, in Keras 3's order.
        make_pair: makes its (kernel, bias) from those arrays, None where it has no weights.
    """

    operations: tuple[Operation, ...]
    channels: int
    is_volume: bool
    roles: tuple[str, ...] = ()
    make_pair: MakePair | None = None


def translate(
    kind: str,
    config: Mapping[str, Any],
    name: str,
    input_names: Sequence[str],
    input_channels: Sequence[int],
    is_volume: bool,
) -> Translated:
    """Translate a layer.

    Args:
        kind: its class in Keras.
        config: its settings, as Keras writes them.
        name: of its operation.
        input_names: the operations that it reads.
        input_channels: of each of them.
        is_volume: whether the first of them has frames, height and width.

    Raises:
        WeightsDamaged: the class, or a setting of it, is not known here.
    """
    channels, inputs = input_channels[0], tuple(input_names)

    def unchanged(op: Operation) -> Translated:
        """A layer that leaves the channels and the volume as they are."""
        return Translated((op,), channels, is_volume)

    match kind:
        case "Conv3D" | "Conv3DTranspose":
            filters = int(config["filters"])
            kernel, strides = _triple(config["kernel_size"]), _triple(config["strides"])
            padding, activation = _padding(config, name), _activation(config, name)
            dilation, groups = _triple(config.get("dilation_rate", 1)), int(config.get("groups") or 1)
            op: Operation
            if kind == "Conv3D":
                op = ops.Conv(name, inputs, filters, kernel, strides, padding, groups, dilation, activation=activation)
            elif dilation != (1, 1, 1) or groups != 1 or config.get("output_padding") not in (None, [None] * 3):
                raise WeightsDamaged(f"The layer {name[:60]} is transposed with dilation, groups or an output padding.")
            else:
                op = ops.ConvTranspose(name, inputs, filters, kernel, strides, padding, activation=activation)
            return Translated((op,), filters, is_volume, ("kernel", "bias"), _kernel_and_bias(filters))
        case "Dense":  # on a volume, it is a pointwise convolution
            filters, made = int(config["units"]), ops.Conv if is_volume else ops.Dense
            op = made(name, inputs, filters, activation=_activation(config, name))
            make_pair = _kernel_and_bias(filters, is_pointwise=is_volume)
            return Translated((op,), filters, is_volume, ("kernel", "bias"), make_pair)
        case "BatchNormalization":
            if config.get("axis") not in (-1, 4, [4], [-1]) and is_volume:
                raise WeightsDamaged(
                    f"The layer {name[:60]} normalises axis {config.get('axis')}; expected the channels."
                )
            optional = [role for key, role in (("scale", "gamma"), ("center", "beta")) if config.get(key, True)]
            roles = (*optional, "moving_mean", "moving_variance")
            scale = ops.Scale(name, inputs, channels)
            return Translated((scale,), channels, is_volume, roles, _normalisation(config, channels))
        case "Rescaling":
            factor, offset = (
                np.broadcast_to(np.asarray(config[key], np.float32), (channels,)).copy() for key in ("scale", "offset")
            )
            scale = ops.Scale(name, inputs, channels)
            return Translated((scale,), channels, is_volume, make_pair=lambda _: (factor, offset))
        case "Activation" | "ReLU" | "LeakyReLU" | "ELU" | "Softmax":
            return unchanged(ops.ActivationLayer(name, inputs, activation=_activation_layer(kind, config, name)))
        case "MaxPooling3D" | "AveragePooling3D":
            pool = ops.MaxPool if kind == "MaxPooling3D" else ops.AveragePool
            size, strides = _triple(config["pool_size"]), _triple(config.get("strides") or config["pool_size"])
            return unchanged(pool(name, inputs, size, strides, _padding(config, name)))
        case "GlobalAveragePooling3D" | "GlobalMaxPooling3D":
            op = (ops.GlobalMaxPool if kind == "GlobalMaxPooling3D" else ops.GlobalAveragePool)(name, inputs)
            if not config.get("keepdims"):
                return Translated((op,), channels, False)
            return Translated((op, ops.ReshapeToVolume(f"{name}/kept", (name,))), channels, True)
        case "ZeroPadding3D":
            return unchanged(ops.Pad(name, inputs, _margins(config["padding"])))
        case "Cropping3D":
            return unchanged(ops.Crop(name, inputs, _margins(config["cropping"])))
        case "UpSampling3D":
            return unchanged(ops.Upsample(name, inputs, _triple(config["size"])))
        case "Flatten" if is_volume:
            return Translated((ops.Flatten(name, inputs),), 0, False)
        case "Flatten":
            return unchanged(ops.Dropout(name, inputs))
        case "Reshape" if not is_volume and list(config["target_shape"]) in ([1, 1, 1, channels], [1, 1, 1, -1]):
            return Translated((ops.ReshapeToVolume(name, inputs),), channels, True)
        case "Concatenate":
            if config.get("axis", -1) not in (-1, 4):
                raise WeightsDamaged(f"The layer {name[:60]} joins along axis {config['axis']}; expected the channels.")
            return Translated((ops.Concat(name, inputs),), sum(input_channels), is_volume)
        case _ if kind in _WITHOUT_SETTINGS:
            return Translated((_WITHOUT_SETTINGS[kind](name, inputs),), max(input_channels), is_volume)
    raise WeightsDamaged(
        f"The layer {name[:60]} is a {str(kind)[:60]}, which is not known here"
        + ("; it would be code to run." if kind in ("Lambda", "TFOpLambda") else ".")
    )


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


def _triple(value: Any) -> Triple:
    numbers = (value,) * 3 if isinstance(value, int) else tuple(value)
    if len(numbers) != 3 or not all(isinstance(n, int) and 1 <= n <= 1024 for n in numbers):
        raise ValueError(f"expected three sizes, received {value}")
    return numbers  # type: ignore[return-value]


def _margins(value: Any) -> Any:
    pairs = ((each, each) if isinstance(each, int) else each for each in value)
    return tuple((int(before), int(after)) for before, after in pairs)


def _padding(config: Mapping[str, Any], name: str) -> Padding:
    if config["padding"] not in ("same", "valid"):
        raise WeightsDamaged(f"The layer {name[:60]} pads {config['padding']!r}; expected same or valid.")
    return config["padding"]


def _activation(config: Mapping[str, Any], name: str) -> Activation | None:
    """The activation function in a layer's settings."""
    function = config.get("activation")
    if isinstance(function, Mapping):  # a layer as an activation function
        return _activation_layer(function["class_name"], function.get("config", {}), name)
    if function in (None, "linear"):
        return None
    if function not in ACTIVATIONS:
        raise WeightsDamaged(
            f"The layer {name[:60]} has the activation {str(function)[:60]!r}, which is not known here."
        )
    return Activation(function, 0.2 if function == "leaky_relu" else 0.0)


def _activation_layer(kind: str, config: Mapping[str, Any], name: str) -> Activation | None:
    """The activation function that a layer is."""
    if kind == "LeakyReLU":
        return Activation("leaky_relu", float(config.get("negative_slope", config.get("alpha", 0.3))))
    if kind == "ELU" and float(config.get("alpha", 1.0)) == 1.0:
        return Activation("elu")
    if kind == "Softmax" and config.get("axis", -1) in (-1, 4):
        return Activation("softmax")
    if kind == "ReLU" and not config.get("threshold"):
        slope, largest = float(config.get("negative_slope") or 0.0), config.get("max_value")
        if slope == 0 and largest in (None, 6, 6.0):
            return RELU if largest is None else Activation("relu6")
        if largest is None:
            return Activation("leaky_relu", slope)
    if kind == "Activation":
        return _activation(config, name)
    raise WeightsDamaged(f"The layer {name[:60]} is a {kind[:60]} with settings that are not known here.")
