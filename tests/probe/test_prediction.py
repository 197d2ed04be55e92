"""The measure of a layer's synthetic clips, on responses of which the truth is known."""

import numpy as np
import pytest
from scipy import stats

from c3dvis.probe.prediction import predict, similarities

WINDOWS, FILTERS, CLIPS = 120, 40, 12


def drawn(signal: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Responses to windows and synthetic clips that share `signal` of their causes, and files of ten windows each.

    Each window has a strength of each of five causes, and each filter responds to some of them. A filter's synthetic
    clip has the causes that it responds to.
    """
    random = np.random.default_rng(seed)
    causes, reads = random.random((WINDOWS, 5)), random.random((5, FILTERS)) ** 4
    real = causes @ reads + 0.02 * random.random((WINDOWS, FILTERS))
    own = reads[:, :CLIPS].T / reads[:, :CLIPS].max(0)[:, np.newaxis]
    other = random.random((CLIPS, 5))
    synthetic = (signal * own + (1 - signal) * other) @ reads
    return real.astype(np.float32), synthetic.astype(np.float32), np.arange(WINDOWS) // 10


def test_clips_that_show_the_cause_predict_and_random_ones_do_not() -> None:
    for signal, holds in ((1.0, lambda p: p.low > 0.3), (0.0, lambda p: p.low < 0 < p.high)):
        real, synthetic, files = drawn(signal)
        found = predict(real, synthetic, tuple(range(CLIPS)), files)
        assert not isinstance(found, str)
        assert found.low <= found.mean <= found.high
        assert holds(found), (signal, found)
        assert (found.windows, found.files) == (WINDOWS, 12)


def test_the_correlation_of_a_filter_is_spearmans() -> None:
    real, synthetic, files = drawn(0.7)
    found = predict(real, synthetic, tuple(range(CLIPS)), files)
    assert not isinstance(found, str)
    similar = similarities(real, synthetic, tuple(range(CLIPS)))
    for number in range(CLIPS):
        expected = stats.spearmanr(similar[:, number], real[:, number]).statistic
        assert found.by_filter[number] == pytest.approx(expected)


def test_a_filter_does_not_predict_itself() -> None:
    real, synthetic, _ = drawn(0.5)
    before = similarities(real, synthetic, (4,) * CLIPS)
    real[:, 4] *= np.linspace(0.2, 3, WINDOWS, dtype=np.float32)
    synthetic[:, 4] = 99
    assert np.allclose(similarities(real, synthetic, (4,) * CLIPS), before)


def test_more_windows_make_the_interval_narrower() -> None:
    real, synthetic, files = drawn(0.7)
    few = predict(real[:30], synthetic, tuple(range(CLIPS)), files[:30])
    many = predict(real, synthetic, tuple(range(CLIPS)), files)
    assert not isinstance(few, str)
    assert not isinstance(many, str)
    assert many.high - many.low < few.high - few.low


def test_too_little_to_measure_is_said() -> None:
    real, synthetic, files = drawn(1.0)
    assert "there are 9 windows" in str(predict(real[:9], synthetic, tuple(range(CLIPS)), files[:9]))
    assert "3 filters" in str(predict(real, synthetic[:3], (0, 1, 2), files))
    silent = np.zeros_like(real)
    assert "No window excites" in str(predict(silent, synthetic, tuple(range(CLIPS)), files))
