"""Random Keras models: functional graphs of all layers and functions that are imported, nested, shared, with operators.

    python -m tests.networks.random_models --count 2000

Each is saved in one of the forms that Keras writes and imported. It must be proved, and respond as the model in memory.
"""

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import C3dvisError
from c3dvis.networks import user_networks
from c3dvis.networks.compute.network import Network
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.proof import process
from c3dvis.networks.proof.comparison import difference
from c3dvis.networks.weights.weights_file import open_weights
from tests.networks.keras_models import FORMS, randomised, save

_FUNCTIONS = ("elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "tanh", "softplus", "softsign", "softmax")
_KERAS_3_FUNCTIONS = (
    *_FUNCTIONS, "silu", "exponential", "relu6", "leaky_relu", "hard_silu", "mish", "celu", "log_sigmoid", "hard_tanh",
)  # fmt: skip
_KERAS_2_FUNCTIONS = (*_FUNCTIONS, "swish", "exponential")
_MERGES = ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average")


class RandomModel:
    """A random model of one version of Keras; the same seed gives the same model, with other names of layers."""

    def __init__(self, library: str, seed: int, own_names: bool) -> None:
        self.keras: Any = importlib.import_module(library)
        self.layers = self.keras.layers
        self.is_keras_2 = library == "tf_keras"
        self.random = np.random.default_rng(seed)
        self.names = 0
        self.own_names = own_names  # the older form of Keras cannot save two layers of one name

    def build(self) -> Any:
        """The model."""
        size = [int(self.random.integers(3, 7)), *map(int, self.random.integers(8, 12, 2))]
        clip = self.keras.Input((*size, int(self.random.choice([1, 2, 3, 3, 4]))))
        if self.chance(0.15):
            return self.channels_first(clip.shape[1:])
        values = [self.convolution(clip)]
        inputs = [clip]
        if self.chance(0.1):
            inputs.append(self.keras.Input((*values[0].shape[1:],)))
            values.append(self.layers.Add()([values[0], inputs[1]]))
        for _ in range(int(self.random.integers(3, 9))):
            values.append(self.step(values))
        last = self.pick(values)
        if not any(last is value for value in values[-1:]) and self.chance(0.5):
            last = values[-1]
        last = self.head(last) if self.chance(0.4) else self.layers.Conv3D(2, 1, activation=self.function())(last)
        if self.chance(0.2):
            inside = self.keras.Input(last.shape[1:])
            last = self.keras.Model(inside, self.layers.Dense(2, name="end")(inside))(last)
        outputs = [last, values[len(values) // 2]] if self.chance(0.2) else last
        return self.keras.Model(inputs if len(inputs) > 1 else clip, outputs)

    def channels_first(self, shape: Any) -> Any:
        """A model whose clip has its channels first, which all of its layers take so, or which it turns."""
        clip = self.keras.Input((shape[3], *shape[:3]))
        if self.chance(0.4):
            value = self.layers.Permute((2, 3, 4, 1))(clip)
            for _ in range(3):
                value = self.pick([self.convolution, self.normalised, self.activated])(value)
            return self.keras.Model(clip, self.head(self.convolution(value)))
        first = {"data_format": "channels_first"}
        value = self.layers.Conv3D(int(self.random.integers(1, 5)), 3, padding="same", **first)(clip)
        for _ in range(int(self.random.integers(2, 6))):
            kinds = [
                lambda v: self.layers.Conv3D(
                    int(self.random.integers(1, 5)), self.pick([1, 3, (1, 2, 3)]), padding="same",
                    activation=self.pick([None, "relu", "tanh"]), **first,
                )(v),
                lambda v: self.layers.BatchNormalization(axis=1)(v),
                lambda v: self.layers.ReLU()(v),
                lambda v: self.layers.PReLU(shared_axes=[2, 3, 4])(v),
                lambda v: self.layers.MaxPooling3D((1, 2, 2), padding="same", **first)(v),
                lambda v: self.layers.AveragePooling3D((2, 1, 1), padding="same", **first)(v),
                lambda v: self.layers.ZeroPadding3D((0, 1, 0), **first)(v),
                lambda v: self.layers.Concatenate(axis=1)([v, v]),
                lambda v: v * self.number(),
                lambda v: self.layers.Add()([v, self.layers.Conv3D(v.shape[1], 1, **first)(v)]),
            ]  # fmt: skip
            value = self.pick(kinds)(value)
        end = self.layers.Flatten(**first) if self.chance(0.5) else self.layers.GlobalAveragePooling3D(**first)
        return self.keras.Model(clip, self.layers.Dense(3)(end(value)))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def pick(self, choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def number(self) -> float:
        return round(float(self.random.uniform(0.2, 1.5)), 3)

    def named(self, name: str) -> dict[str, str]:
        """The arguments of a layer: often without a name, so that Keras numbers it within the session."""
        self.names += 1
        return {"name": f"{name}_{self.names}" + self.pick(["", ".x", "_1"])} if self.chance(0.3) else {}

    def function(self) -> Any:
        functions = _KERAS_2_FUNCTIONS if self.is_keras_2 else _KERAS_3_FUNCTIONS
        return self.pick([None, "relu", "relu", self.pick(functions)])

    def convolution(self, value: Any) -> Any:
        kernel = [int(n) for n in self.random.integers(1, 4, 3)]
        strides, dilation = [1, 1, 1], [1, 1, 1]
        if self.chance(0.3):
            strides = [int(n) for n in self.random.integers(1, 3, 3)]
        elif self.chance(0.2):
            dilation = [int(n) for n in self.random.integers(1, 3, 3)]
        fits = all(size > (k - 1) * d for size, k, d in zip(value.shape[1:4], kernel, dilation, strict=True))
        channels = value.shape[-1]
        groups = self.pick([1, 1, *(n for n in (2, 3, 4) if channels % n == 0)])
        filters = groups * int(self.random.integers(1, 4))
        return self.layers.Conv3D(
            filters, kernel, strides, self.pick(["same", "valid"]) if fits else "same", dilation_rate=dilation,
            groups=groups, activation=self.function(), use_bias=self.chance(0.7), **self.named("conv"),
        )(value)  # fmt: skip

    def step(self, values: list[Any]) -> Any:
        value = self.pick(values[-3:])
        kinds = [
            self.convolution, self.convolution, self.normalised, self.normalised, self.activated, self.pooled,
            self.moved, self.merged, self.constant, self.constant, self.called, self.excited, self.dense, self.nested,
            self.shared, self.ignored,
        ]  # fmt: skip
        kinds += [self.of_every_frame, self.of_every_frame, self.reshaped, self.sliced]
        kind = self.pick(kinds)
        if kind in (self.merged,):
            return kind(value, values)
        return kind(value)

    def normalised(self, value: Any) -> Any:
        channels = value.shape[-1]
        if self.chance(0.4):
            groups = self.pick([-1, *(n for n in (1, 2, 3) if channels % n == 0)])
            kinds = [
                lambda: self.layers.GroupNormalization(groups, scale=self.chance(0.7), center=self.chance(0.7)),
                lambda: self.layers.PReLU(shared_axes=self.pick([[1, 2, 3], [1], None])),
                lambda: self.layers.Normalization(mean=self.number(), variance=self.number()),
                lambda: self.layers.Normalization(),
            ]
            if channels > 1:
                axes = self.pick([-1, -1, (1, 4), (2, 3, 4), (1, 2, 3, 4)])
                kinds.append(lambda: self.layers.LayerNormalization(axis=axes, epsilon=self.pick([1e-3, 1e-6])))
            if channels > 1:
                kinds.append(lambda: self.layers.UnitNormalization(axis=self.pick([-1, (1, 4)])))
            return self.pick(kinds)()(value)
        return self.layers.BatchNormalization(
            epsilon=self.pick([1e-3, 1e-5]), scale=self.chance(0.7), center=self.chance(0.7), **self.named("norm")
        )(value)

    def activated(self, value: Any) -> Any:
        kinds = [
            lambda: self.layers.Activation(self.function() or "relu", **self.named("act")),
            lambda: self.layers.ReLU(
                max_value=self.pick([None, 6.0, 1.5]),
                negative_slope=self.pick([0.0, 0.1]),
                threshold=self.pick([0.0, 0.0, 0.2]),
            ),
            lambda: self.layers.LeakyReLU(self.number() / 3),
            lambda: self.layers.ELU(self.number()),
            lambda: self.layers.Softmax(),
        ]
        return self.pick(kinds)()(value)

    def pooled(self, value: Any) -> Any:
        size = [int(min(n, self.random.integers(1, 4))) for n in value.shape[1:4]]
        strides = self.pick([None, [1, 1, 1], [1, 2, 2]])
        kind = self.pick([self.layers.MaxPooling3D, self.layers.AveragePooling3D])
        return kind(size, strides, self.pick(["same", "valid"]))(value)

    def moved(self, value: Any) -> Any:
        kinds = [self.layers.ZeroPadding3D(self.pick([1, (1, 0, 2), ((0, 1), (1, 1), (2, 0))]))]
        if max(value.shape[1:4]) < 12:
            kinds.append(self.layers.UpSampling3D(self.pick([2, (1, 2, 1)])))
            kinds.append(
                self.layers.Conv3DTranspose(
                    int(self.random.integers(1, 4)),
                    self.pick([2, 3, (1, 2, 3)]),
                    self.pick([1, 2]),
                    self.pick(["same", "valid"]),
                    activation=self.function(),
                )
            )
        if min(value.shape[1:4]) > 2:
            kinds.append(self.layers.Cropping3D(self.pick([1, ((0, 1), (1, 0), (0, 0))])))
        return self.pick(kinds)(value)

    def merged(self, value: Any, values: list[Any]) -> Any:
        same = [other for other in values if tuple(other.shape) == tuple(value.shape)]
        if self.chance(0.3):
            fitting = [other for other in values if tuple(other.shape[1:4]) == tuple(value.shape[1:4])]
            return self.layers.Concatenate()([value, self.pick(fitting)])
        other = self.pick(same)
        if self.chance(0.4):
            return self.pick([lambda: value + other, lambda: value - other, lambda: value * other])()
        return getattr(self.layers, self.pick(_MERGES))()([value, other])

    def constant(self, value: Any) -> Any:
        """A function of a value and constants."""
        number = self.number()
        vector = np.round(self.random.uniform(0.2, 1.5, value.shape[-1]), 3).astype(np.float32)
        positions = np.round(self.random.uniform(0.2, 1.5, (value.shape[2], 1, value.shape[-1])), 3).astype(np.float32)
        functions = [
            lambda: value * number, lambda: number * value, lambda: value + number, lambda: value - number,
            lambda: number - value, lambda: value / number, lambda: -value, lambda: 1 - value, lambda: value * 2,
        ]  # fmt: skip
        if self.is_keras_2:
            import tensorflow as tf

            functions += [lambda: tf.maximum(value, number), lambda: tf.minimum(number, value)]
        else:
            functions += [
                lambda: self.keras.ops.maximum(value, number), lambda: self.keras.ops.minimum(number, value),
                lambda: value * vector, lambda: value + vector, lambda: value * positions,
            ]  # fmt: skip
        return self.pick(functions)()

    def called(self, value: Any) -> Any:
        """A function of a value alone."""
        if self.is_keras_2:
            import tensorflow as tf

            return self.pick([tf.nn.relu, tf.sigmoid, tf.tanh, tf.nn.elu, tf.nn.softplus, tf.exp])(value * 0.3)
        names = ("relu", "sigmoid", "tanh", "silu", "softplus", "hard_sigmoid", "relu6", "elu", "hard_silu", "exp")
        return getattr(self.keras.ops, self.pick(names))(value * 0.3)

    def excited(self, value: Any) -> Any:
        """Squeeze and excitation, in three ways to write it."""
        channels = value.shape[-1]
        way = self.pick(["reshape", "keepdims", "vector"])
        squeezed = self.layers.GlobalAveragePooling3D(keepdims=way == "keepdims")(value)
        if way == "reshape":
            squeezed = self.layers.Reshape((1, 1, 1, channels))(squeezed)
        gate = self.layers.Dense(channels, activation="sigmoid")(squeezed)
        if way == "vector":
            return self.layers.Multiply()([value, gate])
        return value * (1 + gate) if self.chance(0.5) else self.layers.Multiply()([value, gate])

    def of_every_frame(self, value: Any) -> Any:
        """A layer of images, or a model of them, for every frame."""
        layers, (height, width, channels) = self.layers, value.shape[2:]
        least = min(height, width)
        kinds = [
            lambda: layers.Conv2D(int(self.random.integers(1, 4)), self.pick([1, 3]), padding="same",
                                  activation=self.function()),
            lambda: layers.DepthwiseConv2D(min(2, least), depth_multiplier=self.pick([1, 2])),
            lambda: layers.SeparableConv2D(2, min(3, least), padding="same", depth_multiplier=self.pick([1, 2])),
            lambda: layers.MaxPooling2D(min(2, least), padding=self.pick(["same", "valid"])),
            lambda: layers.AveragePooling2D(1, padding="same"),
            lambda: layers.BatchNormalization(),
            lambda: layers.Dense(int(self.random.integers(1, 4))),
            lambda: layers.ZeroPadding2D(1),
            lambda: layers.UpSampling2D((1, 2), interpolation=self.pick(["nearest", "bilinear"])),
            lambda: layers.Resizing(5, 7, interpolation=self.pick(["nearest", "bilinear"])),
            lambda: self.keras.Sequential([
                self.keras.Input((height, width, channels)), layers.Conv2D(2, 1, name=self.inner("image")),
                layers.BatchNormalization(), layers.ReLU(),
            ]),
        ]  # fmt: skip
        return layers.TimeDistributed(self.pick(kinds)())(value)

    def reshaped(self, value: Any) -> Any:
        """Axes joined, split, or in another order, with a layer between, and back."""
        layers, (frames, height, width, channels) = self.layers, value.shape[1:]
        way = self.pick(["images", "sequence", "permuted", "vector"])
        if way == "images":
            x = layers.Conv2D(channels, 1)(layers.Reshape((frames * height, width, channels))(value))
        elif way == "sequence":
            x = layers.Conv1D(channels, 3, padding="same")(layers.Reshape((-1, channels))(value))
        elif way == "permuted":
            order = [int(n) for n in self.random.permutation(4) + 1]
            x = layers.Dense(value.shape[order[3]])(layers.Permute(order)(value))
            return layers.Permute([order.index(n) + 1 for n in (1, 2, 3, 4)])(x)
        else:
            x = layers.BatchNormalization()(layers.Flatten()(value))
        return layers.Reshape((frames, height, width, channels))(x)

    def sliced(self, value: Any) -> Any:
        frames, height, width, channels = value.shape[1:]
        slices = [lambda: value[:, :, :, :, : max(1, channels - 1)]]
        if min(frames, height, width) > 2:
            slices += [lambda: value[:, 1:, :, :-1], lambda: value[:, ::2, 1:-1], lambda: value[:, :, 1:2]]
        if self.is_keras_2:
            import tensorflow as tf

            slices += [lambda: value * tf.reduce_mean(value, axis=[1, 2, 3], keepdims=True)]
        else:
            slices += [lambda: value * self.keras.ops.mean(value, axis=(1, 2, 3), keepdims=True)]
        return self.pick(slices)()

    def dense(self, value: Any) -> Any:
        return self.layers.Dense(
            int(self.random.integers(1, 4)), activation=self.function(), use_bias=self.chance(0.7)
        )(value)

    def block(self, value: Any, depth: int) -> Any:
        """A model within the model; its layers have the same names in every block."""
        if self.chance(0.3):
            return self.keras.Sequential(
                [
                    self.keras.Input(value.shape[1:]),
                    self.layers.Conv3D(value.shape[-1], 3, padding="same", **self.named("inner")),
                    self.layers.BatchNormalization(trainable=self.chance(0.6)),
                    self.layers.ReLU(),
                ],
                **({"name": f"block_{self.names}"} if self.chance(0.3) else {}),
            )
        inside = self.keras.Input(value.shape[1:])
        x = self.layers.Conv3D(value.shape[-1], 3, padding="same", name=self.inner("conv"), trainable=self.chance(0.7))(
            inside
        )
        if self.chance(0.5):
            x = self.layers.BatchNormalization(name=self.inner("norm"))(x)
        y = self.layers.ReLU(name=self.inner("relu"))(x)
        if depth and self.chance(0.4):
            y = self.one(self.block(y, depth - 1)(y))
        if self.chance(0.5):
            y = y + inside
        return self.keras.Model(inside, [x, y] if self.chance(0.5) else y)

    def inner(self, name: str) -> str:
        self.names += self.own_names
        return f"{name}_in_{self.names}" if self.own_names else name

    def nested(self, value: Any) -> Any:
        return self.one(self.block(value, 2)(value))

    def shared(self, value: Any) -> Any:
        """A layer or a model that is used twice."""
        layer = self.block(value, 1) if self.chance(0.5) else self.layers.Conv3D(value.shape[-1], 1, activation="tanh")
        return self.layers.Add()([self.one(layer(value)), self.one(layer(self.layers.ReLU()(value)))])

    def one(self, outputs: Any) -> Any:
        return self.pick(outputs) if isinstance(outputs, list | tuple) else outputs

    def ignored(self, value: Any) -> Any:
        """A layer without effect outside of training."""
        layers = self.layers
        kinds = [layers.Dropout(0.3), layers.SpatialDropout3D(0.3), layers.GaussianNoise(0.1)]
        if not self.is_keras_2:  # of which later normalisations warn
            kinds.append(layers.Masking())
        return self.pick(kinds)(value)

    def head(self, value: Any) -> Any:
        kinds = [self.layers.Flatten, self.layers.GlobalAveragePooling3D, self.layers.GlobalMaxPooling3D]
        x = self.pick(kinds)()(value)
        if self.chance(0.5):
            x = self.layers.Dropout(0.5)(self.layers.Dense(4, activation=self.function())(x))
        return self.layers.Dense(3, activation=self.pick([None, "softmax"]))(x)


def check(seed: int, folder: Path) -> str:
    """Import one random model and compare it; how it ended.

    Raises:
        AssertionError, C3dvisError: it is not proved, or responds otherwise.
    """
    random = np.random.default_rng([1, seed])
    form = list(FORMS)[seed % len(FORMS)]
    library, files = FORMS[form]
    own_names = any(name.endswith((".h5", "-weights.h5")) and "." not in name[:-3] for name in files)
    model = randomised(RandomModel(library, seed, own_names).build(), seed)
    paths = [folder / f"{seed}-{name}" for name in files]
    if len(paths) > 1 and random.random() < 0.5:  # described before, with other names of layers
        save(RandomModel(library, seed, own_names).build(), paths[0])
        save(model, paths[1])
    else:
        for path in paths:
            save(model, path)
    request = {
        "name": "mine", "architecture": paths[0], "weights": paths[1] if len(paths) > 1 else None,
        "bounds": ((-1.0,), (1.0,)), "order": "RGB", "size": None, "title": "", "licence": "",
        "shown": (), "held": "middle", "folder": folder,
    }  # fmt: skip
    report = process.answer(request, lambda _: None)
    unreadable = form == "keras 3 .h5" and report["proof"]["detail"].startswith("Keras 3")  # by Keras: x * 0.5 in .h5
    assert report["proof"]["is_proved"] or unreadable, report["proof"]["detail"]
    assert not report["left_out"], report["left_out"]
    info = user_networks.from_dict("mine", json.loads((folder / user_networks.DESCRIPTION).read_text()))
    network = Network(info, open_weights(folder / info.weights_file, info.architecture, info.default_size))
    clip = random.uniform(-1, 1, (*info.default_size, info.architecture.channels)).astype(np.float32)
    expected = _computed(model, info, clip)
    expected = np.asarray(expected[0] if isinstance(expected, list | tuple) else expected)[0]
    apart = difference(network.responses(clip)[info.architecture.operations[-1].name], expected)
    assert apart < 1e-3, f"it is {apart:.2g} away from the model in memory"
    for path in paths:
        path.unlink()
    return "right, not proved" if unreadable else "proved and right"


def _computed(model: Any, info: NetworkInfo, clip: np.ndarray) -> Any:
    """The model's answer to a clip, in the order of its axes; other inputs hold zeros."""
    import tensorflow as tf

    first, *others = model.inputs
    is_first = tuple(first.shape[1:]) != clip.shape
    fed = [tf.constant((clip.transpose(3, 0, 1, 2) if is_first else clip)[np.newaxis])]
    fed += [tf.zeros((1, *each.shape[1:])) for each in others]
    given = fed if others else fed[0]
    if is_first and "channels_first" in model.to_json():  # which a processor computes when XLA compiles it
        return tf.function(lambda value: model(value, training=False), jit_compile=True)(given)
    return model(given, training=False)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    ended, started = Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first, options.first + options.count):
            try:
                ended[check(seed, Path(folder))] += 1
            except C3dvisError as error:
                ended["refused"] += 1
                _say(f"{seed}: {error}")
            except Exception:  # any other is what this looks for
                ended["failed"] += 1
                _say(f"{seed}: {traceback.format_exc()}")
            if seed % 20 == 19:
                importlib.import_module("keras").backend.clear_session()
                importlib.import_module("tf_keras").backend.clear_session()
                _say(f"{seed + 1 - options.first} in {time.monotonic() - started:.0f} s: {dict(ended)}")
    return int(bool(ended["refused"] + ended["failed"]))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
