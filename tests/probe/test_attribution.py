"""Attributions against finite differences and against what they must sum to."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from c3dvis.errors import InvalidSpec
from c3dvis.networks.compute.network import Network
from c3dvis.probe import Target
from c3dvis.probe.attribution import grad_cam, integrated_gradients, saliency, score_gradient
from tests.probe.small_networks import classifier, grey_network

CLIP = np.random.default_rng(5).integers(0, 256, (8, 48, 48, 3), np.uint8)
CASES = [(classifier, "conv2", 3), (classifier, "block", 6), (classifier, "scores", 2), (grey_network, "conv2", 1)]


def score(network: Network, target: Target, tensor: np.ndarray) -> float:
    """The mean response of a filter, from the network's Keras model."""
    return float(network.respond_to_input(tensor, target.layer)[..., target.filter].astype(np.float64).mean())


@pytest.mark.parametrize(("make", "layer", "number"), CASES)
def test_the_gradient_is_that_of_finite_differences(make: Callable[[], Network], layer: str, number: int) -> None:
    network, target = make(), Target(layer, number)
    tensor = network.input_domain.to_network(CLIP)
    found, gradient = score_gradient(network, target, tensor)
    assert found == pytest.approx(score(network, target, tensor), rel=1e-4, abs=1e-5)
    random = np.random.default_rng(0)
    for _ in range(4):  # along random directions, since the difference of one pixel drowns in float32
        direction = np.sign(random.standard_normal(tensor.shape)).astype(np.float32)
        direction = np.where(random.random(tensor.shape) < 0.5, np.sign(gradient), direction).astype(np.float32)
        step = np.float32(2e-4)
        difference = score(network, target, tensor + step * direction) - score(
            network, target, tensor - step * direction
        )
        assert float((gradient.astype(np.float64) * direction).sum()) == pytest.approx(
            difference / (2 * step), rel=0.02
        )


@pytest.mark.parametrize(("make", "layer", "number"), CASES)
def test_saliency_is_the_norm_of_the_gradient(make: Callable[[], Network], layer: str, number: int) -> None:
    network, target = make(), Target(layer, number)
    found = saliency(network, target, CLIP)
    assert found.values.shape == (8, 48, 48)
    assert found.values.dtype == np.float32
    _, gradient = score_gradient(network, target, network.input_domain.to_network(CLIP))
    assert np.allclose(
        found.values, np.sqrt(np.square(2 * gradient).sum(-1)), rtol=1e-4, atol=1e-9
    )  # black to white: 2


@pytest.mark.parametrize(("make", "layer", "number"), CASES)
def test_integrated_gradients_sum_to_the_difference(make: Callable[[], Network], layer: str, number: int) -> None:
    network, target = make(), Target(layer, number)
    found = integrated_gradients(network, target, CLIP)
    grey = score(network, target, np.zeros((*CLIP.shape[:3], network.input_domain.channels), np.float32))
    whole = score(network, target, network.input_domain.to_network(CLIP)) - grey
    assert float(found.values.astype(np.float64).sum()) == pytest.approx(whole, rel=0.0101)
    assert found.baseline_score == pytest.approx(grey, rel=1e-4, abs=1e-6)


def test_integrated_gradients_are_the_mean_gradient_times_the_way() -> None:
    network, target = classifier(), Target("block", 6)
    found = integrated_gradients(network, target, CLIP)
    way = network.input_domain.to_network(CLIP)  # from grey, which is 0
    shares = (np.arange(100) + 0.5) / 100
    mean = np.mean([score_gradient(network, target, np.float32(share) * way)[1] for share in shares], 0)
    expected = (way * mean).sum(-1)
    assert np.linalg.norm(found.values - expected) < 0.03 * np.linalg.norm(expected)


def test_grad_cam_weighs_filters_by_finite_differences() -> None:
    """The weights by adding a little to one filter of the earlier layer everywhere, through the later layers alone."""
    network, target = classifier(), Target("scores", 2)
    found = grad_cam(network, target, CLIP)
    assert found.at == "block"
    at = network.respond(CLIP, "block").astype(np.float64)
    kernel, bias = (each.astype(np.float64) for each in network.weights("scores"))

    def scores(block: np.ndarray) -> float:
        t, h, w, filters = block.shape
        pooled = block.reshape(t // 2, 2, h // 4, 4, w // 4, 4, filters).mean((1, 3, 5))
        return float(pooled.reshape(-1) @ kernel[:, 2] + bias[2])

    count = at[..., 0].size
    weights = []
    for filter_ in range(at.shape[3]):
        more = at.copy()
        more[..., filter_] += 1e-3
        weights.append((scores(more) - scores(at)) / 1e-3 / count)
    expected = np.maximum((at * weights).sum(-1), 0)
    factors = [new / old for new, old in zip(CLIP.shape[:3], expected.shape, strict=True)]
    expected = np.asarray(ndimage.zoom(expected, factors, order=1, mode="nearest", grid_mode=True))
    assert found.values.shape == (8, 48, 48)
    assert np.allclose(found.values, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_grad_cam_takes_the_layer_through_which_everything_passes() -> None:
    network = classifier()
    assert grad_cam(network, Target("block", 6), CLIP).at == "conv2"
    assert grad_cam(network, Target("conv2", 1), CLIP).at == "conv1"
    assert grad_cam(network, Target("scores", 1), CLIP, "conv2").at == "conv2"
    assert grad_cam(grey_network(), Target("conv2", 1), CLIP).values.shape == (8, 48, 48)
    with pytest.raises(InvalidSpec, match="Take the saliency"):
        grad_cam(network, Target("conv1", 1), CLIP)
    with pytest.raises(InvalidSpec, match="does not read"):
        grad_cam(network, Target("conv2", 1), CLIP, "block")
