"""Whether synthetic clips look like real windows that excite their filters, to another network.

The filters' own network cannot be asked whether its pictures are true: what excites its layer is what it looks for in
both. Another network, the judge, was trained otherwise, and has never seen the synthetic clips. docs/method.md has the
definition.
"""

import numpy as np

from c3dvis.probe.prediction import LEAST_FILTERS, LEAST_WINDOWS, similarities
from c3dvis.probe.resampling import LayerMeasure, interval


def judge(
    real: np.ndarray,
    judged_real: np.ndarray,
    judged_synthetic: np.ndarray,
    filters: tuple[int, ...],
    files: np.ndarray,
    top: int,
    seed: int = 0,
) -> LayerMeasure | str:
    """The likeness of a layer's clips; or why there is none, one sentence.

    By filter it is the chance that one of the top windows is more like the synthetic clip than one of the bottom
    windows. 1: all are, 0.5: as by chance.

    Args:
        real: (windows, all filters) float32 mean responses of the layer to real windows.
        judged_real: (windows, features) float32 of the judge, to the same windows.
        judged_synthetic: (clips, features) float32 of the judge, to the synthetic clips.
        filters: number of the filter of each synthetic clip.
        files: (windows,) number of the file of each window: windows of one file are resampled together.
        top: windows at the top, and at the bottom, of each filter; those with the same response as the last come too.
        seed: of the resampling.
    """
    count = min(top, len(real) // 2)
    if len(real) < LEAST_WINDOWS or len(filters) < LEAST_FILTERS:
        return (
            f"A judge takes {LEAST_WINDOWS} windows and {LEAST_FILTERS} filters with a stored synthetic clip; there "
            f"are {len(real)} windows and {len(filters)} filters."
        )
    own = real[:, list(filters)]
    similar = similarities(judged_real, judged_synthetic)

    def measure(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return _nearer(similar[rows][:, columns], own[rows][:, columns], count)

    by_filter = _nearer(similar, own, count)
    if np.isnan(by_filter).all():
        return "All windows excite the filters that have a stored synthetic clip alike."
    low, high = interval(measure, files, len(filters), seed)
    return LayerMeasure(float(np.nanmean(by_filter)), low, high, by_filter, filters, len(real), len(np.unique(files)))


def _nearer(similar: np.ndarray, responses: np.ndarray, count: int) -> np.ndarray:
    """By column, the share of pairs of a top and a bottom window in which the top one has the higher similarity.

    Equal similarities count as half. NaN where the top and the bottom windows cannot be told apart.
    """
    least = np.partition(responses, -count, axis=0)[-count]
    most = np.partition(responses, count - 1, axis=0)[count - 1]
    top, bottom = responses >= least, responses <= most
    pairs = top.sum(0) * bottom.sum(0)
    wins = np.zeros(similar.shape[1])
    for last in (
        top,
        bottom,
    ):  # of windows with the same similarity, first all top ones, then all bottom ones come last
        order = np.lexsort((last, similar), axis=0)
        below = np.cumsum(np.take_along_axis(bottom, order, 0), 0)
        wins += (below * np.take_along_axis(top, order, 0)).sum(0) / 2
    return np.divide(wins, pairs, out=np.full(len(wins), np.nan), where=least > most)
