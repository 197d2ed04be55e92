"""Heat maps over clips: positions, colours, key."""

import matplotlib as mpl
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from c3dvis.media.overlay import colour_table, css_gradient, key_texts, overlay, scale_of, spread, with_key

GREY = np.full((6, 20, 24, 3), 120, np.uint8)


def test_positions_lie_in_the_middle_of_their_share():
    """Compared with SciPy's interpolation at the same places."""
    values = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    size = (7, 20, 24)
    places = [np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1) for n, m in zip(size, values.shape, strict=True)]
    expected = map_coordinates(values, np.meshgrid(*places, indexing="ij"), order=1)
    np.testing.assert_allclose(spread(values, size), expected, atol=1e-5)
    np.testing.assert_array_equal(spread(values, values.shape), values)
    np.testing.assert_array_equal(spread(values[:1, :1, :1], size), values[0, 0, 0])


def test_colours_are_the_map_s_over_grey():
    values = np.zeros((6, 20, 24), np.float32)
    values[2, 5, 7], values[3, 5, 7] = 4.0, -4.0
    shown = overlay(GREY, values, opacity=1.0)
    strongest = np.rint(255 * np.array(mpl.colormaps["inferno"](1.0)[:3]))
    np.testing.assert_array_equal(shown[2, 5, 7], strongest)
    assert len(np.unique(shown[0].reshape(-1, 3), axis=0)) == 1  # where nothing responds the clip is grey
    np.testing.assert_array_equal(shown[3, 5, 7], shown[0, 0, 0])  # below 0 counts as 0
    signed = overlay(GREY, values, signed=True, opacity=1.0)
    assert signed[2, 5, 7, 0] > signed[2, 5, 7, 2]  # above 0 is red
    assert signed[3, 5, 7, 2] > signed[3, 5, 7, 0]  # below 0 is blue


def test_a_stronger_value_is_never_darker():
    """Perceptually uniform: the lightness of the colours rises in equal steps (CIE 1976 L*)."""
    linear = (colour_table().astype(float) / 255) ** 2.2
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
    steps = np.diff(lightness[::16])
    assert (steps > 0).all()
    assert steps[1:].max() < 2.5 * steps[1:].min()


@pytest.mark.parametrize(("values", "strongest"), [([0, 2, 1], 2), ([-3, 2], 3), ([0], 0)])
def test_the_scale_ends_at_the_strongest(values, strongest):
    assert scale_of(np.array(values, np.float32)) == strongest
    shown = overlay(GREY[:1, :1], np.array(values, np.float32).reshape(1, 1, -1))
    assert shown.dtype == np.uint8  # also where every value is 0


def test_a_scale_may_be_shared_by_two_overlays():
    low, high = np.full((1, 1, 1), 1.0), np.full((1, 1, 1), 2.0)
    assert not np.array_equal(overlay(GREY, low, strongest=2.0), overlay(GREY, high, strongest=2.0))
    np.testing.assert_array_equal(overlay(GREY, low), overlay(GREY, high))


def test_the_key_has_the_colours_and_the_values():
    assert key_texts(12.345) == ("0", "12.3")
    assert key_texts(0.5, signed=True) == ("-0.5", "0.5")
    assert css_gradient().startswith("linear-gradient(90deg, #000004")
    keyed = with_key(np.zeros((2, 40, 112, 3), np.uint8), 12.345)
    assert keyed.shape == (2, 62, 112, 3)
    row = {tuple(pixel) for pixel in keyed[0, 51]}
    assert tuple(colour_table()[0]) in row
    assert tuple(colour_table()[255]) in row
    assert with_key(np.zeros((1, 8, 16, 3), np.uint8), 1.0).shape == (1, 30, 16, 3)  # too narrow for a bar
