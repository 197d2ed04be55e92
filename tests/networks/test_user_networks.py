"""Users' own networks: Keras 2 and 3 models, plain, functional, residual, against Keras's own responses."""

import importlib
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import c3dvis
from c3dvis.cli import main, make_parser
from c3dvis.commands.render import spec_of
from c3dvis.errors import InvalidSpec, UnknownNetwork, WeightsDamaged
from c3dvis.networks import registry
from c3dvis.networks.compute import network as networks
from c3dvis.networks.importers.add_network import add
from c3dvis.networks.importers.imported import Imported
from c3dvis.networks.proof import process
from c3dvis.networks.weights import child_process, installed_weights, provenance
from tests.networks.keras_models import FORMS, randomised, save

SIZE = (8, 16, 16)
RANGE = ((-1.0,), (1.0,))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of this test's own."""
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setattr(networks, "_loaded", {})
    monkeypatch.setattr(child_process, "ask", ask_here)
    return tmp_path / "weights"


ask = child_process.ask


def ask_here(module: str, request: dict[str, Any], subject: Path, *others: Any) -> dict[str, Any]:
    """`child_process.ask`, without a process where that would load TensorFlow anew for every network."""
    if module != "c3dvis.networks.proof.process":
        return ask(module, request, subject, *others)
    message = child_process.last_message(process.answer, request, subject, lambda _: None)
    return child_process.report_of(json.loads(json.dumps(message)))


def plain(keras: Any, channels: int = 3) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((*SIZE, channels)),
            layers.Conv3D(4, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling3D((1, 2, 2), name="pool"),
            layers.Conv3D(6, (3, 1, 1), use_bias=False, dilation_rate=(2, 1, 1), name="second"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("elu", name="act"),
            layers.AveragePooling3D(2, name="average"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(5, activation="softmax", name="classes"),
        ]
    )


def residual(keras: Any, channels: int = 3) -> Any:
    """Pre-activation and post-activation blocks, strides, groups, a gate, pooling over everything."""
    layers = keras.layers
    clip = keras.Input((*SIZE, channels), name="clip")
    x = layers.Conv3D(8, 3, strides=(1, 2, 2), padding="same", use_bias=False, name="stem")(clip)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.ReLU(name="stem_relu")(x)
    y = layers.Conv3D(8, 3, padding="same", groups=2, name="a1")(x)
    y = layers.BatchNormalization(scale=False, name="a1_norm")(y)
    y = layers.LeakyReLU(name="a1_leaky")(y)
    y = layers.Conv3D(8, 3, padding="same", name="a2")(y)
    x = layers.Add(name="a_add")([x, y])
    x = layers.ReLU(name="a_relu")(x)
    y = layers.BatchNormalization(center=False, name="b_norm")(x)
    y = layers.Activation("relu", name="b_relu")(y)
    y = layers.Conv3D(8, 1, name="b1")(y)
    gate = layers.GlobalAveragePooling3D(name="squeeze")(y)
    gate = layers.Reshape((1, 1, 1, 8), name="shape")(gate)
    gate = layers.Conv3D(8, 1, activation="sigmoid", name="gate")(gate)
    y = layers.Multiply(name="gated")([y, gate])
    x = layers.Concatenate(name="joined")([x, y])
    x = layers.SpatialDropout3D(0.2, name="drop")(x)
    x = layers.GlobalMaxPooling3D(name="global")(x)
    return keras.Model(clip, layers.Dense(5, name="classes")(x))


def unet(keras: Any, channels: int = 1) -> Any:
    """As medical volumes are segmented: down, up, across."""
    layers = keras.layers
    scan = keras.Input((*SIZE, channels), name="scan")
    down = layers.Conv3D(4, 3, padding="same", activation="relu", name="down1")(scan)
    x = layers.MaxPooling3D(2, name="pool1")(down)
    x = layers.Conv3D(6, 3, padding="same", activation="relu", name="bottom")(x)
    up = layers.Conv3DTranspose(4, 2, strides=2, padding="same", name="up1")(x)
    other = layers.UpSampling3D(2, name="up2")(x)
    x = layers.Concatenate(name="across")([down, up, other])
    x = layers.ZeroPadding3D((1, 0, 2), name="pad")(x)
    x = layers.Cropping3D(((1, 1), (0, 0), (2, 2)), name="crop")(x)
    x = layers.Conv3D(2, 1, activation="softmax", name="labels")(x)
    return keras.Model(scan, x)


def nested(keras: Any, channels: int = 3) -> Any:
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((*SIZE, channels)),
            layers.Conv3D(4, 3, padding="same", name="inside"),
            layers.BatchNormalization(name="inside_norm"),
        ],
        name="trunk",
    )
    clip = keras.Input((*SIZE, channels), name="clip")
    x = layers.Rescaling(0.5, offset=0.1, name="rescale")(clip)
    x = inner(x)
    x = layers.Conv3D(3, 3, name="outside")(x)
    return keras.Model(clip, layers.Dense(2, name="each")(x))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("build", [plain, residual, unet, nested], ids=lambda build: build.__name__)
def test_an_added_network_responds_as_keras_says(build: Callable[[Any], Any], form: str, tmp_path: Path) -> None:
    library, files = FORMS[form]
    keras = importlib.import_module(library)
    model = randomised(build(keras))
    paths = [save(model, tmp_path / name) for name in files]
    info = add("mine", paths[0], paths[1] if len(paths) > 1 else None, RANGE)
    assert _record(info).proof.is_proved, _record(info).proof
    assert not _record(info).left_out
    network = networks.load_network("mine")
    clip = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    tensor = info.domain.to_network(clip)
    expected = np.asarray(model(tensor[np.newaxis], training=False))[0]
    response = network.respond(clip, info.layers[-1])
    np.testing.assert_allclose(response.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
    assert response.shape == info.output_shape(info.layers[-1], *SIZE)
    for row in info.table(*SIZE):  # shapes as data are those of the tensors
        if row.targetable:
            assert network.respond(clip, row.name).size == np.prod(row.output_shape)


def _record(info: registry.NetworkInfo) -> provenance.Provenance:
    record = provenance.read(info.weights_path)
    assert record
    return record


def test_it_stands_among_the_others_until_it_is_removed(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    path = save(randomised(unet(keras)), tmp_path / "scan.keras")
    command = ["networks", "add", "lungs", "--architecture", str(path), "--range", "-1000", "400", "--title", "Lungs"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["channels"] == 1
    assert told["layers"] == ["down1", "bottom", "up1", "across", "labels"]
    assert registry.names() == (*registry.NAMES, "lungs")
    info = registry.describe("lungs")
    assert (info.title, info.default_size, info.domain.low, info.domain.order) == ("Lungs", SIZE, (-1000.0,), "grey")
    assert installed_weights.fingerprint(info) == told["fingerprint"]
    assert main(["layers", "lungs"]) == 0
    table = capsys.readouterr().out
    assert "(8, 16, 16, 4)" in table
    assert "Proved: Keras 3" in table
    render = ["render", "--network", "lungs", "--layer", "down1"]
    assert registry.sized(spec_of(make_parser().parse_args(render))).size == SIZE  # that of the model
    assert registry.sized(spec_of(make_parser().parse_args([*render, "--frames", "4"]))).size == (4, *SIZE[1:])
    assert main(["networks"]) == 0
    assert "Lungs" in capsys.readouterr().out
    assert main(["weights", "check", "lungs"]) == 0
    assert main(["networks", "remove", "lungs"]) == 0
    assert registry.names() == registry.NAMES
    assert not (folder / "lungs").exists()
    with pytest.raises(UnknownNetwork):
        registry.describe("lungs")
    assert main(["networks", "remove", "lungs"]) == 2


def test_a_process_of_its_own_proves_and_may_crash(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setattr(child_process, "ask", ask)
    proof = _record(add("mine", save(randomised(plain(keras)), tmp_path / "m.keras"), None, RANGE)).proof
    assert proof.is_proved
    assert proof.detail.startswith(f"Keras {keras.__version__} computes the same in all 3 layers on two random clips")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WeightsDamaged, match=r"is refused: reading it ended the process that reads it \(exit code 1\)"):
        add("other", tmp_path / "m.keras", None, RANGE)
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_a_network_that_differs_is_refused(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are turned after they were read, as a wrong layout would; the proof must see it."""
    import keras

    path = save(randomised(plain(keras)), tmp_path / "m.keras")
    read = process.model_file.read

    def turned(*arguments: Any) -> Imported:
        imported = read(*arguments)
        first = imported.weights["first"]
        return replace(imported, weights={**imported.weights, "first": lambda: (first()[0][::-1], first()[1])})

    monkeypatch.setattr(process.model_file, "read", turned)
    with pytest.raises(WeightsDamaged, match=r"mine is refused: .* The first layer that differs is first, by \d"):
        add("mine", path, None, RANGE)
    assert not folder.exists()


def test_one_channel_is_shown_in_grey_and_takes_the_mean_of_colours(tmp_path: Path) -> None:
    import keras

    info = add("scan", save(unet(keras), tmp_path / "m.keras"), None, ((0.0,), (2.0,)))
    clip = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    tensor = info.domain.to_network(clip)
    assert tensor.shape == (*SIZE, 1)
    np.testing.assert_allclose(tensor[..., 0], clip.mean(axis=-1) / 127.5, rtol=1e-5)
    shown = info.domain.to_clip(tensor)
    assert (shown[..., 0] == shown[..., 1]).all()
    assert (shown[..., 1] == shown[..., 2]).all()
    assert np.abs(shown[..., 0] - clip.mean(axis=-1)).max() <= 0.5


@pytest.mark.parametrize("channels", [2, 5])
def test_other_numbers_of_channels(channels: int, tmp_path: Path) -> None:
    import keras

    info = add("many", save(plain(keras, channels), tmp_path / "m.keras"), None, RANGE)
    clip = np.random.default_rng(1).integers(0, 256, (*SIZE, max(3, channels)), np.uint8)
    tensor = info.domain.to_network(clip)
    np.testing.assert_allclose(tensor, clip[..., :channels] / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(info.domain.to_clip(tensor)[..., :channels], clip[..., :channels])


def _config(tmp_path: Path, change: Callable[[dict], None]) -> Path:
    import keras

    described = json.loads(plain(keras).to_json())
    change(described)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(described))
    return path


def _lambda(described: dict) -> None:
    described["config"]["layers"][1]["class_name"] = "Lambda"


def _custom(described: dict) -> None:
    described["config"]["layers"][1] |= {"module": "os", "class_name": "Conv3D", "registered_name": "Evil"}


def _subclass(described: dict) -> None:
    described["class_name"] = "MyModel"


def _function(described: dict) -> None:
    described["config"]["layers"][1]["config"]["activation"] = "os.system"


def _two_dimensional(described: dict) -> None:
    described["config"]["layers"][0]["config"]["batch_shape"] = [None, 8, 8, 3]


def _unknown(described: dict) -> None:
    described["config"]["layers"][1]["class_name"] = "ConvLSTM3D"


REFUSED = {
    _lambda: "first is a Lambda, which is not known here; it would be code to run",
    _custom: r"first is of a class of its own \(Conv3D\), which would be code to run",
    _subclass: "The model is a MyModel: expected Sequential or Functional",
    _function: "first has the activation 'os.system', which is not known here",
    _two_dimensional: r"an input of shape \[None, 8, 8, 3\]: expected \(batch, frames",
    _unknown: "first is a ConvLSTM3D, which is not known here",
}


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__.strip("_"))
def test_what_is_not_known_or_would_run_code_is_refused(change: Callable, tmp_path: Path, folder: Path) -> None:
    import keras

    weights = save(plain(keras), tmp_path / "m.weights.h5")
    with pytest.raises(WeightsDamaged, match=REFUSED[change]):
        add("mine", _config(tmp_path, change), weights, RANGE)
    assert registry.names() == registry.NAMES
    assert not folder.exists()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, folder: Path) -> None:
    import keras

    described = save(plain(keras), tmp_path / "m.json")
    other = save(residual(keras), tmp_path / "other.weights.h5")
    with pytest.raises(WeightsDamaged, match=r"other\.weights\.h5 does not fit the layer second: expected 1 arrays"):
        add("mine", described, other, RANGE)
    few = save(keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Flatten()]), tmp_path / "few.weights.h5")
    with pytest.raises(WeightsDamaged, match=r"few\.weights\.h5 lacks weights of the layer first: 'kernel' is missing"):
        add("mine", described, few, RANGE)
    wider = save(plain(keras, 5), tmp_path / "wider.weights.h5")
    with pytest.raises(WeightsDamaged, match=r"does not fit the layer first: expected a kernel \(3, 3, 3, 3, 4\)"):
        add("mine", described, wider, RANGE)
    with pytest.raises(WeightsDamaged, match="holds weights alone"):
        add("mine", wider, None, RANGE)
    assert registry.names() == registry.NAMES


def test_names_ranges_and_files_that_cannot_be_used(tmp_path: Path) -> None:
    import keras

    path = save(plain(keras), tmp_path / "m.keras")
    for name in ("../up", "i3d-kinetics400", "A b", ""):
        with pytest.raises(InvalidSpec, match="cannot be called"):
            add(name, path, None, RANGE)
    with pytest.raises(InvalidSpec, match="The range of an input of 3 channels is two numbers"):
        add("mine", path, None, ((1.0,), (0.0,)))
    with pytest.raises(InvalidSpec, match="The range"):
        add("mine", path, None, ((0.0, 0.0), (1.0, 1.0)))
    (tmp_path / "text.json").write_text("[1]")
    with pytest.raises(WeightsDamaged, match="describes no Keras model"):
        add("mine", tmp_path / "text.json", path, RANGE)
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", plain(keras).to_json())
        archive.writestr("model.weights.h5", bytes(300_000_000))
    with pytest.raises(WeightsDamaged, match=r"would unpack to|is not a readable HDF5"):
        add("mine", tmp_path / "bomb.keras", None, RANGE)


def test_a_description_that_was_tampered_with_is_told_of(tmp_path: Path, folder: Path) -> None:
    import keras

    add("mine", save(plain(keras), tmp_path / "m.keras"), None, RANGE)
    path = folder / "mine" / "network.json"
    described = json.loads(path.read_text())
    described["operations"][1]["inputs"] = ["nowhere"]
    path.write_text(json.dumps(described))
    with pytest.raises(WeightsDamaged, match=r"network\.json does not describe a network .*'pool'"):
        registry.describe("mine")
    described["operations"][1]["inputs"] = ["first"]
    described["operations"][0]["filters"] = 5
    path.write_text(json.dumps(described))
    with pytest.raises(WeightsDamaged, match="does not fit layer first"):
        networks.load_network("mine")


@pytest.mark.parametrize("build", [plain, residual, unet, nested], ids=lambda build: build.__name__)
def test_a_description_of_version_0_1_is_read(build: Callable[[Any], Any], tmp_path: Path, folder: Path) -> None:
    import keras

    info = add("mine", save(build(keras), tmp_path / "m.keras"), None, RANGE)
    path = folder / "mine" / "network.json"
    described = json.loads(path.read_text())
    described |= {"form": "c3dvis network 1", "order": info.domain.order}
    described["ops"] = [_in_form_1(op) for op in described.pop("operations")]
    path.write_text(json.dumps(described))
    assert registry.describe("mine") == info
    path.write_text(json.dumps(described | {"form": "c3dvis network 0"}))
    with pytest.raises(WeightsDamaged, match=r"expected the form .* Add the network again: c3dvis networks add mine"):
        registry.describe("mine")


def _in_form_1(op: dict[str, Any]) -> dict[str, Any]:
    """An operation with every field that version 0.1 wrote."""
    activation = op.get("activation", {"function": ""})
    is_weighted = op["kind"] in ("conv", "conv_transpose", "dense", "scale")
    is_relu = is_weighted and activation["function"] == "relu"
    renamed = {"conv_transpose": "transposed", "reshape_to_volume": "spread"}
    return {
        "name": op["name"], "kind": renamed.get(op["kind"], op["kind"]), "inputs": op["inputs"],
        "filters": op.get("filters", 0), "kernel": op.get("kernel", [1, 1, 1]),
        "strides": op.get("strides", op.get("factors", [1, 1, 1])), "padding": op.get("padding", "same"),
        "pads": op.get("pads", op.get("cuts", [[0, 0]] * 3)), "relu": is_relu, "groups": op.get("groups", 1),
        "dilation": op.get("dilation", [1, 1, 1]), "activation": "" if is_relu else activation["function"],
        "alpha": activation.get("negative_slope", 0.0),
    }  # fmt: skip


def test_weights_that_were_damaged_since_are_told_of(tmp_path: Path, folder: Path) -> None:
    import keras

    info = add("mine", save(randomised(plain(keras)), tmp_path / "m.keras"), None, RANGE)
    before = installed_weights.fingerprint(info)
    with h5py.File(info.weights_path, "r+") as file:
        file["first/kernel"][0, 0, 0, 0, 0] = 7  # type: ignore[index]
    assert installed_weights.fingerprint(info) != before
    with pytest.raises(WeightsDamaged, match="are not those it was written with"):
        networks.load_network("mine")


@pytest.mark.parametrize("parametrization", ["moving", "pixel"])
@pytest.mark.parametrize(
    ("build", "channels", "layer"), [(unet, 1, "bottom"), (plain, 2, "first"), (residual, 5, "a1")]
)
def test_a_filter_of_it_is_rendered(
    build: Callable[..., Any], channels: int, layer: str, parametrization: str, tmp_path: Path
) -> None:
    import keras

    add("mine", save(randomised(build(keras, channels)), tmp_path / "m.keras"), None, RANGE)
    frames, height, width = SIZE
    spec = c3dvis.RenderSpec(
        network="mine", layer=layer, filter=1, frames=frames, height=height, width=width,
        iterations=24 if channels <= 3 else 96,
        parametrization=parametrization, precision="float32",
    )  # fmt: skip
    result = c3dvis.render(spec)
    shown, noise = (float(result.metrics[f"{kind}_activation"] or 0) for kind in ("shown", "noise"))
    assert shown > noise
    beside = channels if channels > 3 else 1
    assert result.clip.shape == (*SIZE[:2], beside * SIZE[2], 3)
    grey = (result.clip[..., :1] == result.clip).all()
    assert grey == (channels == 1 or beside > 1)
    with pytest.raises(InvalidSpec, match=r"keras-vis engine does not know what mine does"):
        registry.describe("mine").check(spec.replace(engine="keras-vis", parametrization="pixel"))
