"""Durations as text, and the one estimate of the time left."""

import pytest

from c3dvis.durations import duration, seconds_left, seconds_per_unit, time_left


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1 s"), (12.4, "12 s"), (89, "89 s"), (91, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_duration_as_text(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert time_left(seconds) == f"about {text} left"


def test_no_estimate_without_progress() -> None:
    assert seconds_per_unit([]) is seconds_per_unit([(3, 1.0)]) is seconds_per_unit([(3, 1.0), (3, 9.0)]) is None
    assert seconds_left(None, 5) is None
    assert time_left(None) == ""


def test_pace_is_the_mean_between_the_first_and_the_last_report() -> None:
    assert seconds_per_unit([(10, 5.0), (11, 100.0), (14, 7.0)]) == 0.5


def test_time_left_shrinks_with_the_time_since_the_report_and_is_never_negative() -> None:
    assert seconds_left(0.5, 20) == 10
    assert seconds_left(0.5, 20, elapsed=4) == 6
    assert seconds_left(0.5, 20, elapsed=40) == 0
