"""Which arrays each class of Keras layers has, in Keras's order."""

from collections.abc import Mapping
from typing import Any

from c3dvis.networks.importers.from_keras.weights import UNREAD

NO_EFFECT = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "ActivityRegularization", "Identity", "RandomFlip", "RandomContrast", "RandomBrightness",
    "RandomTranslation", "RandomRotation", "RandomZoom", "RandomShear", "RandomHue", "RandomSaturation",
    "RandomColorJitter", "RandomSharpness", "RandomErasing", "RandomGaussianBlur", "RandomGrayscale", "RandomInvert",
    "RandomPerspective", "RandomPosterization", "RandomColorDegeneration", "RandomElasticTransform",
)  # fmt: skip
"""Layers that have no effect outside of training."""

MERGES = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")

ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")

CONVOLUTIONS = (
    "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D",
    "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
)  # fmt: skip

_WINDOWS = {f"{kind}{rank}D" for rank in (1, 2, 3) for kind in (
    "MaxPooling", "AveragePooling", "GlobalAveragePooling", "GlobalMaxPooling", "ZeroPadding", "Cropping", "UpSampling",
)}  # fmt: skip
_WITHOUT_WEIGHTS = {
    *NO_EFFECT, *MERGES, *ACTIVATIONS, *_WINDOWS, "InputLayer", "Rescaling", "Flatten", "Reshape", "Concatenate",
    "Permute", "RepeatVector", "Masking", "Dot", "ThresholdedReLU", "UnitNormalization", "Lambda", "TFOpLambda",
    "SlicingOpLambda", "Resizing", "CenterCrop", "RandomCrop", "AdaptiveAveragePooling3D", "AdaptiveMaxPooling3D",
}  # fmt: skip


def roles(kind: str, config: Mapping[str, Any]) -> tuple[tuple[str, ...], int] | None:
    """The roles of a layer's arrays in Keras's order, and how many of them are trained; None of an unknown class."""
    bias = ("bias",) if config.get("use_bias", True) else ()
    match kind:
        case "SeparableConv1D" | "SeparableConv2D":
            return ("depthwise", "pointwise", *bias), 2 + len(bias)
        case _ if kind in CONVOLUTIONS or kind == "Dense":
            return ("kernel", *bias), 1 + len(bias)
        case "BatchNormalization":
            trained = _gamma_and_beta(config)
            return (*trained, "moving_mean", "moving_variance"), len(trained)
        case "GroupNormalization" | "LayerNormalization":
            return _gamma_and_beta(config), len(_gamma_and_beta(config))
        case "PReLU":
            return ("alpha",), 1
        case "Normalization":
            return ((), 0) if config.get("mean") is not None else (("mean", "variance", UNREAD), 0)
        case _ if kind in _WITHOUT_WEIGHTS:
            return (), 0
    return None


def _gamma_and_beta(config: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(role for key, role in (("scale", "gamma"), ("center", "beta")) if config.get(key, True))
