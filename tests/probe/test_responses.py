"""Responses, ranks and classes against the network itself."""

from pathlib import Path

import numpy as np
import pytest

from c3dvis.errors import InvalidSpec
from c3dvis.probe import Target
from c3dvis.probe.noise import NOISE_SEEDS, noise_clip, standardised
from c3dvis.probe.responses import feature_map, noise_of, probe_clip, responses
from tests.maximize.small_c3d import small_c3d
from tests.probe.small_networks import classifier, grey_network

CLIP = np.random.default_rng(3).integers(0, 256, (8, 48, 48, 3), np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path))


def test_responses_are_those_of_the_network() -> None:
    for network in (small_c3d(), classifier(), grey_network()):
        found = responses(network, CLIP)
        for layer in found.layers:
            expected = network.respond(CLIP, layer)
            assert np.allclose(found[layer], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
            last = expected.shape[3] - 1
            one = feature_map(network, Target(layer, last), CLIP)
            assert one.shape == expected.shape[:3]
            assert one.dtype == np.float32
            assert np.allclose(one, expected[..., last], rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_filters_are_ranked_by_their_response_above_noise() -> None:
    network = classifier()
    result = probe_clip(network, CLIP, top=5)
    for layer, filters in result.layers.items():
        size = network.info.usable_size(layer)
        noise = np.stack([network.respond(noise_clip(seed, size), layer) for seed in NOISE_SEEDS])
        average, deviation = noise.mean((0, 1, 2, 3)), noise.std((0, 1, 2, 3))
        mean = network.respond(CLIP, layer).mean((0, 1, 2))
        expected = (mean - average) / np.maximum(deviation, 0.1 * deviation.mean())
        assert np.allclose(result.standardised[layer], expected, rtol=2e-3, atol=2e-3)
        assert [each.filter for each in filters] == np.argsort(-result.standardised[layer], kind="stable")[:5].tolist()
        assert filters[0].peak == pytest.approx(network.respond(CLIP, layer)[..., filters[0].filter].max(), rel=1e-5)


def test_a_filter_that_noise_leaves_silent_is_not_above_all() -> None:
    scale = np.array([[1.0, 0.0, 1.0], [0.5, 0.0, 1.0]], np.float32)
    scores = standardised(np.array([2.0, 0.01, 3.0], np.float32), scale)
    assert scores.tolist() == pytest.approx([2, 0.2, 2])
    assert standardised(np.array([0.5, 0.25], np.float32), np.zeros((2, 2), np.float32)).tolist() == [1, 0.5]


def test_noise_is_computed_once() -> None:
    network = classifier()
    calls: list[tuple[int, int]] = []
    first = noise_of(network, lambda *done: calls.append(done))
    assert calls[-1] == (8, 8)
    again = noise_of(network, lambda *done: calls.append(done))
    assert len(calls) == 8
    assert all(np.array_equal(first[layer], again[layer]) for layer in first)


def test_noise_that_cannot_be_kept_is_computed_again(tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("a file, where the folder would be")
    network = classifier()
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        noise_of(network, lambda *done: calls.append(done))
    assert len(calls) == 16


def test_classes_are_the_softmax_of_the_scores() -> None:
    network = classifier()
    result = probe_clip(network, CLIP, top=3)
    scores = network.respond(CLIP, "scores").mean((0, 1, 2)).astype(float)
    expected = np.exp(scores) / np.exp(scores).sum()
    assert [each.number for each in result.classes] == np.argsort(-expected)[:3].tolist()
    assert [each.probability for each in result.classes] == pytest.approx(sorted(expected)[::-1][:3], rel=1e-4)
    assert result.classes[0].name == f"class {result.classes[0].number}"
    assert "scores" not in result.layers


def test_a_network_without_classes_says_so() -> None:
    result = probe_clip(grey_network(), CLIP)
    assert result.classes == ()
    assert "no classes" in result.no_classes
    with pytest.raises(InvalidSpec, match="filters 0 to"):
        feature_map(grey_network(), Target("conv1", 99), CLIP)
