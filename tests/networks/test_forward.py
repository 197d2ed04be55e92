"""The raw operations that the engine traces, forward and backward, against the same network of Keras layers."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import c3dvis
from c3dvis.networks.compute import network as networks
from c3dvis.networks.compute.input_gradient import SubPixelGradient
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU, Activation
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.graph.operations import Add, Concat, Conv, Multiply
from c3dvis.networks.importers.add_network import add
from c3dvis.networks.registry import NetworkInfo
from tests.maximize.small_c3d import ARCHITECTURE, PLAIN, PRECISIONS, SIZE, small_c3d
from tests.networks.test_user_networks import RANGE, nested, plain, randomised, residual, save, unet
from tests.networks.test_user_networks import SIZE as OWN_SIZE


def assert_same(network: Network, layer: str, size: tuple[int, int, int], tolerance: float = 1e-4) -> None:
    """Responses before and after the activation function, and the gradient of something of both by the clips."""
    domain = network.input_domain
    noise = np.random.RandomState(0).randint(0, 256, (2, *size, 3), np.uint8)
    clips = tf.constant(np.stack([domain.to_network(clip) for clip in noise]))

    def value(before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.sin(before)) + tf.reduce_sum(tf.square(after))

    @tf.function(autograph=False)
    def ours() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        response = network.forward(clips, layer)
        of = [response.before, response.after]
        with tf.GradientTape() as tape:
            tape.watch(of)
            result = value(*of)
        slopes: Any = tape.gradient(result, of)
        return response.before, response.after, response.backward(*slopes)

    @tf.function(autograph=False)
    def theirs() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(clips)
            before, after = network.model(layer, size)(clips)
            result = value(before, after)
        slope: Any = tape.gradient(result, clips, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return before, after, slope

    for mine, other in zip(ours(), theirs(), strict=True):
        scale = float(np.abs(other).max())
        assert scale > 0
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("layer", ARCHITECTURE.layers)
def test_a_small_c3d(layer: str) -> None:
    assert_same(small_c3d(), layer, SIZE)


@pytest.mark.parametrize("layer", ["Conv3d_2b_1x1", "Mixed_3c", "Mixed_4b/Branch_1/Conv3d_0a_1x1", "Mixed_4c"])
def test_the_branches_of_i3d(weights: Any, layer: str) -> None:
    assert_same(c3dvis.load_network("i3d-kinetics400"), layer, (8, 48, 40))


@pytest.mark.parametrize("build", [plain, residual, unet, nested], ids=lambda build: build.__name__)
def test_networks_of_users(build: Callable[[Any], Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setattr(networks, "_loaded", {})
    model = randomised(build(importlib.import_module("keras")))
    info = add("mine", save(model, tmp_path / "model.keras"), None, RANGE)
    network = networks.load_network("mine")
    for layer in info.layers:
        assert_same(network, layer, OWN_SIZE)


def test_parallel_convolutions_that_are_merged() -> None:
    """Equal windows on one input; beside them another size, no activation, another activation, and groups."""
    relu: dict[str, Any] = {"activation": RELU}
    three: dict[str, Any] = {"kernel": (3, 3, 3), **relu}
    branches = (
        Conv("a", ("input",), 4, **three),
        Conv("b", ("a",), 3, **three), Conv("c", ("a",), 5, **three),
        Conv("d", ("a",), 2, (3, 3, 3)), Conv("e", ("a",), 2, (3, 3, 3), activation=Activation("elu")),
        Conv("f", ("a",), 4, **three, groups=2), Conv("g", ("a",), 3, **relu), Conv("h", ("a",), 6, **relu),
        Conv("i", ("a",), 3, strides=(1, 2, 2), **relu), Conv("j", ("i",), 3, **relu),
        Add("twice", ("i", "i")), Multiply("square", ("i", "i")),
        Concat("all", ("b", "c", "d", "e", "f", "g", "h")), Concat("again", ("all", "c")),
        Conv("k", ("again",), 3, **three),
    )  # fmt: skip
    architecture = Architecture("branches", branches)
    generator, weights, shapes = np.random.default_rng(0), {}, architecture.shapes(4, 8, 8)
    for op in branches:
        if isinstance(op, Conv):
            kernel = generator.normal(0, 0.2, op.kernel_shape(shapes[op.inputs[0]][-1]))
            weights[op.name] = (kernel.astype(np.float32), generator.normal(0, 1, op.filters).astype(np.float32))
    info = NetworkInfo("branches", "", "", "", architecture, InputDomain((-1.0,) * 3, (1.0,) * 3), SIZE, "", None)
    for layer in architecture.layers:
        assert_same(Network(info, weights), layer, (4, 8, 8))


axes = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(5, 9))  # taps, stride, size
plain = st.tuples(st.integers(1, 5), st.just(1), st.integers(5, 9))


@settings(max_examples=60, deadline=None)
@given(st.tuples(axes, axes, axes) | st.tuples(plain, plain, plain), st.sampled_from(["same", "valid"]))
def test_a_sub_pixel_convolution_gives_the_input_gradient(geometry: Any, padding: Any) -> None:
    kernel_size, strides, size = zip(*geometry, strict=True)
    op = Conv("conv", ("input",), 2, kernel_size, strides, padding)
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(*kernel_size, 3, 2)).astype(np.float32)
    clips = tf.constant(generator.normal(size=(1, *size, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(clips)
        response: Any = tf.nn.conv3d(clips, kernel, (1, *strides, 1), padding.upper())
    grad_output: Any = tf.constant(generator.normal(size=response.shape).astype(np.float32))
    sub_pixel = SubPixelGradient(op, size)
    mine = sub_pixel.gradient(grad_output, tf.constant(sub_pixel.kernel(kernel)))
    theirs: Any = tape.gradient(response, clips, grad_output)
    np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_is_near_float32(precision: str) -> None:
    network = small_c3d(domain=PLAIN)
    clips = tf.constant(np.random.RandomState(0).uniform(-128, 128, (1, *SIZE, 3)).astype(np.float32))

    @tf.function(autograph=False)
    def both() -> tuple[tf.Tensor, tf.Tensor]:
        return network.forward(clips, "conv3b").after, network.forward(tf.cast(clips, precision), "conv3b").after

    fine, coarse = both()
    assert coarse.dtype == tf.as_dtype(precision)
    difference = np.abs(tf.cast(coarse, tf.float32) - fine).mean() / np.abs(fine).mean()
    assert difference < 0.02
    assert (difference > 0) == (precision == "bfloat16")


@pytest.mark.parametrize(("width", "strides"), [(3, (1, 1, 2)), (4, (2, 1, 3)), (9, (1, 1, 2)), (4, (1, 2, 2))])
def test_one_channel_is_read_right_whatever_the_strides(width: int, strides: Any) -> None:
    """TensorFlow's own convolution reads beyond the volume where it strides along the width alone to one column."""
    generator = np.random.default_rng(0)
    size = (3, 6, width)
    kernel = generator.normal(size=(2, 3, 3, 1, 2)).astype(np.float32)
    op = Conv("conv", ("input",), 2, (2, 3, 3), strides, "valid")
    info = NetworkInfo(
        "grey", "", "", "", Architecture("grey", (op,), 1), InputDomain((0.0,), (1.0,), "grey"), size, "", None
    )
    network = Network(info, {"conv": (kernel, np.zeros(2, np.float32))})
    clip = generator.random((*size, 1)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(clip[..., 0], (2, 3, 3))
    windows = windows[:: strides[0], :: strides[1], :: strides[2]]
    expected = np.einsum("thwabc,abcf->thwf", windows, kernel[:, :, :, 0])
    np.testing.assert_allclose(network.responses(clip)["conv"], expected, atol=1e-5)
    np.testing.assert_allclose(network.respond_to_input(clip, "conv"), expected, atol=1e-5)
