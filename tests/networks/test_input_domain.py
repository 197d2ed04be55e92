"""The map from displayed to network input is the same in NumPy and in TensorFlow, to the bit, and it has an inverse."""

import json

import numpy as np
import pytest
import tensorflow as tf

from c3dvis.networks.graph.input_domain import ArrayModule, InputDomain

TENSORFLOW = ArrayModule(tf.concat, tf.reverse)
MEAN = np.random.default_rng(0).uniform(90, 120, (9, 7, 3)).astype(np.float32)
DOMAINS = {
    "one": InputDomain((-1000.0,), (400.0,), "grey"),
    "two": InputDomain((0.0, -1.0), (1.0, 1.0), "planes"),
    "RGB": InputDomain((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
    "BGR": InputDomain((-107.0, -102.0, -95.0), (148.0, 153.0, 160.0), "BGR"),
    "mean image": InputDomain((-107.0, -102.0, -95.0), (148.0, 153.0, 160.0), "BGR", MEAN),
    "five": InputDomain((-1.0,) * 5, (1.0, 2.0, 3.0, 4.0, 5.0), "planes"),
    "five, others shown": InputDomain((-1.0,) * 5, (1.0, 2.0, 3.0, 4.0, 5.0), "planes", shown=(4, 0, 3)),
}


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_numpy_and_tensorflow_give_the_same_bits(domain: InputDomain) -> None:
    clip = np.random.default_rng(1).integers(0, 256, (4, 12, 10, 3), np.uint8)
    if domain.channels == 1:
        clip = np.repeat(clip[..., :1], 3, axis=-1)
    unit, bounds = clip.astype(np.float32) / np.float32(255), domain.bounds(12, 10)
    expected = domain.from_unit(unit, *bounds)
    np.testing.assert_array_equal(domain.from_unit(tf.constant(unit), *bounds, TENSORFLOW), expected)
    assert expected.shape == (4, 12, 10, domain.channels)
    shown = domain.to_display(expected)
    kept = min(domain.channels, 3)
    np.testing.assert_array_equal(shown[..., :kept], clip[..., :kept])
    if domain.channels != 1:  # the mean of three equal numbers may be rounded otherwise than the number
        np.testing.assert_array_equal(domain.to_network(clip), expected)


def test_channels_that_are_not_shown_follow_the_brightness() -> None:
    domain = DOMAINS["five, others shown"]
    unit = np.array([0.2, 0.5, 0.8], np.float32)
    tensor = domain.from_unit(unit, *domain.bounds(1, 1))
    np.testing.assert_allclose(
        (tensor + 1) / (np.array(domain.high, np.float32) + 1), [0.5, 0.5, 0.5, 0.8, 0.2], rtol=1e-6
    )


def test_the_canonical_form() -> None:
    for domain in DOMAINS.values():
        described = json.loads(json.dumps(domain.to_dict()))
        assert InputDomain.from_dict(described) == domain  # but for the mean image, of which it has the hash alone
        assert ("order" in described) == (domain.order != "RGB")
        assert ("mean_image" in described) == (domain.mean_image is not None)
    assert len({json.dumps(domain.to_dict()) for domain in DOMAINS.values()}) == len(DOMAINS)
    five = DOMAINS["five"].to_dict()
    outside, twice = five | {"shown": [0, 1, 5]}, five | {"shown": [0, 1, 1]}
    bounds = ({"low": [], "high": []}, {"low": [1.0], "high": [0.0]}, {"low": [0.0], "high": [1.0]})
    for wrong in (*bounds, outside, twice):
        with pytest.raises(ValueError, match=r"expected (a|three|channels)"):
            InputDomain.from_dict(wrong)


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_a_clip_of_the_networks_own_channels_is_taken_as_it_is(domain: InputDomain) -> None:
    unit = np.random.default_rng(3).random((2, 12, 10, domain.channels), np.float32)
    low, high = domain.bounds(12, 10)
    expected = unit * (high - low) + low
    if domain.order == "BGR":
        expected = expected[..., ::-1]
    np.testing.assert_array_equal(domain.to_network(unit), expected)
    coarse = np.round(unit * 255).astype(np.uint8)
    as_float = coarse / np.float32(255)
    np.testing.assert_array_equal(domain.to_network(coarse), domain.to_network(as_float))
    np.testing.assert_array_equal(domain.to_network(as_float.astype(np.float64)), domain.to_network(as_float))


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        (np.zeros((2, 4, 4, 4), np.uint8), r"\(T, H, W, 3\) or \(T, H, W, 5\)"),
        (np.zeros((2, 4, 4, 3), np.int32), "received .* int32"),
        (np.zeros((4, 4, 3), np.uint8), "received"),
        (np.full((2, 4, 4, 3), 1.5), "received values from 1.5 to 1.5"),
        (np.full((2, 4, 4, 5), np.nan), "received values from nan"),
    ],
)
def test_other_clips_are_refused(clip: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DOMAINS["five"].to_network(clip)
