"""The measures: on clips whose answer is known, and on a real filter."""

from typing import Any

import numpy as np
import pytest

import c3dvis
from c3dvis.maximize.phase_twins import at_contrast, phase_twins
from c3dvis.maximize.quality import Quality, coherence, repetition, rescaled, shifted
from c3dvis.networks.compute.network import Network
from c3dvis.results.interpretation import interpret
from tests.maximize.small_c3d import SIZE, small_c3d

NOISE = np.random.RandomState(0).randint(0, 256, (8, 64, 64, 3), np.uint8)


def smooth_noise(size, seed=1):
    from scipy import ndimage

    noise = np.random.RandomState(seed).normal(size=(*size, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 0), mode="wrap")
    return np.clip(128 + 300 * smooth, 0, 255).astype(np.uint8)


def test_coherence_is_one_for_a_still_and_near_nothing_for_noise():
    still = np.repeat(NOISE[:1], 8, axis=0)
    assert coherence(still) == pytest.approx(1.0)
    assert abs(coherence(NOISE) or 1) < 0.08  # the best of 49 alignments is a little above 0
    assert coherence(np.full((4, 64, 64, 3), 9, np.uint8)) == 1.0
    assert coherence(NOISE[:1]) is None


def test_coherence_follows_movement_up_to_three_pixels():
    picture = smooth_noise((1, 64, 64))[0]
    moving = np.stack([np.roll(picture, 3 * t, axis=1) for t in range(8)])
    jumping = np.stack([np.roll(picture, 11 * t, axis=1) for t in range(8)])
    assert (coherence(moving) or 0) > 0.95
    assert (coherence(jumping) or 1) < 0.5


def test_repetition_is_near_one_for_a_tiled_clip_and_small_for_another():
    tile = smooth_noise((4, 32, 32))
    assert repetition(np.tile(tile, (1, 2, 2, 1))) > 0.9
    assert abs(repetition(smooth_noise((4, 64, 64)))) < 0.2
    assert repetition(np.full((4, 64, 64, 3), 9, np.uint8)) == 0.0


def test_a_shift_moves_and_repeats_the_edge():
    moved = shifted(NOISE, (1, 4, -4))
    np.testing.assert_array_equal(moved[1:, 4:, :-4], NOISE[:-1, :-4, 4:])
    np.testing.assert_array_equal(moved[0], moved[1])
    np.testing.assert_array_equal(moved[:, 0], moved[:, 4])


def test_rescaling_keeps_flat_clips_and_the_centre():
    flat = np.full((2, 33, 33, 3), 77, np.uint8)
    np.testing.assert_array_equal(rescaled(flat, 0.92), flat)
    picture = smooth_noise((1, 33, 33))
    for factor in (0.92, 1.08):
        np.testing.assert_array_equal(rescaled(picture, factor)[0, 16, 16], picture[0, 16, 16])
    back = rescaled(rescaled(picture, 1.08), 1 / 1.08)
    assert np.abs(back[0, 8:-8, 8:-8].astype(int) - picture[0, 8:-8, 8:-8]).mean() < 4


@pytest.fixture(scope="module")
def quality(weights):
    spec = c3dvis.RenderSpec(layer="Conv3d_2c_3x3", filter=10, frames=8, height=64, width=64)
    return Quality(c3dvis.load_network(spec.network), spec)


def test_shown_activation_is_the_mean_response_to_the_bytes(quality):
    network = c3dvis.load_network("i3d-kinetics400")
    expected = network.respond(NOISE, "Conv3d_2c_3x3")[..., 10].mean()
    assert quality.shown_activation(NOISE) == pytest.approx(expected, rel=1e-4)


def test_noise_is_measured_over_eight_seeds_and_scores_as_noise(quality):
    network = c3dvis.load_network("i3d-kinetics400")
    clips = [np.random.RandomState(s).randint(0, 256, (8, 64, 64, 3), np.uint8) for s in range(8)]
    expected = [network.respond(clip, "Conv3d_2c_3x3")[..., 10].mean() for clip in clips]
    metrics = quality.measure(NOISE)
    assert metrics["noise_activation"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert metrics["noise_deviation"] == pytest.approx(np.std(expected), rel=1e-2)
    assert metrics["gain"] == pytest.approx(1, abs=0.1)
    assert metrics["dead"] is False


def test_a_rendered_filter_beats_noise_in_every_measure(weights):
    result = c3dvis.render(
        c3dvis.RenderSpec(layer="Conv3d_2c_3x3", filter=10, frames=8, height=64, width=64, iterations=40)
    )
    metrics: Any = result.metrics
    noise, deviation = metrics["noise_activation"], metrics["noise_deviation"]
    assert metrics["shown_activation"] > noise + 10 * deviation
    assert metrics["gain"] == pytest.approx(metrics["shown_activation"] / noise)
    assert metrics["robustness"] > 0.7
    assert metrics["selectivity"] <= 30
    assert metrics["coherence"] > 0.3
    assert metrics["contrast"] == pytest.approx(result.clip.std())
    assert metrics["contrast"] > 10
    assert metrics["twin_gain"] > 1.3
    assert result.history[-1]["shown_activation"] == pytest.approx(metrics["shown_activation"], rel=1e-5)
    assert [row["step"] for row in result.history] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 26, 28, 36, 40]


def test_a_filter_that_nothing_wakes_is_said_to_be_dead():
    network = small_c3d()
    kernel, bias = network.weights("conv2")
    kernel[..., 3], bias[3] = 0.0, -1.0  # silent whatever comes in
    silenced = Network(network.info, {**{n: network.weights(n) for n in ("conv1",)}, "conv2": (kernel, bias)})
    silenced.fingerprint = "silenced"
    clip = np.random.RandomState(0).randint(0, 256, (*SIZE, 3), np.uint8)
    frames, height, width = SIZE
    for index, dead in ((3, True), (2, False)):
        spec = c3dvis.RenderSpec(layer="conv2", filter=index, frames=frames, height=height, width=width)
        metrics = Quality(silenced, spec).measure(clip)
        assert metrics["dead"] is dead
        assert (metrics["gain"] is None) is dead


FLAT = np.full((8, 64, 64, 3), (90, 128, 150), np.uint8)
BLURRED = smooth_noise((8, 64, 64))


@pytest.mark.parametrize("clip", [FLAT, BLURRED, NOISE], ids=["flat", "blurred", "noise"])
def test_a_clip_without_shapes_has_no_gain(quality, clip):
    """Whatever it gets for its colours and smoothness, its twins get too."""
    metrics = quality.measure(clip)
    assert metrics["shown_activation"] > 0
    assert 0.75 < metrics["twin_gain"] < 1.3
    assert metrics["twin_activation"] == pytest.approx(metrics["shown_activation"] / metrics["twin_gain"], rel=1e-3)
    assert "good" not in {
        each.tone for each in interpret(c3dvis.RenderSpec(), metrics, filters=192)
    }  # a flat clip is steady, and no more


def test_neither_a_start_nor_a_scrambled_picture_has_a_gain(weights):
    spec = c3dvis.RenderSpec(layer="Mixed_3b", filter=57, iterations=144, frames=8, height=64, width=64)
    picture = c3dvis.render(spec)
    quality = Quality(c3dvis.load_network(spec.network), spec)
    start = c3dvis.render(spec.replace(iterations=0))
    scrambled = [quality.measure(twin) for twin in phase_twins(picture.clip, seeds=(100, 101, 102))]
    gains: list[Any] = [metrics["twin_gain"] for metrics in (picture.metrics, start.metrics, *scrambled)]
    assert gains[0] > 3
    assert max(gains[1:]) < 1.3


def test_strength_is_the_same_whatever_the_contrast(quality):
    """Of one picture at several contrasts, as long as nothing is clipped."""
    values: list[Any] = [quality.measure(at_contrast(BLURRED, deviation)) for deviation in (15, 25, 35)]
    assert max(v["shown_activation"] for v in values) > 1.05 * min(v["shown_activation"] for v in values)
    strengths = [v["strength"] for v in values]
    assert max(strengths) < 1.02 * min(strengths)
