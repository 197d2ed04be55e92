"""Resamples of windows and filters, for the interval of a measure: windows of one file are drawn together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 1000
_INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True, eq=False)
class LayerMeasure:
    """A measure of a layer's synthetic clips on real windows.

    Attributes:
        mean: over filters, of `by_filter`.
        low, high: its 95 % interval, from resampling files and filters.
        by_filter: (filters,) float64; NaN for a filter on which the windows say nothing.
        filters: numbers of the filters that have a synthetic clip, in the order of `by_filter`.
        windows, files: how many it rests on.
    """

    mean: float
    low: float
    high: float
    by_filter: np.ndarray
    filters: tuple[int, ...]
    windows: int
    files: int


def interval(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray], files: np.ndarray, filters: int, seed: int
) -> tuple[float, float]:
    """The 95 % interval of a measure's mean over filters.

    Args:
        measure: from the indices of some windows and of some filters to a value for each of these filters, or NaN.
        files: (windows,) number of the file of each window.
        filters: how many there are.
        seed: of the resampling.
    """
    found = [measure(rows, columns) for rows, columns in _resamples(files, filters, seed)]
    low, high = np.percentile([np.nanmean(each) for each in found if not np.isnan(each).all()], _INTERVAL)
    return float(low), float(high)


def _resamples(files: np.ndarray, filters: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(seed)
    names = np.unique(files)
    places = {name: np.flatnonzero(files == name) for name in names}
    if len(names) == 1:  # of a single file, its windows are all there is to resample
        names, places = np.arange(len(files)), {index: np.array([index]) for index in range(len(files))}
    for _ in range(_RESAMPLES):
        rows = np.concatenate([places[name] for name in random.choice(names, len(names))])
        yield rows, random.choice(filters, filters)
