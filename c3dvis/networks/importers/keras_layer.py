"""What one layer of a Keras model is: its class and settings become operations, and its arrays their weights.

Of the layers that it reads it knows no more than what they give. A class or a setting that is not known here is refused
by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Op

Pair = tuple[np.ndarray, np.ndarray]
Arrays = dict[str, np.ndarray]
"""A layer's arrays by role: kernel, bias, gamma, beta, moving_mean, moving_variance."""
MakePair = Callable[[Arrays], Pair]

_ACTIVATIONS = (
    "relu", "elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "tanh", "softplus", "softsign", "silu", "swish",
    "softmax", "exponential", "relu6", "leaky_relu",
)  # fmt: skip
_IDENTITY = (
    "Dropout",
    "SpatialDropout3D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
)
_JOINS = {"Add": "add", "Average": "average", "Maximum": "maximum", "Multiply": "multiply", "Subtract": "subtract"}


@dataclass(frozen=True)
class Translated:
    """What a layer is here.

    Attributes:
        ops: one operation, or two of which the second reads the first; weights belong to the first.
        channels: of its output.
        is_volume: whether its output still has frames, height and width.
        roles: what its arrays in a file are, in Keras 3's order.
        make_pair: makes its (kernel, bias) from those arrays, None where it has no weights.
    """

    ops: tuple[Op, ...]
    channels: int
    is_volume: bool
    roles: tuple[str, ...] = ()
    make_pair: MakePair | None = None


def translate(
    kind: str,
    config: Mapping[str, Any],
    name: str,
    inputs: Sequence[str],
    input_channels: Sequence[int],
    volume: bool,
) -> Translated:
    """What a layer is here.

    Args:
        kind: its class in Keras.
        config: its settings, as the class writes them.
        name: for its operation.
        inputs: the operations that it reads.
        input_channels: of each of them.
        volume: whether the first of them has frames, height and width.

    Raises:
        WeightsDamaged: the class, or a setting of it, is not known here.
    """
    channels = input_channels[0]

    def becomes(op: Op, out: int = channels, is_volume: bool = volume) -> Translated:
        return Translated((op,), out, is_volume)

    def plain(kind: str, **values: Any) -> Op:
        return Op(name, kind, tuple(inputs), **{"relu": False, **values})

    if kind in ("Conv3D", "Conv3DTranspose", "Dense"):
        filters = int(config["filters" if kind != "Dense" else "units"])
        values: dict[str, Any] = {"filters": filters}
        if kind != "Dense":
            values |= {"kernel": _triple(config["kernel_size"]), "strides": _triple(config["strides"])}
            values |= {"padding": _padding(config, name)}
            dilation, groups = _triple(config.get("dilation_rate", 1)), int(config.get("groups") or 1)
            if kind == "Conv3D":
                values |= {"dilation": dilation, "groups": groups}
            elif dilation != (1, 1, 1) or groups != 1 or config.get("output_padding") not in (None, [None] * 3):
                raise WeightsDamaged(f"The layer {name[:60]} is transposed with dilation, groups or an output padding.")
        # a dense layer on a volume is a convolution of one tap
        made = {"Conv3D": "conv", "Conv3DTranspose": "transposed", "Dense": "conv" if volume else "dense"}[kind]
        op = replace(plain(made, **values), **_activation(config, name))
        return Translated((op,), filters, volume, ("kernel", "bias"), _kernel_and_bias(filters, made))
    if kind == "BatchNormalization":
        if config.get("axis") not in (-1, 4, [4], [-1]) and volume:
            raise WeightsDamaged(f"The layer {name[:60]} normalises axis {config.get('axis')}; expected the channels.")
        optional = [role for key, role in (("scale", "gamma"), ("center", "beta")) if config.get(key, True)]
        roles = (*optional, "moving_mean", "moving_variance")
        scale = plain("scale", filters=channels)
        return Translated((scale,), channels, volume, roles, _normalisation(config, channels))
    if kind == "Rescaling":
        factor, offset = (
            np.broadcast_to(np.asarray(config[key], np.float32), (channels,)).copy() for key in ("scale", "offset")
        )
        scale = plain("scale", filters=channels)
        return Translated((scale,), channels, volume, make_pair=lambda _: (factor, offset))
    if kind in ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax"):
        return becomes(replace(plain("activation"), **_activation_layer(kind, config, name)))
    if kind in ("MaxPooling3D", "AveragePooling3D"):
        strides = _triple(config.get("strides") or config["pool_size"])
        pool = {"kernel": _triple(config["pool_size"]), "strides": strides, "padding": _padding(config, name)}
        return becomes(plain("max_pool" if kind.startswith("Max") else "avg_pool", **pool))
    if kind in ("GlobalAveragePooling3D", "GlobalMaxPooling3D"):
        one = plain("global_max_pool" if "Max" in kind else "global_avg_pool")
        if not config.get("keepdims"):
            return becomes(one, is_volume=False)
        return Translated((one, Op(f"{name}/kept", "spread", (name,), relu=False)), channels, True)
    if kind in ("ZeroPadding3D", "Cropping3D"):
        sizes = config["padding" if kind == "ZeroPadding3D" else "cropping"]
        pads = tuple((int(a), int(b)) for a, b in ((each, each) if isinstance(each, int) else each for each in sizes))
        return becomes(plain("pad" if kind == "ZeroPadding3D" else "crop", pads=pads))
    if kind == "UpSampling3D":
        return becomes(plain("upsample", strides=_triple(config["size"])))
    if kind == "Flatten":
        return becomes(plain("flatten"), 0, False) if volume else becomes(plain("dropout"))
    if kind == "Reshape" and list(config["target_shape"]) in ([1, 1, 1, channels], [1, 1, 1, -1]) and not volume:
        return becomes(plain("spread"), is_volume=True)
    if kind in _IDENTITY:
        return becomes(plain("dropout"))
    if kind in _JOINS or kind == "Concatenate":
        if kind == "Concatenate" and config.get("axis", -1) not in (-1, 4):
            raise WeightsDamaged(f"The layer {name[:60]} joins along axis {config['axis']}; expected the channels.")
        out = sum(input_channels) if kind == "Concatenate" else max(input_channels)
        return becomes(plain(_JOINS.get(kind, "concat")), out)
    raise WeightsDamaged(
        f"The layer {name[:60]} is a {str(kind)[:60]}, which is not known here"
        + ("; it would be code to run." if kind in ("Lambda", "TFOpLambda") else ".")
    )


def _kernel_and_bias(filters: int, made: str) -> MakePair:
    def pair(arrays: Arrays) -> Pair:
        kernel = arrays["kernel"]
        if made == "conv" and kernel.ndim == 2:
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


def _triple(value: Any) -> tuple[int, int, int]:
    numbers = (value,) * 3 if isinstance(value, int) else tuple(value)
    if len(numbers) != 3 or not all(isinstance(n, int) and 1 <= n <= 1024 for n in numbers):
        raise ValueError(f"expected three sizes, received {value}")
    return numbers  # type: ignore[return-value]


def _padding(config: Mapping[str, Any], name: str) -> str:
    if config["padding"] not in ("same", "valid"):
        raise WeightsDamaged(f"The layer {name[:60]} pads {config['padding']!r}; expected same or valid.")
    return config["padding"]


def _activation(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The fields of an operation that say which activation function follows."""
    function = config.get("activation")
    if isinstance(function, Mapping):  # a layer as an activation function
        return _activation_layer(function["class_name"], function.get("config", {}), name)
    if function in (None, "linear"):
        return {}
    if function not in _ACTIVATIONS:
        raise WeightsDamaged(
            f"The layer {name[:60]} has the activation {str(function)[:60]!r}, which is not known here."
        )
    return (
        {"relu": True}
        if function == "relu"
        else {"activation": function, "alpha": 0.2 if function == "leaky_relu" else 0.0}
    )


def _activation_layer(kind: str, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Those fields of an activation that is a layer; it is never a ReLU of the operation before it until it folds."""
    if kind == "LeakyReLU":
        return {"activation": "leaky_relu", "alpha": float(config.get("negative_slope", config.get("alpha", 0.3)))}
    if kind == "ELU" and float(config.get("alpha", 1.0)) == 1.0:
        return {"activation": "elu"}
    if kind == "Softmax" and config.get("axis", -1) in (-1, 4):
        return {"activation": "softmax"}
    if kind == "ReLU":
        slope, most = config.get("negative_slope") or 0.0, config.get("max_value")
        if not config.get("threshold") and slope == 0 and most in (None, 6, 6.0):
            return {"activation": "relu" if most is None else "relu6"}
        if not config.get("threshold") and most is None:
            return {"activation": "leaky_relu", "alpha": float(slope)}
    if kind == "Activation":
        found = _activation(config, name)
        return {"activation": "relu"} if found.get("relu") else found
    raise WeightsDamaged(f"The layer {name[:60]} is a {kind[:60]} with settings that are not known here.")
