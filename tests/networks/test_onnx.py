"""ONNX models as people have them: real exporters' graphs, their names, dialects and data, and what is refused."""

import importlib.util
import json
import lzma
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import c3dvis
from c3dvis.cli import main
from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.networks import registry
from c3dvis.networks.compute import network as networks
from c3dvis.networks.importers.add_network import add
from c3dvis.networks.importers.from_onnx import reader
from c3dvis.networks.proof.comparison import prove
from c3dvis.networks.proof.onnx_reference import OnnxReference
from c3dvis.networks.weights import installed_weights
from tests.networks.onnx_models import Graph, assert_proved, finished, network_of
from tests.networks.test_forward import assert_same
from tests.networks.test_onnx_operations import MAKES, ints

EXPORTED = Path(__file__).parent.parent / "data" / "onnx"
SMALL, SIZE = (6, 8, 7), (8, 16, 16)


def exported(name: str, folder: Path) -> Path:
    """A graph that an exporter wrote, with numbers in place of its large arrays."""
    spec: Any = importlib.util.spec_from_file_location("fill", EXPORTED / "fill.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    model = onnx.load_model_from_string(lzma.decompress((EXPORTED / f"{name}.onnx.xz").read_bytes()))
    path = folder / f"{name}.onnx"
    onnx.save(fill.fill(model), path)
    return path


LAYERS = {
    "r3d_18_ts": (29, ["stem.0", "layer1.0.conv1.0", "layer2.0.downsample.0", "layer4.1.add", "fc"]),
    "r3d_18_dynamo": (29, ["stem.0", "layer1.0.conv1.0", "layer2.0.downsample.0", "fc"]),
    "r2plus1d_18_ts": (46, ["stem.0", "stem.3", "layer1.0.conv1.0.3", "layer4.1.add", "fc"]),
    "x3d_s_dynamo": (158, ["blocks.0.conv.conv_t", "blocks.1.res_blocks.0.branch2.conv_b", "blocks.5.pool.pre_conv"]),
    "slow_r50_ts": (70, ["blocks.0.conv", "blocks.1.res_blocks.0.branch2.conv_a", "blocks.5.proj"]),
    "monai_densenet121_ts": (179, ["features.conv0", "features.denseblock4.denselayer16.concat", "class_layers.out"]),
    "monai_unet_dynamo": (20, ["model.0.residual", "model.0.conv.unit0.conv", "model.2.1.conv.unit0.conv"]),
    "monai_vnet_ts": (38, ["in_tr.conv_block.conv", "up_tr256.up_conv", "out_tr.conv2"]),
}
"""For each graph: its number of layers, and some of their names."""


@pytest.mark.parametrize("name", LAYERS)
def test_the_graphs_of_real_exporters(name: str, tmp_path: Path) -> None:
    _, network = assert_proved(exported(name, tmp_path))
    count, some = LAYERS[name]
    assert len(network.layers) == count
    assert set(some) <= set(network.layers)


def test_one_is_added_rendered_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setattr(networks, "_loaded", {})
    (home := tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)  # this process has imported the package that sets it
    graph = Graph((1, 3, *SIZE))
    value = MAKES["squeeze and excitation"](graph, graph.conv("input", 3, 4))
    path = graph.save(tmp_path / "model.onnx", graph.conv(value, 4, 2))
    assert main(["networks", "add", "mine", "--architecture", str(path), "--range", "0", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["default_size"] == list(SIZE)
    proof = installed_weights.proof(registry.describe("mine"))
    assert proof.is_proved
    assert proof.detail.startswith("onnxruntime ")
    assert list(home.rglob("*onnxruntime*")) == [], "what it would report to its makers"
    network = c3dvis.load_network("mine")
    again = network_of(reader.read(path))
    clip = np.random.default_rng(0).random((*SIZE, 3), np.float32)
    layer = network.layers[-1]
    np.testing.assert_allclose(network.respond_to_input(clip, layer), again.respond_to_input(clip, layer), rtol=1e-6)
    assert installed_weights.fingerprint(network.info)
    spec = c3dvis.RenderSpec(network="mine", layer=layer, filter=1, frames=8, height=16, width=16, iterations=2)
    assert c3dvis.render(spec).clip.shape == (*SIZE, 3)
    assert main(["networks", "remove", "mine"]) == 0


def test_names_are_the_paths_of_modules(tmp_path: Path) -> None:
    """From the node's own name, from its weights, and from its metadata; two that would be equal are numbered."""
    graph = Graph()

    def named(value: str, name: str, weights: str, scopes: str = "") -> str:
        made = graph.conv(value, 3, 3)
        node = graph.nodes[-1]
        node.name = name
        graph.arrays[weights] = graph.arrays.pop(node.input[1])
        node.input[1] = weights
        if scopes:
            node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
        return made

    value = named("input", "/layer1/layer1.0/conv1/conv1.0/Conv", "onnx::Conv_192")
    value = named(value, "node_conv3d_1", "encoder.1.conv.weight")
    value = named(value, "node_conv3d_2", "weights", "['', 'head', 'head.conv', 'conv3d_2']")
    value = named(value, "node_conv3d_3", "more weights", "['', 'head', 'head.conv', 'conv3d_3']")
    value = named(value, "node_conv3d_4", "p_1", "['', 'a\\u202eb/c*d', 'conv3d_4']")
    named(value, "", "p_2")
    model = graph.model()
    model.graph.node[-1].output[0] = "::9"
    onnx.save(helper.make_model(helper.make_graph(list(model.graph.node), "graph", model.graph.input, [
        helper.make_empty_tensor_value_info("::9")], model.graph.initializer),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=10), tmp_path / "model.onnx")  # fmt: skip
    network = network_of(reader.read(tmp_path / "model.onnx"))
    assert network.layers == (
        "layer1.0.conv1.0", "encoder.1.conv", "head.conv", "head.conv_2", "a_b_c_d", "conv",
    )  # fmt: skip


@pytest.mark.parametrize("layout", ["channels last", "frames first", "one clip of several", "a batch of two"])
def test_other_layouts_of_the_input(layout: str, tmp_path: Path) -> None:
    shape, order = {
        "channels last": ((1, 6, 8, 7, 3), [0, 4, 1, 2, 3]),
        "frames first": ((1, 6, 3, 8, 7), [0, 2, 1, 3, 4]),
        "one clip of several": ((1, 1, 3, 6, 8, 7), None),
        "a batch of two": ((2, 3, 6, 8, 7), [0, 1, 2, 3, 4]),
    }[layout]
    graph = Graph(shape)
    value = (
        graph.add("Transpose", "input", perm=order) if order else graph.add("Reshape", "input", ints(-1, 3, 6, 8, 7))
    )
    value = graph.conv(graph.conv(value, 3, 4, strides=[1, 2, 1]), 4, 5)
    graph.add("Gemm", graph.add("Flatten", graph.add("GlobalAveragePool", value)), graph.numbers(5, 2))
    imported, network = assert_proved(graph.save(tmp_path / "model.onnx"))
    assert (imported.size, imported.channels) == (SMALL, 3)
    assert [op.kind for op in imported.operations] == ["conv", "conv", "reduce", "flatten", "dense"]
    assert network.architecture.by_name[network.layers[0]].inputs == ("input",)


def test_sizes_that_the_model_leaves_open(tmp_path: Path) -> None:
    graph = Graph(("batch", 3, "frames", "height", "width"))
    value = graph.conv("input", 3, 4, strides=[1, 2, 2])
    value = MAKES["to the size of another"](graph, value)
    path = graph.save(tmp_path / "model.onnx", graph.conv(value, 8, 2))
    imported, network = assert_proved(path, (4, 12, 12))
    assert imported.size == (None, None, None)
    assert network.info.default_size == (4, 12, 12)


def test_half_precision_is_read(tmp_path: Path) -> None:
    graph = Graph()
    finished(graph, graph.add("Relu", graph.conv("input", 3, 4)))
    model = graph.model()
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    imported = reader.read(path)
    assert imported.is_float16
    assert prove(network_of(imported), OnnxReference(path), imported.addresses, is_float16=True).is_proved


def test_data_in_files_beside_the_model(tmp_path: Path) -> None:
    graph = Graph()
    finished(graph, graph.conv("input", 3, 4))
    path = tmp_path / "model.onnx"
    onnx.save(graph.model(), path, save_as_external_data=True, location="model.data", size_threshold=0)
    assert (tmp_path / "model.data").is_file()
    assert_proved(path)


OUTSIDE = {
    "a folder above": "../secret",
    "any path": "/etc/hostname",
    "a link": "link",
    "no file": "missing",
    "a folder": ".",
    "a pipe": "pipe",
}


@pytest.mark.parametrize("location", OUTSIDE.values(), ids=OUTSIDE)
def test_data_elsewhere_is_not_read(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(1 << 16))
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    graph = Graph()
    finished(graph, graph.conv("input", 3, 4))
    model = graph.model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsDamaged, match="which is no file in its own folder"):
        reader.read(folder / "model.onnx")


def test_what_is_not_known_is_left_out_with_what_follows(tmp_path: Path) -> None:
    """The layers before it are served, and proved: an operator of another program does not keep onnxruntime from it."""
    graph = Graph()
    value = graph.conv(graph.conv("input", 3, 4), 4, 5)
    foreign = graph.add("Mystery", value, domain="com.example")
    graph.add("Relu", graph.conv(foreign, 5, 2))
    path = graph.save(tmp_path / "model.onnx")
    imported = reader.read(path)
    assert imported.left_out == (
        "What follows is left out. mystery_2 (Mystery): the operator is of the domain 'com.example', which is not "
        "known here"
    )
    network = network_of(imported)
    assert len(network.layers) == 2
    assert prove(network, OnnxReference(path), imported.addresses).is_proved


def refused(change: Any, message: str, folder: Path) -> None:
    graph = Graph()
    finished(graph, graph.conv("input", 3, 4))
    model = graph.model()
    content = change(model)
    (folder / "model.onnx").write_bytes(content if isinstance(content, bytes) else model.SerializeToString())
    with pytest.raises(WeightsDamaged, match=message):
        reader.read(folder / "model.onnx")


def _two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.add().CopyFrom(helper.make_tensor_value_info("fast", onnx.TensorProto.FLOAT, (1, 3, 24, 8, 7)))


def _images(model: onnx.ModelProto) -> None:
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, (1, 3, 8, 7)))


def _huge(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 31, 3, 1 << 20, 3, 3]


def _negative(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [-1, 3, 3, 3, 3]


def _old(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[1].output[0]


REFUSED = [
    (_two_inputs, r"has 2 inputs \(input, fast\); expected one clip"),
    (_images, r"takes an input of shape \[1, 3, 8, 7\]: expected \(batch, channels, frames"),
    (_huge, "does not hold the array 'conv_0.1' of shape"),
    (_negative, "holds the array 'conv_0.1' as FLOAT of shape .*; expected numbers"),
    (_old, "is no ONNX model that is known here"),
    (_cycle, "has no convolution of a volume that can be computed here.*which no node before it gives"),
    (lambda model: b"", "is no ONNX model that is known here"),
    (lambda model: b"version https://git-lfs", "is no ONNX model"),
    (lambda model: model.SerializeToString()[:-9], "is no ONNX model"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_a_reason(change: Any, message: str, tmp_path: Path) -> None:
    refused(change, message, tmp_path)


def test_weights_beside_an_onnx_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    graph = Graph()
    finished(graph, graph.conv("input", 3, 4))
    path = graph.save(tmp_path / "model.onnx")
    with pytest.raises(InvalidSpec, match="is an ONNX model, which has its own weights"):
        add("mine", path, path, ((0.0,), (1.0,)))


def test_the_steps_of_a_search_compute_an_imported_network(tmp_path: Path) -> None:
    """Responses and gradients of the raw operations, with pads, merged and strided, against the Keras layers."""
    network = network_of(reader.read(exported("r3d_18_dynamo", tmp_path)))
    for layer in ("stem.0", "layer2.0.downsample.0", "add_3"):
        assert_same(network, layer, (4, 20, 20), 1e-3)


@pytest.mark.parametrize(
    ("factor", "is_float16", "is_refused"),
    [(1.0005, False, False), (1.003, False, True), (1.003, True, False), (1.02, True, True)],
)
def test_half_precision_has_a_tolerance_of_its_own(
    factor: float, is_float16: bool, is_refused: bool, tmp_path: Path
) -> None:
    """A thousandth, or a hundredth where the file holds float16."""
    graph = Graph()
    graph.conv("input", 3, 4)
    path = graph.save(tmp_path / "model.onnx")
    imported = reader.read(path, (6, 8, 7))
    kernel, bias = imported.weights["conv_0"]()
    changed = replace(imported, weights={"conv_0": lambda: (kernel * np.float32(factor), bias * np.float32(factor))})
    network = network_of(changed, (6, 8, 7))
    if is_refused:
        with pytest.raises(WeightsDamaged, match="expected at most 0.01" if is_float16 else "expected at most 0.001"):
            prove(network, OnnxReference(path), imported.addresses, is_float16)
    else:
        assert prove(network, OnnxReference(path), imported.addresses, is_float16).is_proved


def test_numbers_that_are_not_finite_are_not_called_a_difference(tmp_path: Path) -> None:
    graph = Graph()
    last = graph.conv(graph.conv("input", 3, 4), 4, 4)
    graph.arrays = {name: np.full_like(each, 1e30) for name, each in graph.arrays.items()}
    path = graph.save(tmp_path / "model.onnx", last)
    imported = reader.read(path, (6, 8, 7))
    network = network_of(imported, (6, 8, 7))
    with pytest.raises(WeightsDamaged, match="not finite on a random clip, also if onnxruntime"):
        prove(network, OnnxReference(path), imported.addresses)
