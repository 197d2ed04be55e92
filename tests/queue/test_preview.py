"""Previews stay small, keep their shape and look like what they were."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from c3dvis.queue.preview_image import MAX_BYTES, decode, encode


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(1, 40), height=st.integers(1, 200), width=st.integers(1, 200), seed=st.integers(0, 9))
def test_any_clip_fits_even_noise(frames: int, height: int, width: int, seed: int) -> None:
    clip = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    count, data = encode(clip)
    assert len(data) <= MAX_BYTES
    back = decode(count, data)
    assert back.dtype == np.uint8
    assert back.shape[0] == count <= frames
    assert back.shape[1] <= height
    assert back.shape[2] <= width
    assert back.shape[3] == 3
    assert not back.flags.writeable


def test_small_clip_keeps_its_size_and_looks() -> None:
    t, y, x = np.meshgrid(np.arange(16), np.arange(56), np.arange(56), indexing="ij")
    clip = np.stack([128 + 100 * np.sin(x / 9 + t / 3), 128 + 100 * np.sin(y / 9), 8 * t], axis=-1).astype(np.uint8)
    back = decode(*encode(clip))
    assert back.shape == clip.shape
    assert np.abs(back.astype(float) - clip).mean() < 4


def test_large_clip_keeps_its_proportions() -> None:
    clip = np.zeros((16, 224, 112, 3), np.uint8)
    clip[:, :112] = (250, 10, 10)
    back = decode(*encode(clip))
    assert back.shape == (16, 112, 56, 3)
    assert back[0, 20, 20, 0] > 230
    assert back[0, -20, 20, 0] < 20
