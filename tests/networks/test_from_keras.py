"""A Keras model in memory: each layer as Keras computes it, rendered; model and process are left as they were."""

import importlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

import c3dvis
from c3dvis.errors import InvalidSpec, UnknownLayer
from c3dvis.networks.compute.device import deterministic
from c3dvis.networks.compute.keras_network import KerasNetwork

SIZE = (8, 32, 32)


@keras.saving.register_keras_serializable("tests")
class Gate(keras.layers.Layer):
    """A layer of one's own, with a Python branch and weights."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, volume: Any, training: bool = False) -> Any:
        gate = keras.ops.sigmoid(volume * self.scale)
        return volume * gate if not training else volume


class Subclassed(keras.Model):
    """A model without a graph: a list of layers, one of them called twice."""

    def __init__(self) -> None:
        super().__init__(name="video model")
        self.convolutions = [keras.layers.Conv3D(4, 3, padding="same", name=f"conv{i}") for i in range(2)]
        self.again = keras.layers.Conv3D(4, 3, padding="same", activation="relu", name="again")
        self.gate = Gate(name="gate")
        self.head = keras.layers.Dense(3, name="head")

    def call(self, clip: Any) -> Any:
        volume = self.gate(self.convolutions[1](self.convolutions[0](clip)))
        volume = self.again(self.again(volume))
        return self.head(keras.ops.mean(volume, (1, 2, 3)))


def functional(library: Any = keras) -> Any:
    """A model within a model, with batch normalisation and dropout."""
    layers, clip = library.layers, library.Input((*SIZE, 3))
    inner_in = library.Input((8, 16, 16, 6))
    inner = layers.BatchNormalization(name="bn")(layers.Conv3D(5, 3, name="conv2")(inner_in))
    inner = library.Model(inner_in, layers.ReLU(name="relu")(inner), name="res3")
    volume = layers.Conv3D(6, 3, strides=(1, 2, 2), padding="same", activation="relu", name="stem")(clip)
    volume = layers.Dropout(0.5, name="drop")(inner(volume))
    scores = layers.Dense(4, name="scores")(layers.GlobalAveragePooling3D(name="mean")(volume))
    return library.Model(clip, scores, name="two-stage")


def randomised(model: Any) -> Any:
    """A model with random weights; all positive in batch normalisation, since one of them is a variance."""
    generator = np.random.default_rng(0)
    signs = [generator.choice([-1, 1], w.shape) if w.ndim > 1 else 1 for w in model.get_weights()]
    model.set_weights([generator.uniform(0.1, 0.5, np.shape(w)) * s for w, s in zip(model.weights, signs, strict=True)])
    return model


@pytest.fixture(scope="module")
def network() -> KerasNetwork:
    return c3dvis.from_keras(randomised(functional()), range=(0, 1))


@pytest.fixture
def untouched() -> Iterator[None]:
    """TensorFlow as a process has it that did not configure it, also after tests that did."""
    was = tf_config.is_op_determinism_enabled()
    options = tf.config.optimizer.get_experimental_options()
    tf_config.disable_op_determinism()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    if was:
        tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options(options)


def clip(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*SIZE, channels), np.uint8)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_every_layer_is_a_target_and_responds_as_keras_does(library: str) -> None:
    module: Any = importlib.import_module(library)
    model = randomised(functional(module))
    network = c3dvis.from_keras(model, range=(-1, 1))
    wanted = "stem", "res3/conv2", "res3/bn", "res3/relu", "res3", "drop", "mean", "scores"
    assert network.layers == wanted
    given = clip()
    tensor = (given / np.float32(127.5) - 1)[np.newaxis]
    inner = model.get_layer("res3")
    stem = model.get_layer("stem")(tensor)
    expected = {
        "stem": stem,
        "res3/conv2": inner.get_layer("conv2")(stem),
        "res3": inner(stem),
        "scores": model(tensor),
    }
    for layer, value in expected.items():
        np.testing.assert_allclose(np.squeeze(network.respond(given, layer)), np.squeeze(value), rtol=1e-4, atol=1e-5)
    together = network.responses(network.input_domain.to_network(given))
    np.testing.assert_allclose(together["res3"], network.respond(given, "res3"), rtol=1e-5, atol=1e-6)


def test_a_subclassed_model_with_layers_of_its_own() -> None:
    model = Subclassed()
    network = c3dvis.from_keras(model, range=(0, 255), size=SIZE)
    assert network.name == "video-model"
    assert network.layers == ("conv0", "conv1", "gate", "again", "again#2", "head")
    given = clip()
    volume = model.gate(model.convolutions[1](model.convolutions[0](given[np.newaxis].astype(np.float32))))
    twice = model.again(model.again(volume))
    np.testing.assert_allclose(network.respond(given, "again#2"), twice[0], rtol=1e-4, atol=1e-3)


def test_the_gradient_is_that_of_keras(network: KerasNetwork) -> None:
    tensor = tf.random.stateless_uniform((2, *SIZE, 3), (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        model: Any = network._model
        value = tf.reduce_sum(model.get_layer("res3")(model.get_layer("stem")(tensor)) ** 2)
    expected: Any = tape.gradient(value, tensor)
    response = network.forward(tensor, "res3")
    np.testing.assert_allclose(response.backward(None, 2 * response.after), expected, rtol=1e-3, atol=1e-5)


def test_a_render_uses_the_networks_size_and_is_stored(network: KerasNetwork, tmp_path: Any) -> None:
    spec = c3dvis.RenderSpec(layer="res3/relu", filter=2, iterations=24)
    result = c3dvis.render(spec, network=network)
    assert result.clip.shape == (*SIZE, 3)
    assert result.spec.network == "two-stage"
    noise = network.respond(clip(), "res3/relu")[..., 2].mean()
    assert result.metrics["shown_activation"] == pytest.approx(
        network.respond(result.clip, "res3/relu")[..., 2].mean(), rel=1e-4
    )
    assert result.metrics["shown_activation"] > 1.2 * noise
    store = c3dvis.ResultStore(tmp_path)
    store.put(result)
    stored = store.get_key(result.key)
    assert stored
    np.testing.assert_array_equal(stored.clip, result.clip)
    np.testing.assert_array_equal(c3dvis.render(spec, network=network).clip, result.clip)


def test_a_trained_model_is_another_network() -> None:
    model = randomised(functional())
    network = c3dvis.from_keras(model, range=(0, 1))
    spec = c3dvis.RenderSpec(layer="stem", filter=0, iterations=8)
    first = c3dvis.render(spec, network=network)
    assert c3dvis.from_keras(model, range=(0, 1)).fingerprint == first.fingerprint
    assert c3dvis.from_keras(model, range=(0, 2)).fingerprint != first.fingerprint
    model.set_weights([-weight for weight in model.get_weights()])
    second = c3dvis.render(spec, network=network)
    assert second.fingerprint != first.fingerprint
    shown = network.respond(second.clip, "stem")[..., 0].mean()
    assert second.metrics["shown_activation"] == pytest.approx(shown, rel=1e-4)


@pytest.mark.usefixtures("untouched")
def test_the_model_and_the_process_are_left_as_they_were() -> None:
    """A render once left deterministic operations on, in which training without a seed raises an error."""
    model = randomised(functional())
    before = [dict(layer.__dict__) for layer in model._flatten_layers()]
    assert not tf_config.is_op_determinism_enabled()
    options = tf.config.optimizer.get_experimental_options()
    with pytest.raises(UnknownLayer):
        c3dvis.render(c3dvis.RenderSpec(layer="nowhere"), network=c3dvis.from_keras(model, range=(0, 1)))
    c3dvis.render(
        c3dvis.RenderSpec(layer="stem", filter=0, iterations=8), network=c3dvis.from_keras(model, range=(0, 1))
    )
    assert not tf_config.is_op_determinism_enabled()
    assert tf.config.optimizer.get_experimental_options() == options
    assert all("call" not in layer.__dict__ for layer in model._flatten_layers())
    assert [set(layer.__dict__) for layer in model._flatten_layers()] == [set(each) for each in before]
    model.compile("sgd", "mse")
    model.fit(np.zeros((2, *SIZE, 3)), np.zeros((2, 4)), verbose=0)
    tf.random.uniform(())  # needs a seed where operations are deterministic


@pytest.mark.usefixtures("untouched")
def test_deterministic_ends_with_the_last_that_is_inside() -> None:
    with deterministic():
        with deterministic():
            assert tf_config.is_op_determinism_enabled()
        assert tf_config.is_op_determinism_enabled()
    assert not tf_config.is_op_determinism_enabled()


def two_inputs() -> Any:
    first, second = keras.Input((*SIZE, 3)), keras.Input((4,))
    return keras.Model([first, second], keras.layers.Conv3D(2, 3)(first))


@pytest.mark.parametrize(
    ("make", "how", "said"),
    [
        (two_inputs, {"range": (0, 1)}, "a model of one clip"),
        (functional, {"range": (1, 0)}, "the lower first"),
        (functional, {"range": (0, float("inf"))}, "finite"),
        (functional, {"range": ((0, 0), (1, 1))}, "3 of them"),
        (functional, {"range": (0, 1), "size": (8, 16, 16)}, "Keras cannot compute two-stage .* of 8×16×16×3"),
        (lambda: keras.Sequential([keras.Input((8, 32, 32, 3)), keras.layers.Flatten()]), {"range": (0, 1)},
         "No layer .* received Flatten"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_with_the_reason(make: Any, how: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSpec, match=said):
        c3dvis.from_keras(make(), **how)


def test_what_needs_the_graph_is_refused_with_the_reason(network: KerasNetwork) -> None:
    with pytest.raises(InvalidSpec, match="how they are joined"):
        network.wiring("stem", 0)
    with pytest.raises(InvalidSpec, match="was taken with clips of 8×32×32"):
        c3dvis.render(c3dvis.RenderSpec(layer="stem", frames=4), network=network)
    with pytest.raises(InvalidSpec, match="keras-vis engine does not know"):
        c3dvis.render(c3dvis.RenderSpec(layer="stem", filter=0, engine="keras-vis"), network=network)
