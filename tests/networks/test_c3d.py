"""C3D: the published table, weights of each Keras form against plain NumPy, and files that are refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from c3dvis.errors import InvalidSpec, WeightsDamaged, WeightsMissing
from c3dvis.networks.compute import network as networks
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph import c3d
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.graph.operations import Conv, Dense, Dropout, Flatten, MaxPool, Pad
from c3dvis.networks.registry import NetworkInfo, describe
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.weights_file import open_weights
from tests.networks import layouts

# Layer, output shape, parameters: Tran et al. 2015, and the table of the Keras port that the original project used.
PUBLISHED = [
    ("conv1", (16, 112, 112, 64), 5_248),
    ("pool1", (16, 56, 56, 64), 0),
    ("conv2", (16, 56, 56, 128), 221_312),
    ("pool2", (8, 28, 28, 128), 0),
    ("conv3a", (8, 28, 28, 256), 884_992),
    ("conv3b", (8, 28, 28, 256), 1_769_728),
    ("pool3", (4, 14, 14, 256), 0),
    ("conv4a", (4, 14, 14, 512), 3_539_456),
    ("conv4b", (4, 14, 14, 512), 7_078_400),
    ("pool4", (2, 7, 7, 512), 0),
    ("conv5a", (2, 7, 7, 512), 7_078_400),
    ("conv5b", (2, 7, 7, 512), 7_078_400),
    ("zero_padding", (2, 8, 8, 512), 0),
    ("pool5", (1, 4, 4, 512), 0),
    ("flatten", (8192,), 0),
    ("fc6", (4096,), 33_558_528),
    ("dropout_1", (4096,), 0),
    ("fc7", (4096,), 16_781_312),
    ("dropout_2", (4096,), 0),
    ("fc8", (487,), 1_995_239),
]

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def _conv(name: str, source: str, filters: int) -> Conv:
    return Conv(name, (source,), filters, (3, 3, 3), activation=RELU)


def _pool(name: str, source: str, frames: int) -> MaxPool:
    return MaxPool(name, (source,), kernel=(frames, 2, 2), strides=(frames, 2, 2), padding="valid")


# C3D's first and last layers, with few filters. 28 rows become 7 before the last pool, as C3D's 112 do.
SIZE = (4, 28, 28)
SMALL = Architecture(
    "small-c3d",
    (
        _conv("conv1", "input", 4),
        _pool("pool1", "conv1", 1),
        _conv("conv2", "pool1", 6),
        _pool("pool2", "conv2", 2),
        Pad("zero_padding", ("pool2",), pads=c3d.CAFFE_POOL5),
        _pool("pool5", "zero_padding", 2),
        Flatten("flatten", ("pool5",)),
        Dense("fc6", ("flatten",), 10, activation=RELU),
        Dropout("dropout_1", ("fc6",)),
        Dense("fc7", ("dropout_1",), 5),
    ),
)
DOMAIN = InputDomain((-30.0, -20.0, -10.0), (225.0, 235.0, 245.0), "BGR")
INFO = NetworkInfo("small-c3d", "", "", "", SMALL, DOMAIN, SIZE, "", None)


@pytest.fixture
def arrays() -> Arrays:
    shapes = {"conv1": (3, 3, 3, 3, 4), "conv2": (3, 3, 3, 4, 6), "fc6": (96, 10), "fc7": (10, 5)}
    return _random(shapes)


def _random(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    generator = np.random.default_rng(0)
    return {
        name: (
            generator.normal(0, np.prod(shape[:-1]) ** -0.5, shape).astype(np.float32),
            generator.normal(0, 1, shape[-1:]).astype(np.float32),
        )
        for name, shape in shapes.items()
    }


def _correlated(volume: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """ReLU of the cross-correlation of a volume (T, H, W, in), zeros around it, in NumPy."""
    padded = np.pad(volume.astype(np.float64), ((1, 1), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3), axis=(0, 1, 2))  # type: ignore[call-overload]
    return np.maximum(np.einsum("thwcijk,ijkcf->thwf", windows, kernel, optimize=True) + bias, 0)


def _pooled(volume: np.ndarray, frames: int) -> np.ndarray:
    """Maximum over windows (frames, 2, 2); a last row or column that is left over is a window of its own."""
    t, h, w, _ = volume.shape
    pooled = [
        [
            [volume[i : i + frames, j : j + 2, k : k + 2].max(axis=(0, 1, 2)) for k in range(0, w, 2)]
            for j in range(0, h, 2)
        ]
        for i in range(0, t, frames)
    ]
    return np.array(pooled)


WRITERS = {
    "keras 1": layouts.keras1,
    "keras 2": layouts.keras2,
}


def test_layer_table_is_the_published_one():
    rows = describe("c3d-sports1m").table(16, 112, 112)
    assert [(row.name, row.output_shape, row.parameters) for row in rows] == PUBLISHED
    assert sum(row.parameters for row in rows) == 79_991_015
    assert sum(row.parameters for row in rows if row.kind == "conv") == 27_655_936
    assert [row.name for row in rows if row.targetable] == [name for name, _, count in PUBLISHED if count]


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_of_a_keras_file_gives_the_response_of_plain_numpy(form, arrays, tmp_path):
    network = Network(INFO, open_weights(WRITERS[form](tmp_path, arrays), SMALL, SIZE))
    clip = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    volume = clip[..., ::-1] - np.array([10.0, 20.0, 30.0])  # BGR, mean subtracted

    expected = _correlated(volume, *arrays["conv1"])
    np.testing.assert_allclose(network.respond(clip, "conv1"), expected, rtol=1e-4, atol=1e-3)
    expected = _correlated(_pooled(expected, 1), *arrays["conv2"])
    np.testing.assert_allclose(network.respond(clip, "conv2"), expected, rtol=1e-4, atol=1e-3)
    # Caffe's last pool takes the seventh row and column alone, and the dense layer reads channels last
    flat = _pooled(_pooled(expected, 2), 2).reshape(-1)
    fc6 = np.maximum(flat @ arrays["fc6"][0] + arrays["fc6"][1], 0)
    fc7 = fc6 @ arrays["fc7"][0] + arrays["fc7"][1]
    np.testing.assert_allclose(network.respond(clip, "fc7")[0, 0, 0], fc7, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floating_point_types_are_read(dtype, arrays, tmp_path):
    stored = {name: (kernel.astype(dtype), bias.astype(dtype)) for name, (kernel, bias) in arrays.items()}
    read = open_weights(layouts.keras2(tmp_path, stored), SMALL, SIZE)
    assert set(read) == {"conv1", "conv2", "fc6", "fc7"}
    for name, (kernel, bias) in read.items():
        assert kernel.dtype == bias.dtype == np.float32
        np.testing.assert_array_equal(kernel, stored[name][0].astype(np.float32))
        np.testing.assert_array_equal(bias, stored[name][1].astype(np.float32))


def test_a_file_of_the_convolutional_part_serves_its_layers_and_says_what_it_lacks(arrays, tmp_path):
    convolutions = {name: pair for name, pair in arrays.items() if name.startswith("conv")}
    network = Network(INFO, open_weights(layouts.keras2(tmp_path, convolutions), SMALL, SIZE))
    clip = np.zeros((*SIZE, 3), np.uint8)
    assert network.respond(clip, "conv2").shape == (4, 14, 14, 6)
    with pytest.raises(WeightsMissing, match=r"holds nothing for fc6.*received conv1, conv2 alone"):
        network.respond(clip, "fc6")


def test_a_dense_layer_refuses_a_clip_of_another_size(arrays, tmp_path):
    network = Network(INFO, open_weights(layouts.keras2(tmp_path, arrays), SMALL, SIZE))
    assert network.respond(np.zeros((4, 31, 28, 3), np.uint8), "fc6").shape == (1, 1, 1, 10)  # pools to the same
    with pytest.raises(InvalidSpec, match=r"fc6 of small-c3d has weights for clips of 4×28×28.*received 4×64×28"):
        network.respond(np.zeros((4, 64, 28, 3), np.uint8), "fc7")


@pytest.fixture
def c3d_folder(tmp_path, monkeypatch) -> Path:
    """Where C3D's weights are looked for, and no network loaded yet."""
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(networks, "_loaded", {})
    (tmp_path / "c3d-sports1m").mkdir()
    return tmp_path / "c3d-sports1m"


def _whole_c3d(path: Path) -> Arrays:
    """A file of the whole network that takes little disk: but for conv1, conv2 and the biases it is unwritten zeros."""
    shapes = {
        "conv1": (3, 3, 3, 3, 64), "conv2": (3, 3, 3, 64, 128), "conv3a": (3, 3, 3, 128, 256),
        "conv3b": (3, 3, 3, 256, 256), "conv4a": (3, 3, 3, 256, 512), "conv4b": (3, 3, 3, 512, 512),
        "conv5a": (3, 3, 3, 512, 512), "conv5b": (3, 3, 3, 512, 512), "fc6": (8192, 4096), "fc7": (4096, 4096),
        "fc8": (4096, 487),
    }  # fmt: skip
    arrays = _random({name: shape for name, shape in shapes.items() if name in ("conv1", "conv2")})
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            if name in arrays:
                file[f"{name}/{name}_W"], file[f"{name}/{name}_b"] = arrays[name]
            else:
                file.create_dataset(f"{name}/{name}_W", shape, np.float16)
                file[f"{name}/{name}_b"] = np.linspace(-1, 1, shape[-1], dtype=np.float32)
    return arrays


def test_c3d_is_found_in_the_weights_folder_and_responds_as_plain_numpy(c3d_folder):
    info = describe("c3d-sports1m")
    with pytest.raises(WeightsMissing, match=r"c3d-sports1m\.h5.*--file FILE"):
        networks.load_network("c3d-sports1m")
    assert not installed_weights.present(info)

    arrays = _whole_c3d(c3d_folder / "c3d-sports1m.h5")
    network = networks.load_network("c3d-sports1m")
    assert installed_weights.present(info)
    assert network.fingerprint == installed_weights.fingerprint(info)
    clip = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), np.uint8)
    volume = clip[..., ::-1] - np.array([95.13, 102.86, 107.75])
    expected = _correlated(_pooled(_correlated(volume, *arrays["conv1"]), 1), *arrays["conv2"])
    np.testing.assert_allclose(network.respond(clip, "conv2"), expected, rtol=1e-4, atol=1e-3)

    scores = network.respond(np.zeros((16, 112, 112, 3), np.uint8), "fc8")
    assert scores.shape == (1, 1, 1, 487)
    np.testing.assert_array_equal(scores[0, 0, 0], np.linspace(-1, 1, 487, dtype=np.float32))


def test_another_weights_file_is_another_network(c3d_folder):
    path = c3d_folder / "c3d-sports1m.h5"
    _whole_c3d(path)
    before = networks.load_network("c3d-sports1m")
    assert networks.load_network("c3d-sports1m") is before
    with h5py.File(path, "r+") as file:
        file["conv1/conv1_b"][0] = 17.0  # type: ignore[index]
    after = networks.load_network("c3d-sports1m")
    assert after.fingerprint != before.fingerprint
    assert after.weights("conv1")[1][0] == 17


def _theano_layout(file: h5py.File) -> None:
    kernel = np.zeros((4, 3, 3, 3, 3), np.float32)  # (out, in, T, H, W)
    del file["conv1/conv1/kernel:0"]
    file["conv1/conv1/kernel:0"] = kernel


def _without_conv2(file: h5py.File) -> None:
    del file["conv2"]


def _without_bias(file: h5py.File) -> None:
    del file["fc6/fc6/bias:0"]


def _two_kernels(file: h5py.File) -> None:
    file["conv1/conv1/kernel_1:0"] = np.zeros((3, 3, 3, 3, 4), np.float32)


def _integers(file: h5py.File) -> None:
    del file["conv2/conv2/bias:0"]
    file["conv2/conv2/bias:0"] = np.zeros(6, np.int64)


def _not_a_number(file: h5py.File) -> None:
    file["conv2/conv2/kernel:0"][1, 1, 1, 0, 0] = np.nan  # type: ignore[index]


def _beyond_float32(file: h5py.File) -> None:
    del file["fc7/fc7/bias:0"]
    file["fc7/fc7/bias:0"] = np.full(5, 1e300)


def _soft_link(file: h5py.File) -> None:
    file["conv1/conv1/again"] = h5py.SoftLink("/conv1/conv1/kernel:0")


def _external_link(file: h5py.File) -> None:
    file["conv1/conv1/elsewhere"] = h5py.ExternalLink("other.h5", "/conv1")


def _kept_in_another_file(file: h5py.File) -> None:
    del file["conv1/conv1/bias:0"]
    file.create_dataset("conv1/conv1/bias:0", (4,), np.float32, external=[("elsewhere.bin", 0, 16)])


def _virtual(file: h5py.File) -> None:
    del file["conv1/conv1/bias:0"]
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "bias", (4,))
    file.create_virtual_dataset("conv1/conv1/bias:0", layout)


def _holds_itself(file: h5py.File) -> None:
    file["conv1/round"] = file["conv1"]


BAD = {
    _theano_layout: r"orders the axes of its layers in different ways: received conv1 \(4, 3, 3, 3, 3\), conv2 \(3",
    _without_conv2: r"no weights of layer conv2: expected a kernel \(3, 3, 3, 4, 6\).*received conv1/conv1, fc6",
    _without_bias: r"does not fit layer fc6: expected one kernel \(96, 10\) or .*, received \(96, 10\)",
    _two_kernels: "does not fit layer conv1: expected one kernel",
    _integers: "int64 at conv2/conv2/bias:0; expected floating-point numbers",
    _not_a_number: "values at conv2/conv2/kernel:0 that are not finite",
    _beyond_float32: "values at fc7/fc7/bias:0 that are not finite",
    _soft_link: "a link at conv1/conv1/again; expected plain arrays",
    _external_link: "a link at conv1/conv1/elsewhere; expected plain arrays",
    _kept_in_another_file: "keeps conv1/conv1/bias:0 in another file",
    _virtual: "keeps conv1/conv1/bias:0 in another file",
    _holds_itself: "one object under two names, at conv1/round",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_file_that_is_not_what_it_should_be_is_refused(spoil, arrays, tmp_path):
    path = layouts.keras2(tmp_path, arrays)
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(WeightsDamaged, match=BAD[spoil]) as caught:
        dict(open_weights(path, SMALL, SIZE))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["no HDF5", "empty", "cut short", "folder"])
def test_a_file_that_cannot_be_read_is_refused(kind, arrays, tmp_path):
    path = tmp_path / "weights.h5"
    if kind == "folder":
        path.mkdir()
    else:
        whole = layouts.keras2(tmp_path, arrays).read_bytes()
        path.write_bytes({"no HDF5": b"weights" * 1000, "empty": b"", "cut short": whole[: len(whole) // 2]}[kind])
    said = {
        "no HDF5": "of a known format: expected HDF5, PyTorch, safetensors, .npz or Caffe", "empty": "is empty",
        "cut short": "is not a readable HDF5 file", "folder": "cannot be read: Is a directory",
    }  # fmt: skip
    with pytest.raises(WeightsDamaged, match=rf"weights\.h5 .*{said[kind]}"):
        dict(open_weights(path, SMALL, SIZE))
