"""Phase-scrambled twins: what they share with their clip, and what they do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from c3dvis.maximize.phase_twins import at_contrast, clipped_share, phase_twins

AXES = (0, 1, 2)


def picture(size=(8, 32, 40), seed=0, deviation=30.0):
    """A smooth moving clip with a bright square, coloured channels, and no value near black or white."""
    noise = np.random.RandomState(seed).normal(size=(*size, 3))
    smooth = ndimage.gaussian_filter(noise, (1, 3, 3, 0), mode="wrap")
    smooth[:, 8:16, 8:16] += 3 * smooth.std()
    smooth @= np.array([[1, 0.8, 0.2], [0, 0.5, 0.3], [0, 0, 0.6]])  # correlated channels
    smooth = (smooth - smooth.mean(AXES)) / smooth.std()
    return np.clip(128 + deviation * smooth, 0, 255).astype(np.uint8)


def power(clip):
    return np.square(np.abs(np.fft.rfftn(clip.astype(float) - clip.mean(axis=AXES), axes=AXES)))


def test_a_twin_has_the_power_spectrum_the_means_and_the_deviations():
    clip = picture()
    (twin,) = phase_twins(clip, seeds=(0,))
    np.testing.assert_allclose(twin.mean(axis=AXES), clip.mean(axis=AXES), atol=0.2)
    np.testing.assert_allclose(twin.std(axis=AXES), clip.std(axis=AXES), atol=0.2)
    ours, theirs = power(clip), power(twin)
    strong = ours > np.quantile(ours, 0.9)  # above what rounding to bytes changes
    np.testing.assert_allclose(np.sqrt(theirs[strong]).sum(), np.sqrt(ours[strong]).sum(), rtol=0.02)
    assert np.corrcoef(np.log(ours[strong]), np.log(theirs[strong]))[0, 1] > 0.97


def test_the_channels_of_a_twin_stay_correlated_as_they_were():
    clip = picture()
    expected = np.corrcoef(clip.reshape(-1, 3).T)
    for twin in phase_twins(clip):
        np.testing.assert_allclose(np.corrcoef(twin.reshape(-1, 3).T), expected, atol=0.05)


def test_a_twin_has_none_of_the_shapes():
    clip = picture(size=(8, 64, 64))
    for twin in phase_twins(clip):
        assert abs(np.corrcoef(clip.ravel() - 128.0, twin.ravel() - 128.0)[0, 1]) < 0.35
    first, second = list(phase_twins(clip))[:2]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(next(iter(phase_twins(clip))), first)


@given(
    size=st.tuples(st.integers(1, 5), st.integers(8, 21), st.integers(8, 21)),
    deviation=st.floats(0.0, 70.0),
    seed=st.integers(0, 50),
)
@settings(max_examples=40, deadline=None)
def test_any_clip_has_twins_of_its_size_and_moments(size, deviation, seed):
    clip = picture(size, seed, deviation)
    for twin in phase_twins(clip, seeds=(seed,)):
        assert twin.shape == clip.shape
        assert twin.dtype == np.uint8
        np.testing.assert_allclose(twin.mean(axis=AXES), clip.mean(axis=AXES), atol=1.5)
        np.testing.assert_allclose(twin.std(axis=AXES), clip.std(axis=AXES), atol=1.5)


def test_a_flat_clip_is_its_own_twin_and_stays_flat_at_any_contrast():
    flat = np.full((4, 16, 16, 3), (3, 128, 250), np.uint8)
    for twin in phase_twins(flat):
        np.testing.assert_array_equal(twin, flat)
    grey = np.full((4, 16, 16, 3), 128, np.uint8)
    np.testing.assert_array_equal(at_contrast(grey), grey)


def test_equal_contrast_is_a_linear_change_about_the_mean():
    clip = picture(deviation=20.0)
    changed = at_contrast(clip, 40)
    expected = clip.mean() + (clip - clip.mean()) * 40 / clip.std()
    assert ((expected < 0) | (expected > 255)).mean() < 0.02
    np.testing.assert_allclose(changed, np.clip(expected, 0, 255), atol=0.51)


def test_clipped_values_are_the_nearly_black_and_nearly_white_ones():
    clip = np.full((1, 2, 2, 3), 100, np.uint8)
    assert clipped_share(clip) == 0
    clip[0, 0, 0] = (7, 8, 0)
    clip[0, 1, 1] = (248, 247, 255)
    assert clipped_share(clip) == pytest.approx(4 / 12)
