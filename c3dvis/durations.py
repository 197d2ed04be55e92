"""Durations as text, and estimates of the time left, in the same form on the page and on the command line."""

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """Seconds as text that is short enough for a progress line: `12 s`, `3 min`, `1.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def time_left(seconds: float | None) -> str:
    """`about 3 min left`; empty if there is no estimate."""
    return "" if seconds is None else f"about {duration(seconds)} left"


def seconds_per_unit(reports: Sequence[tuple[float, float]]) -> float | None:
    """How long one unit of work takes between the first and the last of some progress reports.

    Args:
        reports: (units of work done, seconds since any fixed moment), ascending.

    Returns:
        Seconds, or None if the reports show no progress.
    """
    if len(reports) < 2 or reports[-1][0] <= reports[0][0]:
        return None
    return (reports[-1][1] - reports[0][1]) / (reports[-1][0] - reports[0][0])


def seconds_left(pace: float | None, units: float, elapsed: float = 0.0) -> float | None:
    """An estimate of the seconds until some work is done, 0 or more.

    Args:
        pace: seconds per unit of work; None if it is not known, and then neither is the estimate.
        units: of work that were left at the latest progress report.
        elapsed: seconds since that report.
    """
    return None if pace is None else max(0.0, pace * units - elapsed)
