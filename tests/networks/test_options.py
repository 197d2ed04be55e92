"""C3D's settings on a machine: the mean that is subtracted, and the padding before pool5."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from c3dvis.cli import main
from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.networks import c3d_options
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph import c3d
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.operations import Pad
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from tests.networks.layouts import SIZE, field, info_of, random_weights, thin_c3d


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights" / "c3d-sports1m"


@pytest.fixture
def cube() -> np.ndarray:
    """A mean as it circulates: (3, 16, 128, 171), B, G, R; darker towards the edges, alike over time."""
    y, x = np.mgrid[-1:1:128j, -1:1:171j]
    shade = 100 - 20 * (x**2 + y**2)
    plane = np.stack([shade - 10, shade, shade + 5]).astype(np.float32)
    return np.repeat(plane[:, np.newaxis], 16, axis=1)


def _binaryproto(cube: np.ndarray) -> bytes:
    sizes = b"".join(field(number, size) for number, size in enumerate((1, *cube.shape), 1))
    return sizes + field(6, cube.astype("<f4").tobytes())


@pytest.mark.parametrize("form", ["3thw", "13thw", "thw3", "crop", "binaryproto"])
def test_every_form_of_a_mean_file_bounds_each_pixel(form: str, cube: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "mean"
    cut = cube[:, :, 8:120, 29:141]
    arrays = {"3thw": cube, "13thw": cube[None], "thw3": cube.transpose(1, 2, 3, 0), "crop": cut}
    if form == "binaryproto":
        path.write_bytes(_binaryproto(cube))
    else:
        with path.open("wb") as file:
            np.save(file, arrays[form])
    plain = describe("c3d-sports1m").domain
    c3d_options.change("c3d-sports1m", mean_file=path)
    domain = describe("c3d-sports1m").domain
    assert domain != plain
    clip = np.random.default_rng(0).integers(0, 256, (16, 112, 112, 3), np.uint8)
    tensor = domain.to_network(clip)
    expected = clip[..., ::-1].astype(np.float32) - cut.transpose(1, 2, 3, 0)  # BGR, the mean of each pixel subtracted
    np.testing.assert_allclose(tensor, expected, atol=1e-3)
    np.testing.assert_array_equal(domain.to_clip(tensor), clip)  # added back, and RGB
    low, high = domain.bounds(112, 112)
    np.testing.assert_allclose(low[..., ::-1], -cut[:, 0].transpose(1, 2, 0), atol=1e-4)
    np.testing.assert_allclose(high - low, 255, atol=1e-4)
    tiny = np.random.default_rng(0).integers(0, 256, (4, 20, 30, 3), np.uint8)  # a clip of another size
    np.testing.assert_array_equal(domain.to_clip(domain.to_network(tiny)), tiny)


def test_channel_means_alone_are_the_same_everywhere(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.array([90.0, 98.0, 101.0]))
    c3d_options.change("c3d-sports1m", mean_file=tmp_path / "mean.npy")
    domain = describe("c3d-sports1m").domain
    assert domain.mean_image is None
    assert domain.low == (-101.0, -98.0, -90.0)
    c3d_options.change("c3d-sports1m", mean_file="default")
    assert describe("c3d-sports1m").domain.low == tuple(-value for value in reversed(c3d.MEAN_BGR))


def test_mean_files_that_are_none_are_refused(cube: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "mean.npy"
    moving = cube.copy()
    moving[:, 3] += 9
    for array, said in (
        (cube[0], r"has the shape \(16, 128, 171\)"), (cube * 3, "not a mean of images"),
        (moving, "not a mean of many clips"), (np.full((3,), np.nan), "not a mean of images"),
        (np.array(["a"]), "not a mean file"),
    ):  # fmt: skip
        np.save(path, array)
        with pytest.raises(WeightsDamaged, match=said):
            c3d_options.change("c3d-sports1m", mean_file=path)
    path.write_bytes(_binaryproto(cube)[:-3])
    with pytest.raises(WeightsDamaged, match="is not a mean file"):
        c3d_options.change("c3d-sports1m", mean_file=path)
    with pytest.raises(WeightsDamaged, match="cannot be read"):
        c3d_options.change("c3d-sports1m", mean_file=tmp_path / "absent.npy")
    assert c3d_options.stored("c3d-sports1m") == (c3d_options.Options(), None, 0)


def test_every_choice_is_another_fingerprint(
    cube: np.ndarray, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir(parents=True)
    (folder / "c3d-sports1m.h5").write_bytes(b"stands for weights")
    np.save(tmp_path / "mean.npy", cube)
    seen = [installed_weights.fingerprint(describe("c3d-sports1m"))]
    for flags in (["--pool5-padding", "table"], ["--mean", str(tmp_path / "mean.npy")], ["--pool5-padding", "caffe"]):
        assert main(["networks", "set", "c3d-sports1m", *flags, "--json"]) == 0
        seen.append(installed_weights.fingerprint(describe("c3d-sports1m")))
    assert len(set(seen)) == 4
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["pool5_padding"] == "caffe"
    assert told["mean_file"] is True
    assert main(["networks", "set", "c3d-sports1m", "--mean", "default"]) == 0
    assert installed_weights.fingerprint(describe("c3d-sports1m")) == seen[0]


def test_settings_that_cannot_be_read_say_how_to_mend_them(folder: Path) -> None:
    with pytest.raises(InvalidSpec, match="caffe or table"):
        c3d_options.change("c3d-sports1m", pool5_padding="both")
    assert main(["networks", "set", "i3d-kinetics400", "--pool5-padding", "table"]) == 2
    assert main(["networks", "set", "c3d-sports1m"]) == 2
    c3d_options.change("c3d-sports1m", pool5_padding="table")
    (folder / "options.json").write_text('{"pool5_padding": "none"}')
    with pytest.raises(WeightsDamaged, match=r"cannot be read .* c3dvis networks set c3d-sports1m"):
        describe("c3d-sports1m")
    c3d_options.change("c3d-sports1m", pool5_padding="caffe")
    padding = describe("c3d-sports1m").architecture.by_name["zero_padding"]
    assert isinstance(padding, Pad)
    assert padding.pads == c3d.CAFFE_POOL5


def test_the_tables_padding_has_its_shapes_and_other_values() -> None:
    rows = {row.name: row.output_shape for row in describe("c3d-sports1m").table(*SIZE)}
    c3d_options.change("c3d-sports1m", pool5_padding="table")
    table = {row.name: row.output_shape for row in describe("c3d-sports1m").table(*SIZE)}
    assert (rows.pop("zero_padding"), table.pop("zero_padding")) == ((2, 8, 8, 512), (2, 9, 9, 512))
    assert rows == table
    volume = np.random.default_rng(0).random((2, 7, 7, 3))

    def pooled(pads: tuple) -> np.ndarray:
        padded = np.pad(volume, (*pads, (0, 0)))[:, :8, :8]
        return padded.reshape(1, 2, 4, 2, 4, 2, 3).max(axis=(1, 3, 5))

    caffes, tables = pooled(c3d.CAFFE_POOL5), pooled(c3d.TABLE_POOL5)
    assert caffes.shape == tables.shape == (1, 4, 4, 3)
    assert not np.allclose(caffes, tables)


def test_the_padding_changes_dense_layers_and_no_convolution() -> None:
    small = thin_c3d()
    weights = random_weights(small)
    clip = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    responses = []
    for pads in c3d.POOL5_PADDINGS.values():
        ops = tuple(replace(op, pads=pads) if isinstance(op, Pad) else op for op in small.operations)
        network = Network(info_of(Architecture("thin-c3d", ops)), weights)
        responses.append({layer: network.respond(clip, layer) for layer in ("conv5b", "fc6")})
    np.testing.assert_array_equal(responses[0]["conv5b"], responses[1]["conv5b"])
    assert not np.allclose(responses[0]["fc6"], responses[1]["fc6"])
