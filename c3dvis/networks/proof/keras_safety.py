"""Which Keras models may be loaded by Keras itself: those in which every class and function is one of Keras's own.

Keras's safe mode does not cover its older files: there a Lambda runs the code that it contains, and a TFOpLambda calls
any function of TensorFlow by its name. So the description is read first, and what it names has to be known.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from c3dvis.networks.graph.base_operation import ACTIVATIONS
from c3dvis.networks.importers.from_keras import operator as keras_operator
from c3dvis.networks.importers.from_keras.roles import roles
from c3dvis.networks.importers.from_keras.tree import is_own_class

_FURTHER_LAYERS = {
    "Attention", "AdditiveAttention", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Embedding",
    "Any", "NotEqual",  # of a Masking
    "Functional", "GRU", "GRUCell", "LSTM", "LSTMCell", "Model", "MultiHeadAttention", "RNN", "Sequential", "SimpleRNN",
    "SimpleRNNCell", "TimeDistributed",
}  # fmt: skip
_PARTS = {
    "Constant", "DTypePolicy", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "L1", "L1L2", "L2",
    "LecunNormal", "LecunUniform", "MaxNorm", "MinMaxNorm", "NonNeg", "Ones", "Orthogonal", "Policy", "RandomNormal",
    "RandomUniform", "TruncatedNormal", "UnitNorm", "VarianceScaling", "Zeros", "__ellipsis__", "__keras_tensor__",
    "__numpy__", "__slice__", "__tensor__", "__tuple__",
}  # fmt: skip
_SKIPPED = ("compile_config", "build_config")
"""Parts of a description that are not needed for the responses, and are not given to Keras."""


def stripped(config: Any) -> Any:
    """A description without the parts that are not needed for the responses."""
    if isinstance(config, Mapping):
        return {name: stripped(value) for name, value in config.items() if name not in _SKIPPED}
    return [stripped(each) for each in config] if isinstance(config, list) else config


def unsafe_names(config: Any) -> Iterator[str]:
    """The classes and functions in a description that Keras is not given, because they are or could be code."""
    if isinstance(config, Mapping):
        if "class_name" in config and not _is_safe(config):
            yield str(config["class_name"])[:60]
        for name, value in config.items():
            if name not in _SKIPPED:
                yield from unsafe_names(value)
    elif isinstance(config, list):
        for each in config:
            yield from unsafe_names(each)


def _is_safe(described: Mapping[str, Any]) -> bool:
    kind, config = described["class_name"], described.get("config")
    if kind == "function":
        return config in ACTIVATIONS and (described.get("module") or "builtins") in ("builtins", "keras.activations")
    if is_own_class(described) and described.get("module") != "builtins":
        return False
    if kind in keras_operator.OF_TENSORFLOW:
        return isinstance(config, Mapping) and keras_operator.is_known(keras_operator.function_name(kind, config))
    if kind == "Lambda":
        return False
    is_layer = kind in _FURTHER_LAYERS or keras_operator.is_known(kind) or roles(kind, {}) is not None
    return is_layer or kind in _PARTS
