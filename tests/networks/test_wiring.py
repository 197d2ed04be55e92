"""The wiring of filters against the networks themselves: what a change of an input filter does to the response."""

import importlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import c3dvis
from c3dvis.errors import InvalidSpec, UnknownLayer, WeightsMissing
from c3dvis.networks.compute.device_weights import DeviceWeights
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU, Activation, Operation
from c3dvis.networks.importers.add_network import add
from c3dvis.networks.registry import NetworkInfo
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.wiring import NoKernel, Wiring, wiring
from tests.maximize.small_c3d import PLAIN, small_c3d
from tests.networks.test_user_networks import RANGE, randomised, residual, save, unet

SIZE = (9, 9, 9)


def before(network: Network, layer: str, given: Mapping[str, Any]) -> Any:
    """A layer's response before its activation function, computed from given responses of layers before it."""
    weights = DeviceWeights(network.weights, "float32")
    after: dict[str, Any] = dict(given)

    def value(name: str) -> Any:
        if name not in after:
            after[name] = weights.activate(network.architecture.by_name[name], unactivated(name))
        return after[name]

    def unactivated(name: str) -> Any:
        op = network.architecture.by_name[name]
        of = unactivated if isinstance(op, ops.Concat) and op.activation is None and name == layer else value
        return weights.apply(op, [of(each) for each in op.inputs])

    return unactivated(layer)


def centre(response: Any, number: int) -> float:
    """A filter's response in the middle, far from the padding; the only one of a dense layer."""
    middle = [size // 2 for size in response.shape[1:-1]]
    return float(response[(0, *middle, number)])


def assert_strengths(network: Network, found: Wiring, shapes: Mapping[str, Any], value: float = 3.0) -> None:
    """Raises each input filter by one everywhere: the response changes by the sum of its strengths, and by no more."""
    expected: dict[tuple[str, int], float] = defaultdict(float)
    for each in found.inputs:
        expected[each.source.layer, each.source.filter] += each.strength
    layers = {layer for layer, _ in expected}
    given = {layer: np.full((1, *shapes[layer]), value, np.float32) for layer in layers}
    rest = centre(before(network, found.layer, given), found.filter)
    scale = max(1.0, *map(abs, expected.values()))
    for layer in layers:
        for number in range(shapes[layer][-1]):
            raised = given[layer].copy()
            raised[..., number] += 1
            change = centre(before(network, found.layer, given | {layer: raised}), found.filter) - rest
            assert change == pytest.approx(expected.get((layer, number), 0.0), abs=1e-4 * scale), (layer, number)


def assert_taps(network: Network, found: Wiring, shape: tuple[int, ...]) -> None:
    """The kernel is the gradient of the response in the middle with respect to what the layer reads."""
    op = network.architecture.by_name[found.made_by.layer]
    values = tf.Variable(tf.random.stateless_normal((1, *shape), (0, 1)))
    with tf.GradientTape() as tape:
        response = before(network, op.name, {op.inputs[0]: values})
        middle = [size // 2 for size in response.shape[1:-1]]
        result = response[(0, *middle, found.made_by.filter)]
    slope = np.array(tape.gradient(result, values))[0]
    slope = slope.reshape(1, 1, 1, -1) if slope.ndim == 1 else slope
    taps = np.argwhere(np.abs(slope).max(-1) > 0)
    low, high = taps.min(0), taps.max(0)
    steps = getattr(op, "dilation", (1, 1, 1))
    cut = slope[tuple(slice(a, b + 1, n) for a, b, n in zip(low, high, steps, strict=True))]
    cut = cut[..., np.abs(cut).max((0, 1, 2)) > 0]  # of a grouped convolution, the group that the filter reads
    np.testing.assert_allclose(cut.reshape(found.kernel.shape), found.kernel, rtol=1e-4, atol=1e-6)


def network_of(*operations: Operation, channels: int = 3, size: tuple[int, int, int] = SIZE) -> Network:
    """A network with random weights."""
    architecture = Architecture("made", operations, channels)
    generator, shapes, weights = np.random.default_rng(0), architecture.shapes(*size), {}
    for op in operations:
        if isinstance(op, ops.Weighted):
            kernel = generator.normal(0, 1, op.kernel_shape(shapes[op.inputs[0]][-1])).astype(np.float32)
            if isinstance(op, ops.PRelu):  # the response then changes by the whole strength, whatever the signs
                kernel = np.ones_like(kernel)
            weights[op.name] = (kernel, generator.normal(0, 1, op.filters).astype(np.float32))
    return Network(NetworkInfo("made", "", "", "", architecture, PLAIN, size, "", None), weights)


def weights_of(network: Network) -> dict[str, Any]:
    return {op.name: network.weights(op.name) for op in network.architecture.operations if isinstance(op, ops.Weighted)}


def found_in(network: Network, layer: str, number: int) -> Wiring:
    return wiring(network.info, layer, number, weights_of(network))


_STEPS = ("max", "average", "scale", "concat", "dropout", "activation", "pad", "resize", "edge", "prelu", "take",
          "shuffle", "conv")  # fmt: skip


@st.composite
def paths(draw: st.DrawFn) -> tuple[Operation, ...]:
    """Two convolutions, a random path of operations that keep channels apart or join them, and a last convolution."""
    made: list[Operation] = [ops.Conv("a", ("input",), 4, activation=RELU), ops.Conv("b", ("a",), 2)]
    channels = {"a": 4, "b": 2}
    ends = ["a", "b"]
    for index in range(draw(st.integers(0, 5))):
        name, source = f"op{index}", draw(st.sampled_from(ends))
        kind = draw(st.sampled_from(_STEPS))
        channels[name] = channels[source]
        match kind:
            case "max":
                made.append(ops.MaxPool(name, (source,), (3, 3, 3)))
            case "average":
                made.append(ops.AveragePool(name, (source,), (3, 1, 3)))
            case "scale":
                made.append(ops.Scale(name, (source,), channels[source]))
            case "dropout":
                made.append(ops.Dropout(name, (source,)))
            case "activation":  # slope 1: the response then changes by the whole strength, whatever the signs
                made.append(ops.ActivationLayer(name, (source,), activation=Activation("leaky_relu", 1.0)))
            case "pad":
                made.append(ops.Pad(name, (source,), ((1, 1), (0, 0), (1, 1))))
                made.append(ops.Crop(f"{name}c", (name,), ((1, 1), (0, 0), (1, 1))))
                channels[f"{name}c"] = channels[name]
                name = f"{name}c"
            case "resize":  # to the same sizes, one position further
                made.append(ops.Crop(f"{name}c", (source,), ((0, 0), (0, 0), (4, 0))))
                made.append(ops.Resize(name, (f"{name}c",), (1, 1, 9), (1, 1, 5)))
            case "edge":
                made.append(ops.Crop(f"{name}c", (source,), ((0, 1), (2, 0), (0, 0))))
                made.append(ops.Pad(name, (f"{name}c",), ((1, 0), (1, 1), (0, 0)), "edge"))
            case "prelu":  # slope 1, by the weights
                made.append(ops.PRelu(name, (source,), channels[source]))
            case "take":
                indices = draw(st.lists(st.integers(0, channels[source] - 1), min_size=1, max_size=5))
                made.append(ops.Take(name, (source,), "c", tuple(indices)))
                channels[name] = len(indices)
            case "shuffle":
                halves = 2 if channels[source] % 2 == 0 else 1
                made.append(ops.Rearrange(name, (source,), ((0,), (0,), (0,), (0, halves)), ((0,), (1,), (2,), (4, 3))))
            case "conv":
                made.append(ops.Conv(name, (source,), 3, (1, 3, 1), activation=RELU))
                channels[name] = 3
            case "concat":
                others = draw(st.lists(st.sampled_from(ends), min_size=1, max_size=2))
                made.append(ops.Concat(name, (source, *others)))
                channels[name] = sum(channels[each] for each in (source, *others))
        ends.append(name)
    last = ends[-1]
    groups = 2 if channels[last] % 2 == 0 and draw(st.booleans()) else 1
    dilation = (2, 1, 1) if draw(st.booleans()) else (1, 1, 1)
    return (*made, ops.Conv("last", (last,), 4, (3, 1, 2), groups=groups, dilation=dilation))


@settings(max_examples=40, deadline=None)
@given(paths(), st.integers(0, 3))
def test_a_raised_input_filter_changes_the_response_by_its_strength(path: tuple[Operation, ...], number: int) -> None:
    network = network_of(*path)
    found = found_in(network, "last", number)
    shapes = network.architecture.shapes(*SIZE)
    assert_strengths(network, found, {"input": (*SIZE, 3), **shapes})
    assert_taps(network, found_unscaled(network, number), shapes[network.architecture.by_name["last"].inputs[0]])


def found_unscaled(network: Network, number: int) -> Wiring:
    """The wiring by a network whose normalisations between do nothing: its kernel is that of the convolution alone."""
    ones = {
        op.name: (np.ones_like(network.weights(op.name)[0]), network.weights(op.name)[1])
        for op in network.architecture.operations
        if isinstance(op, ops.Scale)
    }
    return wiring(network.info, "last", number, weights_of(network) | ones)


def test_the_filters_of_a_joined_block_are_those_of_its_branches() -> None:
    conv = ops.Conv("stem", ("input",), 4, activation=RELU)
    network = network_of(
        conv,
        ops.Conv("left", ("stem",), 3, activation=RELU),
        ops.MaxPool("pool", ("stem",), (3, 3, 3)),
        ops.Conv("right", ("pool",), 2, (3, 3, 3), activation=RELU),
        ops.Concat("block", ("left", "right")),
        ops.Conv("next", ("block",), 2),
    )
    shapes = network.architecture.shapes(*SIZE)
    for number in range(5):
        found = found_in(network, "block", number)
        assert (found.made_by.layer, found.made_by.filter) == (
            ("left", number) if number < 3 else ("right", number - 3)
        )
        assert all(each.source.layer == "stem" for each in found.inputs)
        assert {each.source.via for each in found.inputs} == {() if number < 3 else ("pool",)}
        assert_strengths(network, found, shapes)
    read = [(each.source.layer, each.source.filter, each.source.joined) for each in found_in(network, "next", 0).inputs]
    assert read == [("left", n, ("block", n)) for n in range(3)] + [("right", n, ("block", n + 3)) for n in range(2)]


def test_dense_layers_and_transposed_convolutions() -> None:
    network = small_c3d()
    shapes = network.architecture.shapes(8, 32, 32)
    found = found_in(network, "fc6", 5)
    assert found.kernel.shape == shapes["pool5"]
    assert [(each.source.layer, each.source.filter) for each in found.inputs] == [("conv3b", n) for n in range(8)]
    values = tf.Variable(tf.random.stateless_normal((1, *shapes["pool5"]), (0, 1)))
    with tf.GradientTape() as tape:
        result = before(network, "fc6", {"pool5": values})[0, 5]
    np.testing.assert_allclose(np.array(tape.gradient(result, values))[0], found.kernel, rtol=1e-5)
    assert_strengths(network, found_in(network, "fc7", 2), shapes)
    pooled = found_in(network, "block", 11)
    assert (pooled.made_by.layer, pooled.made_by.filter, pooled.made_by.via) == ("conv3a", 3, ("average",))
    np.testing.assert_array_equal(pooled.kernel, found_in(network, "conv3a", 3).kernel)
    up = network_of(
        ops.Conv("a", ("input",), 4), ops.ConvTranspose("up", ("a",), 3, (3, 3, 3)), ops.Conv("z", ("up",), 1)
    )
    assert_taps(up, found_in(up, "up", 1), up.architecture.shapes(*SIZE)["a"])


def test_a_flattened_volume_that_is_normalised() -> None:
    size = (2, 3, 2)
    network = network_of(
        ops.Conv("a", ("input",), 2), ops.Flatten("flat", ("a",)), ops.Scale("norm", ("flat",), 24),
        ops.Dense("out", ("norm",), 3), size=size,
    )  # fmt: skip
    found = found_in(network, "out", 1)
    values = tf.Variable(tf.random.stateless_normal((1, *size, 2), (0, 1)))
    with tf.GradientTape() as tape:
        result = before(network, "out", {"a": values})[0, 1]
    np.testing.assert_allclose(np.array(tape.gradient(result, values))[0], found.kernel, rtol=1e-5)


@pytest.mark.parametrize(
    ("layer", "number"),
    [
        ("Mixed_4d", 40),
        ("Mixed_4d", 500),
        ("Mixed_3b/Branch_2/Conv3d_0b_3x3", 7),
        ("Conv3d_2b_1x1", 3),
        ("Mixed_5b", 3),
    ],
)
def test_the_weights_of_i3d(weights: Path, layer: str, number: int) -> None:
    network = c3dvis.load_network("i3d-kinetics400")
    found = wiring(network.info, layer, number)
    shapes = network.architecture.shapes(*network.info.default_size)
    op = network.architecture.by_name[found.made_by.layer]
    np.testing.assert_array_equal(found.kernel, network.weights(op.name)[0][..., found.made_by.filter])
    assert_taps(network, found, shapes[op.inputs[0]])
    strongest = found.exciting(3) + found.inhibiting(3)
    layers = {each.source.layer for each in found.inputs}
    given = {name: np.full((1, *shapes[name]), 1.0, np.float32) for name in layers}
    rest = centre(before(network, layer, given), number)
    for each in strongest:
        raised = given[each.source.layer].copy()
        raised[..., each.source.filter] += 1
        change = centre(before(network, layer, given | {each.source.layer: raised}), number) - rest
        assert change == pytest.approx(each.strength, abs=1e-3)
    assert sorted((each.strength for each in found.exciting(3)), reverse=True) == [
        each.strength for each in found.exciting(3)
    ]
    assert found.exciting(1)[0].strength == max(each.strength for each in found.inputs) > 0
    assert found.inhibiting(1)[0].strength == min(each.strength for each in found.inputs) < 0


@pytest.mark.parametrize("build", [residual, unet], ids=lambda build: build.__name__)
def test_networks_of_users(build: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    model = randomised(build(importlib.import_module("keras")))
    info = add("mine", save(model, tmp_path / "model.keras"), None, RANGE)
    network = Network(info)
    size = info.default_size
    shapes = {"input": (*size, info.architecture.channels), **info.architecture.shapes(*size)}
    tried = 0
    for layer in info.layers:
        op = info.architecture.by_name[layer]
        if isinstance(op, ops.Merge):
            with pytest.raises(NoKernel) as refused:
                wiring(info, layer, 1)
            assert [part.filter for part in refused.value.parts] == [1, 1]
        elif isinstance(op, ops.Conv) and op.strides == (1, 1, 1) and layer not in SCALED:
            assert_taps(network, wiring(info, layer, 1), shapes[op.inputs[0]])
            tried += 1
    assert tried > 1


SCALED = {"b1"}
"""Layers of the users' networks that read through a normalisation, which the gradient at the layer does not have."""


def test_a_network_under_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    path = save(randomised(residual(importlib.import_module("keras"))), tmp_path / "model.keras")
    first, second = (add(name, path, None, RANGE) for name in ("first", "second"))
    layer = next(iter(first.layers))
    assert installed_weights.fingerprint(first) == installed_weights.fingerprint(second)
    assert [wiring(info, layer, 0).network for info in (first, second)] == ["first", "second"]


def test_what_has_no_wiring_is_refused(weights: Path) -> None:
    info = c3dvis.load_network("i3d-kinetics400").info
    with pytest.raises(UnknownLayer, match="no layer 'Mixed_9z'"):
        wiring(info, "Mixed_9z", 0)
    for number in (-1, 512):
        with pytest.raises(InvalidSpec, match=f"filters 0 to 511; received filter {number}"):
            wiring(info, "Mixed_4d", number)
    network = network_of(
        ops.Conv("a", ("input",), 3), ops.Conv("b", ("input",), 3), ops.Add("sum", ("a", "b")),
        ops.Concat("with clip", ("input", "sum")),
    )  # fmt: skip
    for layer, number in (("sum", 2), ("with clip", 5)):
        with pytest.raises(NoKernel, match="it is the sum of filter 2 of a and filter 2 of b"):
            found_in(network, layer, number)
    with pytest.raises(NoKernel, match="channel 1 of the clip"):
        found_in(network, "with clip", 1)
    partial = {name: pair for name, pair in weights_of(network).items() if name != "b"}
    with pytest.raises(WeightsMissing, match="holds nothing for b"):
        wiring(network.info, "b", 0, partial)


def test_behind_a_normalisation_over_the_clip_an_input_counts_by_its_deviation() -> None:
    norm = ops.GroupNorm("norm", ("a",), 4, 2)
    network = network_of(ops.Conv("a", ("input",), 4), norm, ops.Conv("b", ("norm",), 3, (1, 3, 3)))
    found = found_in(network, "b", 1)
    assert found.is_relative
    assert not found_in(network, "a", 1).is_relative
    kernel, gamma = network.weights("b")[0][..., 1], network.weights("norm")[0]
    np.testing.assert_allclose(found.kernel, kernel * gamma, rtol=1e-6)
    assert [each.source.layer for each in found.inputs] == ["a"] * 4
    assert [each.source.via for each in found.inputs] == [("norm",)] * 4


@pytest.mark.parametrize(
    "mixed",
    [
        ops.Reduce("mixed", ("a",), "mean", "c"),
        ops.Rearrange("mixed", ("a",), ((0,), (0,), (0,), (2, 0)), ((0, 3), (1,), (2,), (4,))),
    ],
)
def test_inputs_that_are_made_of_several_filters_cannot_be_named(mixed: Operation) -> None:
    network = network_of(ops.Conv("a", ("input",), 4), mixed, ops.Conv("b", ("mixed",), 3))
    with pytest.raises(NoKernel, match="The inputs of filter 1 of b cannot be named one by one: mixed makes each"):
        found_in(network, "b", 1)
