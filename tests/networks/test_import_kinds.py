"""Kinds of Keras models that were once computed wrongly without a word: each is right, or refused with a reason."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c3dvis.errors import WeightsDamaged
from c3dvis.networks import user_networks
from c3dvis.networks.compute.network import Network
from c3dvis.networks.proof import process
from c3dvis.networks.proof.comparison import difference
from c3dvis.networks.weights.weights_file import open_weights
from tests.networks.keras_models import FORMS, randomised, save

SIZE = (4, 8, 8)


def imported(paths: list[Path], folder: Path, **others: Any) -> tuple[Network, dict[str, Any]]:
    """The network of saved files as c3dvis keeps it, and the report of its import; `others` as of `add`."""
    request = {
        "name": "mine", "architecture": paths[0], "weights": paths[1] if len(paths) > 1 else None,
        "bounds": ((-1.0,), (1.0,)), "order": "RGB", "size": None, "title": "", "licence": "",
        "shown": (), "held": "middle", "folder": folder,
        **others,
    }  # fmt: skip
    report = process.answer(request, lambda _: None)
    info = user_networks.from_dict("mine", json.loads((folder / user_networks.DESCRIPTION).read_text()))
    return Network(info, open_weights(folder / info.weights_file, info.architecture, info.default_size)), report


def compared(network: Network, layer: str, model: Any) -> float:
    """How far a layer is from the output of a model in memory."""
    channels = network.architecture.channels
    clip = np.random.default_rng(5).uniform(-1, 1, (*SIZE, channels)).astype(np.float32)
    return difference(network.responses(clip)[layer], np.asarray(model(clip[np.newaxis], training=False))[0])


def stem_and_three(keras: Any) -> Any:
    """A stem and three equal convolutions, without names: Keras numbers them within the session."""
    layers = [keras.layers.Conv3D(3, 3, padding="same", activation="tanh") for _ in range(4)]
    return keras.Sequential([keras.Input((*SIZE, 3)), *layers])


def two_blocks(keras: Any) -> Any:
    """Two models within the model whose layers have equal names."""

    def block(value: Any, activation: str) -> Any:
        inside = keras.Input(value.shape[1:])
        y = keras.layers.Conv3D(3, 3, padding="same", activation=activation, name="conv")(inside)
        return keras.Model(inside, y)(value)

    clip = keras.Input((*SIZE, 3))
    return keras.Model(clip, block(block(clip, "relu"), "tanh"))


def second_output(keras: Any) -> Any:
    """The second output of an encoder with two."""
    inside = keras.Input((*SIZE, 3))
    first = keras.layers.Conv3D(3, 3, padding="same", name="shallow")(inside)
    second = keras.layers.Conv3D(3, 3, padding="same", activation="relu", name="deep")(first)
    clip = keras.Input((*SIZE, 3))
    outputs = keras.Model(inside, [first, second])(clip)
    return keras.Model(clip, keras.layers.Conv3D(2, 1, name="last")(outputs[1]))


def hard_sigmoid(keras: Any) -> Any:
    """A function whose name means something else in Keras 2 than in Keras 3."""
    clip = keras.Input((*SIZE, 3))
    return keras.Model(clip, keras.layers.Conv3D(2, 3, activation="hard_sigmoid")(clip))


def operators(keras: Any) -> Any:
    """Constants in operators."""
    clip: Any = keras.Input((*SIZE, 3))
    x: Any = keras.layers.Conv3D(4, 3, padding="same")(clip)
    attention = keras.layers.Conv3D(4, 1, activation="sigmoid")(x)
    x = (1 - x * 0.5 + 0.25) * (1 + attention) / 2
    return keras.Model(clip, keras.layers.Conv3D(2, 1)(-x))


def vector_gate(keras: Any) -> Any:
    """Squeeze and excitation without a reshaping layer: a volume times a vector."""
    clip = keras.Input((*SIZE, 3))
    x = keras.layers.Conv3D(4, 3, padding="same")(clip)
    gate = keras.layers.Dense(4, activation="sigmoid")(keras.layers.GlobalAveragePooling3D()(x))
    return keras.Model(clip, keras.layers.Conv3D(2, 1)(keras.layers.Multiply()([x, gate])))


KINDS = [stem_and_three, two_blocks, second_output, hard_sigmoid, vector_gate]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_kind_is_right_in_every_form(build: Callable[[Any], Any], form: str, tmp_path: Path) -> None:
    library, files = FORMS[form]
    keras = importlib.import_module(library)
    build(keras)  # so that names in the session do not begin at the first
    model = randomised(build(keras))
    network, report = imported([save(model, tmp_path / name) for name in files], tmp_path)
    assert report["proof"]["is_proved"], report["proof"]["detail"]
    assert compared(network, network.layers[-1], model) < 1e-4


@pytest.mark.parametrize("form", [form for form in FORMS if form != "keras 3 .h5"])
def test_constants_in_operators_are_kept(form: str, tmp_path: Path) -> None:
    library, files = FORMS[form]
    model = randomised(operators(importlib.import_module(library)))
    network, report = imported([save(model, tmp_path / name) for name in files], tmp_path)
    assert report["proof"]["is_proved"], report["proof"]["detail"]
    assert compared(network, network.layers[-1], model) < 1e-4


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_what_keras_cannot_load_itself_is_not_proved_and_says_why(tmp_path: Path) -> None:
    import keras

    model = randomised(operators(keras))
    network, report = imported([save(model, tmp_path / "model.h5")], tmp_path)
    assert not report["proof"]["is_proved"]
    assert "does not load the model (Unknown layer: 'TrueDivide'" in report["proof"]["detail"]
    assert compared(network, network.layers[-1], model) < 1e-4


def test_weights_of_a_class_are_matched_by_its_attributes(tmp_path: Path) -> None:
    """The weights of a subclassed model, and a description whose layers have the names of its attributes."""
    import keras

    def block(name: str | None = None) -> Any:
        return keras.Sequential(
            [keras.layers.Conv3D(3, 3, padding="same"), keras.layers.BatchNormalization()], name=name
        )

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.after, self.before, self.pool = block(), block(), keras.layers.MaxPooling3D()
            self.last = keras.layers.Conv3D(2, 1)

        def call(self, inputs: Any) -> Any:
            return self.last(self.pool(self.after(self.before(inputs))))

    clip = keras.Input((*SIZE, 3))
    own = Own()
    own(np.zeros((1, *SIZE, 3), np.float32))
    weights = save(randomised(own), tmp_path / "own.weights.h5")
    last = keras.layers.Conv3D(2, 1, name="last")

    def described(second: str, final: Any) -> Any:
        return keras.Model(clip, final(keras.layers.MaxPooling3D(name="pool")(block(second)(block("before")(clip)))))

    network, report = imported([save(described("after", last), tmp_path / "own.json"), weights], tmp_path)
    assert report["proof"]["is_proved"], report["proof"]["detail"]
    assert compared(network, "last", own) < 1e-4
    other = described("another", last)
    with pytest.raises(
        WeightsDamaged, match=r"after the attributes of a class \(after, before, last\).* layer another"
    ):
        imported([save(other, tmp_path / "other.json"), weights], tmp_path)


def test_attributes_that_only_their_order_tells_apart_are_not_proved(tmp_path: Path) -> None:
    import keras

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.begin, self.up1, self.up2 = (keras.layers.Conv3D(3, 3, padding="same") for _ in range(3))

        def call(self, inputs: Any) -> Any:
            return self.up2(self.up1(self.begin(inputs)))

    own = Own()
    own(np.zeros((1, *SIZE, 3), np.float32))
    weights = save(randomised(own), tmp_path / "own.weights.h5")
    layers = [keras.layers.Conv3D(3, 3, padding="same", name=name) for name in ("begin", "up1", "up2")]
    described = save(keras.Sequential([keras.Input((*SIZE, 3)), *layers]), tmp_path / "own.json")
    network, report = imported([described, weights], tmp_path)
    assert not report["proof"]["is_proved"]
    assert "which weights up1 and up2 have is taken from their order" in report["proof"]["detail"]
    assert compared(network, "up2", own) < 1e-4


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_weights_of_a_model_that_was_built_again_are_matched(library: str, tmp_path: Path) -> None:
    """The description of the first, the weights of the second, whose layers have the names of other layers."""
    keras = importlib.import_module(library)
    keras.backend.clear_session()
    described = save(stem_and_three(keras), tmp_path / "model.json")
    model = randomised(stem_and_three(keras))
    for name in ("new.weights.h5", "old-weights.h5") if library == "tf_keras" else ("new.weights.h5",):
        network, report = imported([described, save(model, tmp_path / name)], tmp_path)
        assert report["proof"]["is_proved"], report["proof"]["detail"]
        assert compared(network, network.layers[-1], model) < 1e-4


def test_a_class_of_ones_own_is_not_taken_for_kerass(tmp_path: Path) -> None:
    import keras

    class Conv3D(keras.layers.Conv3D):
        def call(self, inputs: Any) -> Any:
            value: Any = super().call(inputs)
            return -value

    clip = keras.Input((*SIZE, 3))
    path = save(keras.Model(clip, Conv3D(2, 3)(clip)), tmp_path / "model.keras")
    with pytest.raises(WeightsDamaged, match=r"is of a class of its own \(Conv3D\), which would be code to run"):
        imported([path], tmp_path)


def test_what_follows_a_foreign_layer_is_left_out(tmp_path: Path) -> None:
    import keras

    clip = keras.Input((*SIZE, 3))
    first = keras.layers.Conv3D(4, 3, padding="same", activation="relu", name="first")(clip)
    x = keras.layers.Conv3D(4, 3, name="second")(first)
    x = keras.layers.Reshape((-1, 4))(x)
    x = keras.layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    model = randomised(keras.Model(clip, keras.layers.Dense(3, name="classes")(x)))
    network, report = imported([save(model, tmp_path / "model.keras")], tmp_path)
    assert network.layers == ("first", "second")
    assert "attention is a MultiHeadAttention" in report["left_out"]
    assert report["proof"]["is_proved"]
    assert compared(network, "first", keras.Model(clip, first)) < 1e-4


def test_a_foreign_layer_that_keras_does_not_load_leaves_the_network_unproved(tmp_path: Path) -> None:
    import keras

    clip = keras.Input((*SIZE, 3))
    first = keras.layers.Conv3D(4, 3, name="first")(clip)
    tail = keras.layers.Lambda(lambda value: value * 2, name="tail")(first)
    path = save(randomised(keras.Model(clip, keras.layers.Conv3D(2, 1, name="last")(tail))), tmp_path / "model.keras")
    network, report = imported([path], tmp_path)
    assert network.layers == ("first",)
    assert "tail is a Lambda, which is not known here" in report["left_out"]
    assert not report["proof"]["is_proved"]
    assert "the model contains Lambda" in report["proof"]["detail"]


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.json"])
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_no_code_of_a_model_is_run(library: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a Lambda's own code nor a function of TensorFlow by its name, in files that safe mode does not cover."""
    keras = importlib.import_module(library)
    monkeypatch.chdir(tmp_path)
    clip = keras.Input((*SIZE, 3))
    first = keras.layers.Conv3D(4, 3, name="first")(clip)
    mark = keras.layers.Lambda(lambda value: [Path("ran").touch(), value][1], name="tail")(first)
    model = keras.Model(clip, mark)
    (tmp_path / "ran").unlink(missing_ok=True)
    paths = [save(model, tmp_path / name)]
    if name == "model.json":
        paths.append(save(model, tmp_path / "w.weights.h5"))
    network, report = imported(paths, tmp_path)
    assert network.layers == ("first",)
    assert "contains Lambda" in report["proof"]["detail"]
    assert not (tmp_path / "ran").exists()


def test_a_function_of_tensorflow_by_its_name_is_not_called(tmp_path: Path) -> None:
    import tensorflow as tf
    import tf_keras

    clip = tf_keras.Input((*SIZE, 3))
    model = tf_keras.Model(clip, tf.nn.relu(tf_keras.layers.Conv3D(4, 3, name="first")(clip)))
    described = save(model, tmp_path / "model.json")
    described.write_text(described.read_text().replace('"nn.relu"', '"io.write_file"'))
    network, report = imported([described, save(model, tmp_path / "w.weights.h5")], tmp_path)
    assert network.layers == ("first",)
    assert "contains TFOpLambda" in report["proof"]["detail"]


def test_a_filter_that_reads_the_fourth_channel_alone_is_not_dead() -> None:
    from c3dvis.networks.graph.architecture import Architecture
    from c3dvis.networks.graph.input_domain import InputDomain
    from c3dvis.networks.graph.operations import Conv
    from c3dvis.networks.network_info import NetworkInfo

    conv = Conv("conv", ("input",), 1, (1, 1, 1))
    domain = InputDomain((-1.0,) * 4, (1.0,) * 4, "planes")
    info = NetworkInfo("four", "", "", "", Architecture("four", (conv,), 4), domain, SIZE, "", None)
    kernel = np.zeros((1, 1, 1, 4, 1), np.float32)
    kernel[..., 3, 0] = 1
    network = Network(info, {"conv": (kernel, np.zeros(1, np.float32))})
    white, black = (np.full((*SIZE, 3), value, np.uint8) for value in (255, 0))
    assert network.respond(white, "conv").mean() == pytest.approx(1)
    assert network.respond(black, "conv").mean() == pytest.approx(-1)
