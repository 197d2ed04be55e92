"""Reads the description of a Keras model as data: its JSON becomes an `Architecture`, and no layer is ever built.

Keras is not asked to load anything: what a description could make it run (a Lambda, a registered class, a function by
its name) has no way in. What is not known here is refused by name. Keras 2 and 3 write the same layers with two ways
of saying who reads whom.

A BatchNorm that follows a convolution folds into it, as does the activation function behind them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.architecture import Architecture, Op

Pair = tuple[np.ndarray, np.ndarray]
LayerArrays = Callable[[str], dict[str, np.ndarray]]
"""From a layer's name to its arrays: kernel, bias, gamma, beta, moving_mean, moving_variance."""

ACTIVATIONS = (
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
_MODELS = ("Sequential", "Functional", "Model")
_FOLDS = ("conv", "transposed", "dense", "scale", "add", "average", "maximum", "multiply", "subtract")
_MAX_LAYERS = 2000


@dataclass
class Described:
    """A model as its description has it.

    Attributes:
        ops: in order of computation.
        size: (frames, height, width), None where the model takes any.
        channels: of its input.
        weights: for each operation that has them, what makes its (kernel, bias) from a layer's arrays.
        paths: for each operation whose weights stand in a file: the layer's name and, behind it, what early Keras 3
            calls it; before the two, those of the models it lies in.
        roles: for the same operations, what their layer's arrays are, in Keras 3's order.
    """

    ops: list[Op] = field(default_factory=list)
    size: tuple[int | None, int | None, int | None] = (None, None, None)
    channels: int = 0
    weights: dict[str, Callable[[LayerArrays], Pair]] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read(config: Mapping[str, Any]) -> Described:
    """The operations of a model.

    Args:
        config: what `model.to_json()` or `config.json` in a .keras file holds.

    Raises:
        WeightsDamaged: it is no description of a model, or has a layer that is not known here.
    """
    made = Described()
    try:
        _Reader(made).model(config, None, ())
    except WeightsDamaged:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise WeightsDamaged(f"The model's description cannot be read ({type(error).__name__}: {error}).") from None
    if not any(op.kind == "conv" for op in made.ops):
        raise WeightsDamaged("The model has no Conv3D layer: there is no filter to look into.")
    _fold(made)
    return made


class _Reader:
    def __init__(self, made: Described) -> None:
        self._made = made
        self._names: set[str] = {"input"}
        self._volume: dict[str, bool] = {"input": True}  # whether an output still has frames, height and width
        self._channels: dict[str, int] = {}
        self._counts: dict[tuple[str, ...], dict[str, int]] = {}

    def model(self, described: Mapping[str, Any], source: str | None, path: tuple[str, ...]) -> str:
        """Adds a model's layers; `source` is what its input reads, None for the outermost. Returns its output."""
        kind, config = described["class_name"], described["config"]
        if kind not in _MODELS:
            raise WeightsDamaged(
                f"The model is a {str(kind)[:60]}: expected Sequential or Functional. Models of a class of their own "
                "run code of their own; save it as a functional model."
            )
        layers = config if isinstance(config, list) else config["layers"]
        if len(layers) > _MAX_LAYERS:
            raise WeightsDamaged(f"The model has {len(layers):,} layers; expected at most {_MAX_LAYERS:,}.")
        if kind == "Sequential":
            return self._sequential(config, layers, source, path)
        return self._functional(config, layers, source, path)

    def _sequential(self, config: Any, layers: list[Any], source: str | None, path: tuple[str, ...]) -> str:
        if source is None:
            source = "input"
            shape = layers[0]["config"].get("batch_shape") or layers[0]["config"].get("batch_input_shape")
            if shape is None and isinstance(config, dict):
                shape = config.get("build_input_shape")
            self._input(shape)
        for layer in layers:
            if layer["class_name"] != "InputLayer":
                source = self._layer(layer, [source], path)
            else:
                self._count(path, "InputLayer")
        return source

    def _functional(self, config: Any, layers: list[Any], source: str | None, path: tuple[str, ...]) -> str:
        starts = _histories(config["input_layers"])
        ends = _histories(config["output_layers"])
        if len(starts) != 1:
            raise WeightsDamaged(f"The model has {len(starts)} inputs; expected one clip.")
        outputs: dict[str, str] = {}
        waiting = {}
        for layer in layers:
            name = layer["config"].get("name") or layer["name"]
            if name == starts[0]:
                if source is None:
                    self._input(layer["config"].get("batch_shape") or layer["config"].get("batch_input_shape"))
                outputs[name] = source or "input"
                self._count(path, "InputLayer")
                continue
            nodes = layer["inbound_nodes"]
            if len(nodes) != 1:
                raise WeightsDamaged(f"The layer {name[:60]} is used {len(nodes)} times; expected once.")
            waiting[name] = (layer, _histories(nodes[0]), self._key(path, layer["class_name"]))
        while waiting:
            ready = [name for name, (_, reads, _) in waiting.items() if all(each in outputs for each in reads)]
            if not ready:
                raise WeightsDamaged(f"The layer {next(iter(waiting))[:60]} reads what is not there.")
            for name in ready:
                layer, reads, key = waiting.pop(name)
                outputs[name] = self._layer(layer, [outputs[each] for each in reads], path, key)
        last = outputs[ends[0]]
        if source is None and not any(last in op.inputs for op in self._made.ops):  # the network's output stands last
            self._made.ops.sort(key=lambda op: op.name == last)
        return last

    def _input(self, shape: Any) -> None:
        sizes = tuple(shape or ())
        if len(sizes) != 5 or not isinstance(sizes[4], int) or not 1 <= sizes[4] <= 64:
            raise WeightsDamaged(
                f"The model takes an input of shape {list(sizes)}: expected (batch, frames, height, width, channels), "
                "channels last, from 1 to 64 of them."
            )
        self._made.size, self._made.channels = sizes[1:4], sizes[4]  # type: ignore[assignment]
        self._channels["input"] = sizes[4]

    def _count(self, path: tuple[str, ...], kind: str) -> int:
        counts = self._counts.setdefault(path, {})
        counts[kind] = counts.get(kind, 0) + 1
        return counts[kind] - 1

    def _key(self, path: tuple[str, ...], kind: str) -> str:
        """What early Keras 3 calls a layer in its weights file: its class, and a number from the second on."""
        number = self._count(path, kind)
        return f"{_snake(kind)}_{number}" if number else _snake(kind)

    def _layer(self, layer: Mapping[str, Any], inputs: list[str], path: tuple[str, ...], key: str | None = None) -> str:
        kind, config = layer["class_name"], layer["config"]
        key = key or self._key(path, kind)
        name = str(config.get("name") or layer.get("name") or "")
        if kind in _MODELS:
            return self.model(layer, inputs[0], (*path, name, key))
        if config.get("data_format") == "channels_first":
            raise WeightsDamaged(f"The layer {name[:60]} has its channels first; expected channels last.")
        if (layer.get("module") or "keras").split(".")[0] != "keras" or layer.get("registered_name") not in (
            None,
            kind,
        ):
            raise WeightsDamaged(
                f"The layer {name[:60]} is of a class of its own ({kind[:60]}), which would be code to run."
            )
        unique = name if name not in self._names else "/".join((*path[::2], name))
        if not name or unique in self._names or "." in name or len(name) > 120:
            raise WeightsDamaged(f"The layer {name[:60]!r} has a name that cannot be used, or that another has.")
        return self._made_of(kind, config, unique, inputs, (*path, name, key))

    def _made_of(
        self, kind: str, config: Mapping[str, Any], name: str, inputs: list[str], path: tuple[str, ...]
    ) -> str:
        source = inputs[0]
        channels, volume = self._channels[source], self._volume[source]

        def add(op: Op, out: int = channels, is_volume: bool = volume) -> str:
            self._made.ops.append(op)
            self._names.add(op.name)
            self._channels[op.name], self._volume[op.name] = out, is_volume
            return op.name

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
                    raise WeightsDamaged(
                        f"The layer {name[:60]} is transposed with dilation, groups or an output padding."
                    )
            # a dense layer on a volume is a convolution of one tap
            made = {"Conv3D": "conv", "Conv3DTranspose": "transposed", "Dense": "conv" if volume else "dense"}[kind]
            self._weigh(name, path, ("kernel", "bias"), _kernel_and_bias(filters, made))
            return add(replace(plain(made, **values), **_activation(config, name)), filters)
        if kind == "BatchNormalization":
            if config.get("axis") not in (-1, 4, [4], [-1]) and volume:
                raise WeightsDamaged(
                    f"The layer {name[:60]} normalises axis {config.get('axis')}; expected the channels."
                )
            optional = [role for key, role in (("scale", "gamma"), ("center", "beta")) if config.get(key, True)]
            roles = (*optional, "moving_mean", "moving_variance")
            self._weigh(name, path, roles, _normalisation(config, channels))
            return add(plain("scale", filters=channels))
        if kind == "Rescaling":
            factor, offset = (
                np.broadcast_to(np.asarray(config[key], np.float32), (channels,)).copy() for key in ("scale", "offset")
            )
            self._made.weights[name] = lambda arrays: (factor, offset)
            return add(plain("scale", filters=channels))
        if kind in ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax"):
            return add(replace(plain("activation"), **_activation_layer(kind, config, name)))
        if kind in ("MaxPooling3D", "AveragePooling3D"):
            strides = _triple(config.get("strides") or config["pool_size"])
            pool = {"kernel": _triple(config["pool_size"]), "strides": strides, "padding": _padding(config, name)}
            return add(plain("max_pool" if kind.startswith("Max") else "avg_pool", **pool))
        if kind in ("GlobalAveragePooling3D", "GlobalMaxPooling3D"):
            made = "global_max_pool" if "Max" in kind else "global_avg_pool"
            end = add(plain(made), is_volume=False)
            if not config.get("keepdims"):
                return end
            return add(Op(f"{name}/kept", "spread", (end,), relu=False), is_volume=True)
        if kind in ("ZeroPadding3D", "Cropping3D"):
            sizes = config["padding" if kind == "ZeroPadding3D" else "cropping"]
            pads = tuple(
                (int(a), int(b)) for a, b in ((each, each) if isinstance(each, int) else each for each in sizes)
            )
            return add(plain("pad" if kind == "ZeroPadding3D" else "crop", pads=pads))
        if kind == "UpSampling3D":
            return add(plain("upsample", strides=_triple(config["size"])))
        if kind == "Flatten":
            return add(plain("flatten"), 0, False) if volume else add(plain("dropout"))
        if kind == "Reshape" and list(config["target_shape"]) in ([1, 1, 1, channels], [1, 1, 1, -1]) and not volume:
            return add(plain("spread"), is_volume=True)
        if kind in _IDENTITY:
            return add(plain("dropout"))
        if kind in _JOINS or kind == "Concatenate":
            if kind == "Concatenate" and config.get("axis", -1) not in (-1, 4):
                raise WeightsDamaged(f"The layer {name[:60]} joins along axis {config['axis']}; expected the channels.")
            counts = [self._channels[each] for each in inputs]
            return add(plain(_JOINS.get(kind, "concat")), sum(counts) if kind == "Concatenate" else max(counts))
        raise WeightsDamaged(
            f"The layer {name[:60]} is a {str(kind)[:60]}, which is not known here"
            + ("; it would be code to run." if kind in ("Lambda", "TFOpLambda") else ".")
        )

    def _weigh(
        self, name: str, path: tuple[str, ...], roles: tuple[str, ...], make: Callable[[dict[str, np.ndarray]], Pair]
    ) -> None:
        self._made.paths[name], self._made.roles[name] = path, roles
        self._made.weights[name] = lambda arrays: make(arrays(name))


def architecture(name: str, made: Described) -> Architecture:
    """The network that a description stands for."""
    return Architecture(name, tuple(made.ops), made.channels)


def _kernel_and_bias(filters: int, made: str) -> Callable[[dict[str, np.ndarray]], Pair]:
    def pair(arrays: dict[str, np.ndarray]) -> Pair:
        kernel = arrays["kernel"]
        if made == "conv" and kernel.ndim == 2:
            kernel = kernel.reshape(1, 1, 1, *kernel.shape)
        return kernel, arrays.get("bias", np.zeros(filters, np.float32))

    return pair


def _normalisation(config: Mapping[str, Any], channels: int) -> Callable[[dict[str, np.ndarray]], Pair]:
    """γ·(x − mean)/√(var + ε) + β as a factor and an offset."""
    epsilon = float(config.get("epsilon", 1e-3))

    def pair(arrays: dict[str, np.ndarray]) -> Pair:
        factor = 1 / np.sqrt(arrays["moving_variance"].astype(np.float64) + epsilon)
        factor *= arrays.get("gamma", np.ones(channels))
        offset = arrays.get("beta", np.zeros(channels)) - arrays["moving_mean"] * factor
        return factor.astype(np.float32), offset.astype(np.float32)

    return pair


def _fold(made: Described) -> None:
    """Folds normalisations and activation functions into what alone they read."""
    place = 0
    while place < len(made.ops):
        op = made.ops[place]
        readers = [other for other in made.ops if op.name in other.inputs]
        follower = readers[0] if len(readers) == 1 else None
        bare = not op.relu and not op.activation
        if follower and bare and op.kind in ("conv", "dense") and follower.kind == "scale":
            made.weights[op.name] = _scaled(made.weights[op.name], made.weights.pop(follower.name))
            op = replace(op, relu=follower.relu, activation=follower.activation, alpha=follower.alpha)
        elif follower and bare and op.kind in _FOLDS and follower.kind == "activation":
            relu = follower.activation == "relu" and op.kind in ("conv", "transposed", "dense", "scale")
            op = replace(op, relu=relu, activation="" if relu else follower.activation, alpha=follower.alpha)
        else:
            place += 1
            continue
        assert follower
        made.ops[place] = op
        gone = follower.name
        made.ops = [
            replace(each, inputs=tuple(op.name if name == gone else name for name in each.inputs))
            for each in made.ops
            if each.name != gone
        ]


def _scaled(pair: Callable[[LayerArrays], Pair], scale: Callable[[LayerArrays], Pair]) -> Callable[[LayerArrays], Pair]:
    def folded(arrays: LayerArrays) -> Pair:
        (kernel, bias), (factor, offset) = pair(arrays), scale(arrays)
        return (kernel * factor).astype(np.float32), (bias * factor + offset).astype(np.float32)

    return folded


def _histories(node: Any) -> list[str]:
    """Names of the layers that a node reads, in either way of saying it, in order."""
    if isinstance(node, Mapping):
        if "keras_history" in node:
            return [str(node["keras_history"][0])]
        return [name for value in node.values() for name in _histories(value)]
    if isinstance(node, list):
        if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int):
            return [node[0]]
        return [name for value in node for name in _histories(value)]
    return []


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
    if function not in ACTIVATIONS:
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


def _snake(kind: str) -> str:
    """Conv3D to conv3d, BatchNormalization to batch_normalization, as Keras writes them."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
