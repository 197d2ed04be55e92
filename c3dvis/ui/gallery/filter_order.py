"""Which filters of a layer the Gallery shows, and in what order."""

from c3dvis.results.interpretation import Metrics
from c3dvis.ui.gallery.page_state import GalleryState
from c3dvis.ui.gallery.renders import LayerRenders
from c3dvis.ui.shared.server_resources import ServerResources


def ordered_filters(resources: ServerResources, state: GalleryState, renders: LayerRenders) -> list[int]:
    """The numbers of the filters to show, according to `state.show` and `state.sort`."""
    numbers = range(len(renders.specs))
    if state.show == "missing":
        return [number for number in numbers if number not in renders.stored]
    if state.sort == "filter" and state.show in ("all", "rendered"):
        return [number for number in numbers if state.show == "all" or number in renders.stored]
    keys = {number: renders.keys[number] for number in sorted(renders.stored)}
    thumbnails = resources.store.thumbnails(list(keys.values()), images=False)
    metrics = {number: thumbnails[key].metrics for number, key in keys.items() if key in thumbnails}
    if state.show == "all":
        shown = list(numbers)
    elif state.show == "rendered":
        shown = list(metrics)
    else:
        shown = [number for number in metrics if bool(metrics[number].get("dead")) == (state.show == "dead")]
    if state.sort == "filter":
        return shown
    return sorted(shown, key=lambda number: _sort_key(metrics.get(number), state.sort))


def _sort_key(metrics: Metrics | None, sort: str) -> float:
    """Best filter first, then the dead ones, last the filters without a result."""
    if metrics is None:
        return float("inf")
    if metrics.get("dead"):
        return 1e30
    value = metrics.get("twin_gain" if sort == "gain" else sort)
    if value is None:  # the gain is undefined if no twin excites the filter at all, which is the best case
        return -1e30 if sort == "gain" and metrics.get("twin_activation") == 0 else 1e29
    return float(value) if sort == "selectivity" else -float(value)
