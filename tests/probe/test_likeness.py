"""What another network says of synthetic clips, on features of which the truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from c3dvis.probe.likeness import _nearer, judge

WINDOWS, CLIPS, TOP = 120, 8, 9


def drawn(signal: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Responses, features of windows and of synthetic clips that show `signal` of what excites the filter, and files.

    Each window has a strength of each of eight causes; a filter responds to one, and the judge's features mix them.
    """
    random = np.random.default_rng(seed)
    causes, mixed = random.random((WINDOWS, CLIPS)), random.normal(size=(CLIPS, 30))
    shown = signal * np.eye(CLIPS) + (1 - signal) * random.random((CLIPS, CLIPS))
    features = causes @ mixed + 0.05 * random.normal(size=(WINDOWS, 30))
    return causes.astype(np.float32), features, shown @ mixed, np.arange(WINDOWS) // 10


def test_clips_that_show_the_cause_are_nearer_to_the_top_and_random_ones_are_not() -> None:
    for signal, holds in ((1.0, lambda found: found.low > 0.6), (0.0, lambda found: found.low < 0.5 < found.high)):
        real, features, synthetic, files = drawn(signal)
        found = judge(real, features, synthetic, tuple(range(CLIPS)), files, TOP)
        assert not isinstance(found, str)
        assert found.low <= found.mean <= found.high
        assert holds(found), (signal, found)
        assert (found.windows, found.files) == (WINDOWS, 12)


def test_one_clip_for_all_filters_gains_nothing() -> None:
    """Clips that only look like the windows that excite many filters are no evidence for any."""
    real, features, synthetic, files = drawn(1.0)
    found = judge(real, features, synthetic[[0] * CLIPS], tuple(range(CLIPS)), files, TOP)
    assert not isinstance(found, str)
    assert found.by_filter[0] == found.by_filter.max() > 0.75
    assert np.delete(found.by_filter, 0).max() < 0.5


@given(
    arrays(np.float64, (12, 3), elements=st.integers(0, 4).map(float)),
    arrays(np.float64, (12, 3), elements=st.integers(0, 4).map(float)),
    st.integers(1, 6),
)
def test_the_share_is_that_of_all_pairs(similar: np.ndarray, responses: np.ndarray, count: int) -> None:
    found = _nearer(similar, responses, count)
    for column in range(3):
        ordered = np.sort(responses[:, column])
        least, most = ordered[-count], ordered[count - 1]
        top = similar[responses[:, column] >= least, column]
        bottom = similar[responses[:, column] <= most, column]
        if least <= most:
            assert np.isnan(found[column])
        else:
            won = [(a > b) + 0.5 * (a == b) for a in top for b in bottom]
            assert found[column] == pytest.approx(np.mean(won))


def test_too_little_to_judge_is_said() -> None:
    real, features, synthetic, files = drawn(1.0)
    numbers = tuple(range(CLIPS))
    assert "there are 9 windows" in str(judge(real[:9], features[:9], synthetic, numbers, files[:9], TOP))
    assert "3 filters" in str(judge(real, features, synthetic[:3], (0, 1, 2), files, TOP))
    assert "alike" in str(judge(np.ones_like(real), features, synthetic, numbers, files, TOP))
