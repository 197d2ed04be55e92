"""Layers that everyday Keras networks have beside convolutions of volumes, against the framework's own answer."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.importers import model_file
from c3dvis.networks.proof.comparison import difference
from tests.networks.keras_models import randomised, save
from tests.networks.test_import_kinds import imported

SIZE = (4, 8, 8)
FIRST = {"data_format": "channels_first"}


def _sequential(keras: Any, *layers: Any, shape: tuple[int, ...] = (*SIZE, 3)) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


def channels_first(keras: Any) -> Any:
    """Convolution, pooling and normalisation with the channels first, as models that came from PyTorch have them."""
    layers = keras.layers
    return _sequential(
        keras, layers.Conv3D(4, 3, padding="same", **FIRST), layers.BatchNormalization(axis=1), layers.ReLU(),
        layers.PReLU(shared_axes=[2, 3, 4]), layers.MaxPooling3D((1, 2, 2), **FIRST), layers.UpSampling3D(2, **FIRST),
        layers.ZeroPadding3D(1, **FIRST), layers.Conv3D(5, 3, **FIRST), layers.GlobalAveragePooling3D(**FIRST),
        layers.Dense(3), shape=(3, *SIZE),
    )  # fmt: skip


def flattened_channels_first(keras: Any) -> Any:
    """Flattening with the channels first."""
    layers = keras.layers
    return _sequential(
        keras, layers.Conv3D(4, 3, **FIRST), layers.Flatten(**FIRST), layers.BatchNormalization(), layers.Dense(3),
        shape=(3, *SIZE),
    )  # fmt: skip


def permuted(keras: Any) -> Any:
    """A clip with the channels first, which the model itself turns; and back before it is flattened."""
    layers = keras.layers
    return _sequential(
        keras, layers.Permute((2, 3, 4, 1)), layers.Conv3D(4, 3), layers.Permute((4, 1, 2, 3)), layers.Flatten(),
        layers.Dense(3), shape=(3, *SIZE),
    )  # fmt: skip


def mixed_layouts(keras: Any) -> Any:
    """A sum of two branches whose axes are in different orders."""
    layers = keras.layers
    clip = keras.Input((*SIZE, 3))
    last = layers.Conv3D(2, 3, padding="same")(clip)
    first = layers.Conv3D(2, 3, padding="same", **FIRST)(layers.Permute((4, 1, 2, 3))(clip))
    x = layers.Add()([last, layers.Permute((2, 3, 4, 1))(first)])
    return keras.Model(clip, layers.Dense(2)(layers.Concatenate(axis=1)([x, last])))


def of_every_frame(keras: Any) -> Any:
    """Layers of images for every frame, and of vectors."""
    layers, frames = keras.layers, keras.layers.TimeDistributed
    return _sequential(
        keras, frames(layers.Conv2D(4, 3, padding="same", activation="relu")), frames(layers.BatchNormalization()),
        frames(layers.MaxPooling2D()), frames(layers.Conv2DTranspose(3, 2, 2)), frames(layers.DepthwiseConv2D(3)),
        frames(layers.SeparableConv2D(4, 2)), layers.Conv3D(3, (3, 1, 1)), frames(layers.Flatten()),
        frames(layers.Dense(5)), layers.Conv1D(3, 2), layers.GlobalAveragePooling1D(), layers.Dense(2),
    )  # fmt: skip


def pooled_frames(keras: Any) -> Any:
    """Global pooling and dense layers of every frame."""
    layers, frames = keras.layers, keras.layers.TimeDistributed
    return _sequential(
        keras, layers.Conv3D(4, 3, padding="same"), frames(layers.GlobalMaxPooling2D()), frames(layers.Dropout(0.3)),
        frames(layers.Dense(5, activation="relu")), layers.MaxPooling1D(2), layers.Flatten(), layers.Dense(2),
    )  # fmt: skip


def model_of_every_frame(keras: Any) -> Any:
    """A model within the model, of every frame."""
    layers = keras.layers
    images = [
        layers.Conv2D(4, 3, activation="relu", name="edges"),
        layers.MaxPooling2D(),
        layers.Conv2D(3, 2, name="parts"),
    ]
    inside = _sequential(keras, *images, layers.Flatten(), shape=(8, 8, 3))
    clip = keras.Input((*SIZE, 3))
    x = layers.TimeDistributed(inside)(layers.Conv3D(3, 3, padding="same", name="stem")(clip))
    return keras.Model(clip, layers.Dense(2)(layers.Flatten()(x)))


def reshaped(keras: Any) -> Any:
    """A decoder behind a dense layer; images and sequences behind a volume."""
    layers = keras.layers
    return _sequential(
        keras, layers.Conv3D(4, 3), layers.Flatten(), layers.Dense(2 * 4 * 4 * 3), layers.Reshape((2, 4, 4, 3)),
        layers.Conv3DTranspose(3, 2, 2), layers.Reshape((4 * 8, 8, 3)), layers.Conv2D(3, 3),
        layers.Reshape((-1, 3)), layers.Conv1D(2, 3), layers.Permute((2, 1)), layers.Flatten(), layers.RepeatVector(2),
        layers.Flatten(), layers.Dense(2),
    )  # fmt: skip


def frames_without_channels(keras: Any) -> Any:
    """Frames without channels, which are reshaped to have one."""
    layers = keras.layers
    return _sequential(keras, layers.Reshape((*SIZE, 1)), layers.Conv3D(4, 3), layers.Conv3D(2, 1), shape=SIZE)


def resized(keras: Any) -> Any:
    """Frames of another size, and unit normalisation."""
    layers, frames = keras.layers, keras.layers.TimeDistributed
    return _sequential(
        keras, frames(layers.Resizing(6, 5)), layers.Conv3D(4, 3),
        frames(layers.Resizing(7, 7, interpolation="nearest")), layers.Conv3D(2, 1), layers.UnitNormalization(),
        layers.Dense(2),
    )  # fmt: skip


def normalised(keras: Any) -> Any:
    """Group, layer and unit normalisation, given statistics, activations with settings, noise, augmentation."""
    layers = keras.layers
    return _sequential(
        keras, layers.Normalization(axis=None, mean=0.3, variance=0.7), layers.Conv3D(4, 3),
        layers.GroupNormalization(2), layers.ELU(0.4), layers.LayerNormalization(), layers.ReLU(2.0, 0.1),
        layers.UnitNormalization(axis=(1, 4)), layers.GaussianNoise(0.2), layers.TimeDistributed(layers.RandomFlip()),
        layers.Conv3D(2, 1),
    )  # fmt: skip


def sliced(keras: Any) -> Any:
    """Slices, a gate that is given its axes by one, and means by a function."""
    layers = keras.layers
    clip = keras.Input((*SIZE, 3))
    x = layers.Conv3D(4, 3, padding="same")(clip)
    if keras.__name__ == "keras":
        mean: Any = keras.ops.mean(x, axis=(1, 2, 3))
    else:
        import tensorflow as tf

        mean = tf.reduce_mean(x, axis=[1, 2, 3])
    x = x * layers.Dense(4, activation="sigmoid")(mean)[:, None, None, None, :]
    x = layers.Concatenate()([x[:, 1:, ::2, 1:-1, :2], x[:, :-1, ::2, 1:-1, 1:]])
    return keras.Model(clip, layers.Dense(2)(layers.Concatenate(axis=1)([x, x])[:, 1]))


def numbers_for_positions(keras: Any) -> Any:
    """Slopes, scales and statistics for each position along several axes, and a ReLU with a threshold."""
    layers = keras.layers
    clip = keras.Input((*SIZE, 3))
    given = layers.Normalization(axis=(2, 4), mean=_NUMBERS[0, 0, :, 0], variance=_NUMBERS[0, 0, :, 0])
    x = layers.Conv3D(4, 3, padding="same")(given(clip))
    x = layers.LayerNormalization(axis=(1, 2, 3, 4))(layers.PReLU()(x))
    x = layers.LayerNormalization(axis=(2, 4))(layers.PReLU(shared_axes=[1, 4])(x)) + _NUMBERS[..., :1]
    x = layers.TimeDistributed(layers.PReLU())(layers.Conv3D(3, 2)(layers.ReLU(1.5, 0.2, threshold=0.1)(x)))
    x = layers.Conv3D(2, 1)(layers.Permute((4, 1, 2, 3))(x))
    x = layers.PReLU()(layers.Flatten()(layers.ReLU(threshold=0.2)(x)))
    return keras.Model(clip, layers.Dense(2)(x))


_NUMBERS = np.random.default_rng(3).uniform(0.5, 1.5, (1, 1, SIZE[1], 1, 3)).astype(np.float32)

KINDS = [
    numbers_for_positions, channels_first, flattened_channels_first, permuted, mixed_layouts, of_every_frame,
    pooled_frames, model_of_every_frame, reshaped, frames_without_channels, resized, normalised, sliced,
]  # fmt: skip


@pytest.mark.parametrize(("library", "name"), [("keras", "model.keras"), ("tf_keras", "model.h5")])
@pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_layer_is_computed_as_the_framework_computes_it(
    build: Callable[[Any], Any], library: str, name: str, tmp_path: Path
) -> None:
    model = randomised(build(importlib.import_module(library)))
    network, report = imported([save(model, tmp_path / name)], tmp_path)
    assert not report["left_out"], report["left_out"]
    assert report["proof"]["is_proved"], report["proof"]["detail"]
    assert network.architecture.operations[-1].name == network.layers[-1]
    clip = np.random.default_rng(5).uniform(-1, 1, (*SIZE, network.architecture.channels)).astype(np.float32)
    assert np.isfinite(network.respond_to_input(clip, network.layers[-1])).all()  # also by Keras' layers


def test_a_network_with_channels_first_takes_clips_with_channels_last(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    model = randomised(channels_first(keras))
    network, _ = imported([save(model, tmp_path / "model.keras")], tmp_path)
    assert network.info.default_size == SIZE
    clip = np.random.default_rng(5).uniform(-1, 1, (*SIZE, 3)).astype(np.float32)
    compute: Any = tf.function(lambda value: model(value, training=False), jit_compile=True)
    expected = compute(clip.transpose(3, 0, 1, 2)[np.newaxis])[0].numpy()
    assert difference(network.responses(clip)[network.layers[-1]], expected) < 1e-4


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
def test_a_mask_changes_nothing_or_leaves_out_what_reads_it(tmp_path: Path) -> None:
    """Keras 3 writes as layers how it finds a mask, and hands it on."""
    import keras

    layers = keras.layers
    begin = [layers.Conv3D(4, 3), layers.Masking(), layers.TimeDistributed(layers.Conv2D(3, 3, name="edges"))]
    model = randomised(_sequential(keras, *begin, layers.BatchNormalization(), layers.Conv3D(2, 1)))
    functional = keras.Model(model.inputs, model.outputs)
    network, report = imported([save(functional, tmp_path / "model.keras")], tmp_path)
    assert "NotEqual" in functional.to_json()
    assert not report["left_out"], report["left_out"]
    assert report["proof"]["is_proved"], report["proof"]["detail"]
    reads = layers.GlobalAveragePooling1D(name="mean")(layers.Reshape((-1, 3))(functional.layers[-3].output))
    mask = keras.ops.any(keras.ops.not_equal(reads, 0.0), axis=-1, keepdims=True)
    last = layers.Dense(2, name="last")(reads * keras.ops.cast(mask, "float32"))
    network, report = imported([save(keras.Model(model.inputs, last), tmp_path / "reads.keras")], tmp_path)
    assert "last" not in network.layers
    assert "computes with a mask, which is not known here" in report["left_out"]


def test_layers_within_a_model_of_every_frame_are_targets(tmp_path: Path) -> None:
    import keras

    network, report = imported([save(randomised(model_of_every_frame(keras)), tmp_path / "m.keras")], tmp_path)
    assert network.layers[:3] == ("stem", "edges", "parts")
    assert "the same in all 4 layers" in report["proof"]["detail"]
    assert network.info.output_shape("edges", *SIZE) == (4, 6, 6, 4)


@pytest.mark.parametrize("tail", ["LSTM", "ConvLSTM2D", "attention"])
def test_what_comes_before_a_foreign_tail_is_served(tail: str, tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    clip = keras.Input((*SIZE, 3))
    x = layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu"), name="edges")(clip)
    x = layers.Conv3D(3, 3, name="parts")(x)
    if tail == "LSTM":
        x = layers.LSTM(4, name="tail")(layers.TimeDistributed(layers.Flatten())(x))
    elif tail == "ConvLSTM2D":
        x = layers.Flatten()(layers.ConvLSTM2D(2, 2, name="tail")(x))
    else:
        x = layers.Reshape((-1, 3))(x)
        x = layers.Flatten()(layers.MultiHeadAttention(1, 2, name="tail")(x, x))
    path = save(randomised(keras.Model(clip, layers.Dense(2, name="classes")(x))), tmp_path / "model.keras")
    network, report = imported([path], tmp_path)
    assert network.layers == ("edges", "parts")
    assert report["left_out"].startswith("What follows is left out. The layer tail is a ")
    assert report["proof"]["is_proved"], report["proof"]["detail"]


def _two_inputs(keras: Any) -> Any:
    layers = keras.layers
    clip, flow = keras.Input((*SIZE, 3), name="clip"), keras.Input((*SIZE, 2), name="flow")
    age = keras.Input((2,), name="age")
    x = layers.Conv3D(4, 3, name="look")(clip)
    y = layers.Conv3D(4, 3, name="move")(flow)
    x = layers.Add(name="both")([x, y])
    x = layers.Concatenate()([layers.GlobalAveragePooling3D()(x), layers.Dense(3, name="years")(age)])
    return keras.Model([clip, flow, age], layers.Dense(2, name="classes")(x))


@pytest.mark.parametrize("held", ["middle", "zeros"])
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_the_inputs_beside_the_clip_are_held(library: str, held: str, tmp_path: Path) -> None:
    keras = importlib.import_module(library)
    model = randomised(_two_inputs(keras))
    bounds = ((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))
    network, report = imported([save(model, tmp_path / "model.keras")], tmp_path, held=held, bounds=bounds)
    assert report["proof"]["is_proved"], report["proof"]["detail"]
    number = 1.0 if held == "middle" else 0.0  # the mean of 0.5, 1 and 1.5
    assert report["held"] == f"Beside the clip, the input flow is held at {number:g}, and age is held at {number:g}."
    assert "look" in network.layers
    assert not {row.name for row in network.info.table(*SIZE) if row.targetable} & {"move", "years", "flow"}
    clip = np.random.default_rng(5).uniform(0, 1, (*SIZE, 3)).astype(np.float32)
    others = [np.full((1, *SIZE, 2), number, np.float32), np.full((1, 2), number, np.float32)]
    expected = np.asarray(model([clip[np.newaxis], *others], training=False))[0]
    assert difference(network.responses(clip)["classes"], expected) < 1e-4
    larger = np.random.default_rng(6).uniform(0, 1, (5, 9, 8, 3)).astype(np.float32)
    with pytest.raises(InvalidSpec, match="does not go through"):
        network.respond_to_input(larger, "both")


def test_half_precision_is_compared_in_single_precision(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    for policy in ("bfloat16", "mixed_bfloat16", "mixed_float16"):
        model = randomised(_sequential(keras, layers.Conv3D(4, 3, dtype=policy), layers.Conv3D(2, 1, dtype=policy)))
        network, report = imported([save(model, tmp_path / f"{policy}.keras")], tmp_path)
        assert report["proof"]["is_proved"], report["proof"]["detail"]
        stored = np.asarray(model.get_weights()[0]).astype(np.float32)
        np.testing.assert_array_equal(network.weights(network.layers[0])[0], stored)


def test_a_reshape_to_a_fixed_size_does_not_take_another_clip(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    model = _sequential(keras, layers.Conv3D(2, 1), layers.Reshape((4, -1, 2)), layers.Conv2D(2, 1, name="end"))
    network, _ = imported([save(model, tmp_path / "model.keras")], tmp_path)
    assert network.info.output_shape("end", *SIZE) == (4, 64, 1, 2)
    assert network.info.output_shape("end", 4, 9, 8) == (4, 72, 1, 2)
    with pytest.raises(InvalidSpec, match="reshapes volumes of one size, and not 8×8×8×2"):
        network.info.output_shape("end", 8, 8, 8)


def test_a_layer_of_every_frame_is_described_in_json_too(tmp_path: Path) -> None:
    import keras

    model = randomised(of_every_frame(keras))
    paths = [save(model, tmp_path / "model.json"), save(model, tmp_path / "model.weights.h5")]
    _, report = imported(paths, tmp_path)
    assert report["proof"]["is_proved"], report["proof"]["detail"]


def test_pictures_are_no_clips(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    path = save(_sequential(keras, layers.Conv2D(2, 3), shape=(8, 8, 3)), tmp_path / "model.keras")
    with pytest.raises(WeightsDamaged, match=r"an input of shape \[None, 8, 8, 3\]: expected \(batch, frames"):
        model_file.read(path, None, tmp_path)


def test_a_traced_layer_without_code_is_refused() -> None:
    """As a description that was edited by hand would have it."""
    traced = {"kind": "traced", "name": "res", "inputs": ["input"], "shape": [1, 1, 1, 2], "size": [4, 8, 8],
              "layer_type": "Own"}  # fmt: skip
    conv = {"kind": "conv", "name": "conv", "inputs": ["input"], "filters": 2}
    with pytest.raises(ValueError, match=r"the operation 'res' \('traced'\) is computed by code, and it has none"):
        Architecture.from_dict({"name": "mine", "operations": [conv, traced]})
