"""I3D against figures of an independent implementation on the same weights."""

import json
from pathlib import Path

import numpy as np
import pytest

import c3dvis
from c3dvis.errors import InvalidSpec, UnknownLayer

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "i3d_kinetics400.json").read_text())


@pytest.fixture(scope="module")
def network(weights):
    return c3dvis.load_network("i3d-kinetics400")


@pytest.fixture(scope="module")
def clip():
    return np.random.RandomState(0).uniform(-1, 1, (1, 16, 112, 112, 3)).astype("float32")[0]


@pytest.mark.parametrize("endpoint", REFERENCE["endpoints"])
def test_endpoint_agrees_with_the_independent_implementation(network, clip, endpoint):
    expected = REFERENCE["endpoints"][endpoint]
    response = network.respond_to_input(clip, endpoint)
    assert response.shape == tuple(expected["shape"])
    assert response.mean() == pytest.approx(expected["mean"], rel=1e-3)
    assert response.std() == pytest.approx(expected["std"], rel=1e-3)
    t, h, w = (size // 2 for size in response.shape[:3])
    for index, mean in expected["filter_means"].items():
        assert response[..., int(index)].mean() == pytest.approx(mean, rel=1e-3, abs=1e-6)
    for index, value in expected["centre"].items():
        assert response[t, h, w, int(index)] == pytest.approx(value, rel=1e-3, abs=1e-4)


def test_logits_agree_with_the_independent_implementation(network):
    expected = REFERENCE["logits"]
    clip = np.random.RandomState(1).uniform(-1, 1, (1, 32, 224, 224, 3)).astype("float32")[0]
    logits = network.respond_to_input(clip, network.layers[-1]).mean(axis=(0, 1, 2))
    assert logits.argmax() == expected["argmax"]
    assert logits.max() == pytest.approx(expected["max"], rel=1e-3)
    assert logits.std() == pytest.approx(expected["std"], rel=1e-3)
    np.testing.assert_allclose(logits[:5], expected["first_five"], rtol=1e-3)


def test_every_convolution_and_block_can_be_targeted(network):
    assert len(network.layers) == 67  # 58 convolutions and 9 blocks
    assert {"Conv3d_2c_3x3", "Mixed_4d", "Mixed_4d/Branch_1/Conv3d_0b_3x3"} <= set(network.layers)
    branch = network.respond(np.full((16, 64, 64, 3), 200, np.uint8), "Mixed_3b/Branch_1/Conv3d_0b_3x3")
    block = network.respond(np.full((16, 64, 64, 3), 200, np.uint8), "Mixed_3b")
    np.testing.assert_allclose(block[..., 64 : 64 + 128], branch, rtol=1e-5, atol=1e-6)


def test_respond_reads_rgb_as_it_is_shown(network):
    clip = np.random.RandomState(2).randint(0, 256, (8, 32, 32, 3), np.uint8)
    tensor = clip.astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(
        network.respond(clip, "Conv3d_1a_7x7"),
        network.respond_to_input(tensor, "Conv3d_1a_7x7"), rtol=1e-4, atol=1e-5,
    )  # fmt: skip
    with pytest.raises(ValueError, match="black at 0 and white at 1"):
        network.respond(tensor, "Conv3d_1a_7x7")


def test_unknown_layers_and_small_clips_are_refused_in_one_sentence(network):
    clip = np.zeros((16, 112, 112, 3), np.uint8)
    with pytest.raises(UnknownLayer, match="did you mean Mixed_4"):
        network.respond(clip, "Mixed_4z")
    with pytest.raises(InvalidSpec, match="Expected at least 9×193×193"):
        network.respond(clip, "Logits/Conv3d_0c_1x1")
