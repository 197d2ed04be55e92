"""Whether a layer's synthetic clips predict which real windows excite its filters: one correlation per layer.

A window is like a filter's synthetic clip as far as the layer's other filters respond to both alike. The filter itself
is left out, since its response to a window is what is to be predicted. docs/method.md has the definition.
"""

import numpy as np
from scipy import stats

from c3dvis.probe.resampling import LayerMeasure, interval

LEAST_WINDOWS = 10
LEAST_FILTERS = 5


def predict(
    real: np.ndarray, synthetic: np.ndarray, filters: tuple[int, ...], files: np.ndarray, seed: int = 0
) -> LayerMeasure | str:
    """The prediction of a layer; or why there is none, one sentence.

    By filter it is the rank correlation over windows of similarity and response. 1: the windows rank as predicted, 0:
    as by chance.

    Args:
        real: (windows, all filters) float32 mean responses to real windows.
        synthetic: (clips, all filters) float32 mean responses to the synthetic clips.
        filters: number of the filter of each synthetic clip.
        files: (windows,) number of the file of each window: windows of one file are resampled together.
        seed: of the resampling.
    """
    if len(real) < LEAST_WINDOWS or len(filters) < LEAST_FILTERS:
        return (
            f"The measure takes {LEAST_WINDOWS} windows and {LEAST_FILTERS} filters with a stored synthetic clip; "
            f"there are {len(real)} windows and {len(filters)} filters."
        )
    own = real[:, list(filters)]
    if not np.ptp(own, axis=0).any():
        return "No window excites a filter with a stored synthetic clip."
    similar = similarities(real, synthetic, filters)
    by_filter = _rank_correlations(similar, own)
    if np.isnan(by_filter).all():
        return "The layer's other filters respond to all windows alike."

    def measure(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return _rank_correlations(similar[rows][:, columns], own[rows][:, columns])

    low, high = interval(measure, files, len(filters), seed)
    return LayerMeasure(float(np.nanmean(by_filter)), low, high, by_filter, filters, len(real), len(np.unique(files)))


def similarities(real: np.ndarray, synthetic: np.ndarray, filters: tuple[int, ...] | None = None) -> np.ndarray:
    """(windows, clips) float64: correlation over a layer's filters of the responses to both.

    Each filter's responses are standardised over the real windows first; a filter that none excites is left out.

    Args:
        real: (windows, all filters) float32 mean responses to real windows.
        synthetic: (clips, all filters) float32 mean responses to the synthetic clips.
        filters: of each clip, the number of a filter that is left out too; by default none is.
    """
    average, deviation = real.mean(0, dtype=np.float64), real.std(0, dtype=np.float64)
    responds = deviation > 1e-9 * max(1e-30, float(deviation.max()))
    standard = (real[:, responds] - average[responds]) / deviation[responds]
    of_clips = (synthetic[:, responds] - average[responds]) / deviation[responds]
    numbers = np.flatnonzero(responds)
    columns = []
    for clip, number in zip(of_clips, filters or (-1,) * len(of_clips), strict=True):
        others = numbers != number
        if not others.any():
            columns.append(np.zeros(len(real)))
            continue
        windows, clip = standard[:, others], clip[others]
        windows = windows - windows.mean(1, keepdims=True)
        clip = clip - clip.mean()
        norm = np.linalg.norm(windows, axis=1) * np.linalg.norm(clip)
        columns.append(np.divide(windows @ clip, norm, out=np.zeros(len(windows)), where=norm > 0))
    return np.stack(columns, 1)


def _rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each pair of columns; NaN where one is constant."""
    a, b = (stats.rankdata(each, axis=0) for each in (first, second))
    a, b = a - a.mean(0), b - b.mean(0)
    norm = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return np.divide((a * b).sum(0), norm, out=np.full(a.shape[1], np.nan), where=norm > 0)
