"""One set of weights in every format and layout: the readers return the same arrays, and responses are the same."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from c3dvis.cli import main
from c3dvis.errors import WeightsDamaged
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.c3d import architecture
from c3dvis.networks.graph.operations import Conv
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import provenance
from c3dvis.networks.weights.conversion import convert, inspect
from c3dvis.networks.weights.formats import c3dvis_hdf5
from c3dvis.networks.weights.weights_file import open_weights
from tests.networks.keras_models import save
from tests.networks.layouts import DOMAIN, SIZE, THIN, WRITERS, Arrays, caffe, info_of, random_weights


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return random_weights(THIN)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def responses(arrays: Arrays, clip: np.ndarray) -> dict[str, np.ndarray]:
    """Responses of every layer of a network whose weights were never in a file."""
    network = Network(info_of(THIN), arrays)
    return {layer: network.respond(clip, layer) for layer in network.layers}


@pytest.mark.parametrize("form", WRITERS)
def test_every_layout_gives_one_response_at_every_layer(
    form: str, arrays: Arrays, clip: np.ndarray, responses: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = WRITERS[form](tmp_path, arrays)
    network = Network(info_of(THIN), open_weights(path, THIN, SIZE))
    assert list(responses) == list(arrays)
    for layer, expected in responses.items():
        np.testing.assert_allclose(network.respond(clip, layer), expected, rtol=1e-5, atol=1e-5)
    # and what is converted from it is the very same network
    report = convert(path, tmp_path / "own.h5", THIN, SIZE)
    assert report.parameters == sum(part.size for pair in arrays.values() for part in pair)
    converted = open_weights(tmp_path / "own.h5", THIN, SIZE)
    assert converted.is_c3dvis_format
    for layer, pair in arrays.items():
        for part, expected in zip(converted[layer], pair, strict=True):
            np.testing.assert_array_equal(part, expected)
    assert provenance.digest(tmp_path / "own.h5") == (c3dvis_hdf5.write(tmp_path / "direct.h5", arrays, {}), True)


def test_caffe_form_against_a_plain_cross_correlation(arrays: Arrays, tmp_path: Path) -> None:
    """SciPy's correlation of a small crop with kernels taken straight from Caffe's bytes."""
    path = caffe(tmp_path, arrays)
    network = Network(info_of(THIN), open_weights(path, THIN, SIZE))
    crop = np.random.default_rng(2).integers(0, 256, (5, 9, 7, 3), np.uint8)
    volume = DOMAIN.to_network(crop).transpose(3, 0, 1, 2).astype(np.float64)  # (channel, T, H, W)
    kernel, bias = arrays["conv1"]
    stored = np.moveaxis(kernel, (4, 3), (0, 1))
    assert stored.astype("<f4").tobytes() in path.read_bytes()
    expected = [
        sum(ndimage.correlate(volume[c], stored[f, c].astype(np.float64), mode="constant") for c in range(3)) + bias[f]
        for f in range(len(stored))
    ]
    response = network.respond(crop, "conv1")
    np.testing.assert_allclose(response, np.maximum(np.stack(expected, -1), 0), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "form", ["keras 0, theano", "keras 1, theano", "keras 2", "caffe of c3d", "pytorch, mmaction2", "npz"]
)
def test_the_convolutional_part_alone_is_accepted(form: str, arrays: Arrays, tmp_path: Path) -> None:
    part = {name: pair for name, pair in arrays.items() if name.startswith("conv")}
    read = open_weights(WRITERS[form](tmp_path, part), THIN, SIZE)
    assert list(read) == list(part)
    assert read.report.missing == ("fc6", "fc7", "fc8")
    np.testing.assert_array_equal(read["conv5b"][0], part["conv5b"][0])


@pytest.mark.parametrize("form", ["keras 1, theano", "keras 2", "caffe of c3d", "pytorch, mmaction2", "npz"])
def test_the_layers_that_are_there_are_accepted(form: str, arrays: Arrays, tmp_path: Path) -> None:
    """A network cut after conv4b, and one fine-tuned for other classes."""
    names = list(arrays)
    begun = {name: arrays[name] for name in names[: names.index("conv4b") + 1]}
    read = open_weights(WRITERS[form](tmp_path, begun), THIN, SIZE)
    assert list(read) == list(begun)
    assert read.report.missing == ("conv5a", "conv5b", "fc6", "fc7", "fc8")
    np.testing.assert_array_equal(read["conv4b"][0], arrays["conv4b"][0])
    tuned = arrays | {"fc8": (np.ones((20, 3), np.float32), np.ones(3, np.float32))}
    read = open_weights(WRITERS[form](tmp_path, tuned), THIN, SIZE)
    assert read.report.missing == ("fc8",)
    np.testing.assert_array_equal(read["fc7"][0], arrays["fc7"][0])
    holed = {name: pair for name, pair in arrays.items() if name != "conv4b"}
    with pytest.raises(WeightsDamaged, match="no weights of layer conv4b"):
        open_weights(WRITERS[form](tmp_path, holed), THIN, SIZE)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5"])
def test_normalisations_that_no_layer_takes_are_refused(library: str, name: str, tmp_path: Path) -> None:
    keras = importlib.import_module(library)
    layers = [keras.Input((8, 16, 16, 3)), keras.layers.Conv3D(2, 3, name="conv1"), keras.layers.BatchNormalization()]
    path = save(keras.Sequential(layers), tmp_path / name)
    network = Architecture("one", (Conv("conv1", ("input",), 2, (3, 3, 3)),))
    with pytest.raises(WeightsDamaged, match=r"holds a normalisation at .* added with|no weights of layer conv1"):
        open_weights(path, network, (8, 16, 16))


def _smooth(arrays: Arrays) -> Arrays:
    """Weights as after training: smooth along height and width, less along time, and smooth over positions of fc6."""
    generator = np.random.default_rng(3)
    smooth = dict(arrays)
    ramp = np.array([1.0, 0.9, 0.8], np.float32)
    space = ramp[:, None] * ramp[None]
    time = np.array([1.0, -0.3, 0.2], np.float32)
    spread = generator.normal(size=(3, arrays["conv1"][0].shape[-1])).astype(np.float32)
    smooth["conv1"] = (time[:, None, None, None, None] * space[None, :, :, None, None] * spread, arrays["conv1"][1])
    rows, units = arrays["fc6"][0].shape
    grid = generator.normal(size=(1, 1, 1, rows // 16, units)) + 0.1 * generator.normal(
        size=(1, 4, 4, rows // 16, units)
    )
    smooth["fc6"] = (grid.reshape(rows, units).astype(np.float32), arrays["fc6"][1])
    return smooth


def test_values_tell_axes_and_flattening_of_trained_weights(arrays: Arrays, tmp_path: Path) -> None:
    trained = _smooth(arrays)
    for form in ("keras 1", "caffe of c3d", "keras 0, theano"):
        report = inspect(WRITERS[form](tmp_path, trained), THIN, SIZE)
        assert {finding.what: finding.verdict for finding in report.findings} == {
            "axes": "ok", "flip": "unknown" if form == "keras 1" else "ok", "flattening": "ok",
        }  # fmt: skip


@pytest.mark.parametrize(("axes", "place"), [((1, 0, 2, 3, 4), "height"), ((2, 1, 0, 3, 4), "width")])
def test_swapped_axes_are_noticed_where_shapes_cannot_tell(
    axes: tuple[int, ...], place: str, arrays: Arrays, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = _smooth(arrays)
    swapped = {n: (k.transpose(axes) if k.ndim == 5 else k, b) for n, (k, b) in trained.items()}
    path = WRITERS["keras 2"](tmp_path, swapped)
    with pytest.raises(WeightsDamaged, match=rf"time seems to be the {place} axis of conv1"):
        open_weights(path, THIN, SIZE)
    assert [finding.what for finding in inspect(path, THIN, SIZE).doubts] == ["axes"]
    read = open_weights(path, THIN, SIZE, trust=True)
    np.testing.assert_array_equal(read["conv1"][0], swapped["conv1"][0])


def test_rows_of_fc6_left_in_caffes_order_are_put_right(arrays: Arrays, tmp_path: Path) -> None:
    """A Keras file whose converter forgot them has the right shapes."""
    from tests.networks.layouts import channels_first_rows

    trained = _smooth(arrays)
    kernel, bias = trained["fc6"]
    forgotten = trained | {"fc6": (channels_first_rows(kernel, len(kernel) // 16), bias)}
    read = open_weights(WRITERS["keras 2"](tmp_path, forgotten), THIN, SIZE)
    np.testing.assert_array_equal(read["fc6"][0], kernel)
    assert "read channels first, though the format is usually channels last" in read.report.findings[-1].detail


def test_random_weights_cannot_be_told_and_the_report_says_so(arrays: Arrays, tmp_path: Path) -> None:
    report = inspect(WRITERS["npz"](tmp_path, arrays), THIN, SIZE)
    assert [finding.verdict for finding in report.findings] == ["unknown"] * 3
    assert all("cannot" in finding.detail for finding in report.findings)


def test_half_precision_is_read_back(arrays: Arrays, tmp_path: Path) -> None:
    path = WRITERS["pytorch, old form"](tmp_path, arrays)
    convert(path, tmp_path / "half.h5", THIN, SIZE, "float16")
    read = open_weights(tmp_path / "half.h5", THIN, SIZE)
    assert read.report.dtype == "float16"
    np.testing.assert_array_equal(read["fc6"][0], arrays["fc6"][0].astype(np.float16).astype(np.float32))
    assert (tmp_path / "half.h5").stat().st_size < 0.7 * path.stat().st_size
    large = arrays | {"fc8": (np.full_like(arrays["fc8"][0], 1e6), arrays["fc8"][1])}
    with pytest.raises(WeightsDamaged, match="fc8 holds values beyond float16"):
        c3dvis_hdf5.write(tmp_path / "large.h5", large, {}, "float16")


def test_the_whole_of_c3d_in_every_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """320 MB each: `weights check` reports them, and what is read is what was written, bit for bit."""
    whole = architecture()
    weights = random_weights(whole)
    built = Network(describe("c3d-sports1m"), weights).model("fc8", SIZE)
    counted = {layer.name: layer.count_params() for layer in built.layers if layer.count_params()}
    assert counted == {row.name: row.parameters for row in describe("c3d-sports1m").table(*SIZE) if row.parameters}
    assert built.count_params() == 79_991_015
    del built
    for form in ("keras 0, theano", "keras 2", "keras 3, early", "caffe of c3d", "pytorch, old form", "npz"):
        path = WRITERS[form](tmp_path, weights)
        capsys.readouterr()
        assert main(["weights", "check", str(path), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["parameters"] == 79_991_015
        assert report["sound"]
        read = open_weights(path, whole, SIZE)
        for layer, (kernel, bias) in weights.items():
            got, offsets = read[layer]
            assert np.array_equal(got, kernel), (form, layer)
            assert np.array_equal(offsets, bias), (form, layer)
        path.unlink()
