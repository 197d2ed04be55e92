"""The palette that GIFs are made with."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from c3dvis.media import quantize


def mean_square_error(clip: np.ndarray, shown: np.ndarray) -> float:
    return float(np.mean((clip.astype(np.float64) - shown) ** 2))


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(*(st.integers(1, 8) for _ in range(3)), st.just(3)),
        elements=st.integers(0, 255),
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_colour_of_a_small_clip_is_kept(clip: np.ndarray) -> None:
    indices, palette = quantize(clip)
    assert indices.shape == clip.shape[:3]
    assert len(palette) <= 256
    if len(np.unique(clip.reshape(-1, 3), axis=0)) <= 256:
        np.testing.assert_array_equal(palette[indices], clip)


def test_every_pixel_gets_its_nearest_colour() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    indices, palette = quantize(clip)
    distances = ((clip[..., None, :].astype(int) - palette.astype(int)) ** 2).sum(axis=-1)
    chosen = np.take_along_axis(distances, indices[..., None].astype(int), axis=-1)[..., 0]
    np.testing.assert_array_equal(chosen, distances.min(axis=-1))


@pytest.mark.parametrize("spread", [20, 60])
def test_it_is_better_than_a_median_cut(spread: int) -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(128, spread, (4, 12, 12, 3)).repeat(4, axis=1).repeat(4, axis=2)
    clip = np.clip(base + rng.normal(0, 6, base.shape), 0, 255).astype(np.uint8)
    indices, palette = quantize(clip)
    tall = Image.fromarray(clip.reshape(-1, clip.shape[2], 3))
    median_cut = tall.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    theirs = mean_square_error(clip, np.asarray(median_cut).reshape(clip.shape))
    assert mean_square_error(clip, palette[indices]) < 0.8 * theirs


def test_the_same_clip_gets_the_same_palette() -> None:
    clip = np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    first, second = quantize(clip), quantize(clip.copy())
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
