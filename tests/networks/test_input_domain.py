"""The map from displayed to network input is the same in NumPy and in TensorFlow, to the bit, and it has an inverse."""

import json

import numpy as np
import pytest
import tensorflow as tf

from c3dvis.networks.graph.input_domain import WIDEST, InputDomain

MEAN = np.random.default_rng(0).uniform(90, 120, (9, 7, 3)).astype(np.float32)
DOMAINS = {
    "one": InputDomain((-1000.0,), (400.0,), "grey"),
    "two": InputDomain((0.0, -1.0), (1.0, 1.0), "planes"),
    "RGB": InputDomain((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
    "BGR": InputDomain((-107.0, -102.0, -95.0), (148.0, 153.0, 160.0), "BGR"),
    "mean image": InputDomain((-107.0, -102.0, -95.0), (148.0, 153.0, 160.0), "BGR", MEAN),
    "five": InputDomain((-1.0,) * 5, (1.0, 2.0, 3.0, 4.0, 5.0), "planes"),
    "five, three shown": InputDomain((-1.0,) * 5, (1.0, 2.0, 3.0, 4.0, 5.0), "planes", shown=(4, 0, 3)),
    "five, one shown": InputDomain((-1.0,) * 5, (1.0, 2.0, 3.0, 4.0, 5.0), "planes", shown=(4,)),
}


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_numpy_and_tensorflow_give_the_same_bits(domain: InputDomain) -> None:
    clip = np.random.default_rng(1).integers(0, 256, (4, 12, 10, domain.planes), np.uint8)
    if domain.channels == 1:
        clip = np.repeat(clip[..., :1], 3, axis=-1)
    unit, bounds = clip.astype(np.float32) / np.float32(255), domain.bounds(12, 10)
    expected = domain.from_unit(unit, *bounds)
    np.testing.assert_array_equal(domain.from_unit(tf.constant(unit), *bounds, tf.reverse), expected)
    assert expected.shape == (4, 12, 10, domain.channels)
    back = domain.to_clip(expected)
    np.testing.assert_array_equal(back[..., : domain.channels], clip[..., : domain.channels])
    if domain.channels != 1:  # the mean of three equal numbers may be rounded otherwise than the number
        np.testing.assert_array_equal(domain.to_network(clip), expected)


def test_the_picture_shows_the_chosen_channels() -> None:
    clip = np.random.default_rng(2).integers(0, 256, (2, 4, 6, 5), np.uint8)
    np.testing.assert_array_equal(DOMAINS["five, three shown"].picture(clip), clip[..., [4, 0, 3]])
    np.testing.assert_array_equal(DOMAINS["five, one shown"].picture(clip), clip[..., [4, 4, 4]])
    beside = DOMAINS["five"].picture(clip)
    assert beside.shape == (2, *DOMAINS["five"].picture_size(4, 6), 3) == (2, 4, 30, 3)
    for channel in range(5):
        np.testing.assert_array_equal(beside[:, :, 6 * channel : 6 * channel + 6], clip[..., [channel] * 3])
    colours = clip[..., :3]
    assert DOMAINS["BGR"].picture(colours) is colours


def test_many_channels_are_in_several_rows() -> None:
    domain = InputDomain((0.0,) * 7, (1.0,) * 7, "planes")
    side = WIDEST // 7 + 1
    clip = np.arange(7, dtype=np.uint8) * np.ones((1, side, side, 1), np.uint8)
    picture = domain.picture(clip)
    assert picture.shape == (1, *domain.picture_size(side, side), 3) == (1, 3 * side, 3 * side, 3)
    cells = picture[0, ::side, ::side, 0]
    np.testing.assert_array_equal(cells, [[0, 1, 2], [3, 4, 5], [6, 0, 0]])  # what is left stays black


def test_colours_go_to_the_shown_channels_and_their_mean_to_the_others() -> None:
    domain = DOMAINS["five, three shown"]
    tensor = domain.to_network(np.array([0.2, 0.5, 0.8], np.float32).reshape(1, 1, 1, 3))
    unit = (tensor[0, 0, 0] + 1) / (np.array(domain.high, np.float32) + 1)
    np.testing.assert_allclose(unit, [0.5, 0.5, 0.5, 0.8, 0.2], rtol=1e-6)


def test_the_canonical_form() -> None:
    for domain in DOMAINS.values():
        described = json.loads(json.dumps(domain.to_dict()))
        assert InputDomain.from_dict(described) == domain  # but for the mean image, of which it has the hash alone
        assert ("order" in described) == (domain.order != "RGB")
        assert ("mean_image" in described) == (domain.mean_image is not None)
    assert len({json.dumps(domain.to_dict()) for domain in DOMAINS.values()}) == len(DOMAINS)
    five = DOMAINS["five"].to_dict()
    outside, twice, two = (five | {"shown": shown} for shown in ([0, 1, 5], [0, 1, 1], [0, 1]))
    of_three = DOMAINS["RGB"].to_dict() | {"shown": [0, 1, 2]}
    bounds = ({"low": [], "high": []}, {"low": [1.0], "high": [0.0]}, {"low": [0.0], "high": [1.0]})
    for wrong in (*bounds, outside, twice, two, of_three):
        with pytest.raises(ValueError, match=r"expected (a|three|no)"):
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
        (np.zeros((2, 4, 4, 4), np.uint8), r"is \(T, H, W, 3\) or \(T, H, W, 5\), of uint8"),
        (np.zeros((2, 4, 4, 5), np.int32), "received .* int32"),
        (np.zeros((4, 4, 3), np.uint8), "received"),
        (np.full((2, 4, 4, 5), 1.5), "received values from 1.5 to 1.5"),
        (np.full((2, 4, 4, 5), np.nan), "received values from nan"),
    ],
)
def test_other_clips_are_refused(clip: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DOMAINS["five"].to_network(clip)
