"""How the renders of a layer stand, in what order its filters are shown, and what starts and stops them.

Nothing is remembered here: what is stored says the store, what is under way says the queue, so that another tab, or the
same one after a reload, sees the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from c3dvis import durations
from c3dvis.errors import C3dvisError, WeightsMissing
from c3dvis.networks import registry
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderJob
from c3dvis.spec import RenderSpec
from c3dvis.ui.gallery.page_state import GalleryView
from c3dvis.ui.shared.services import Services

_PACE_OVER = 12  # latest renders from which the time left is estimated


@dataclass(frozen=True)
class Layer:
    """The filters of a layer at one moment, by number.

    Attributes:
        specs: of all of them.
        keys: where each is stored; empty texts where the network's weights are not here to tell.
        stored: those with a result.
        active: those waiting or being rendered, with their jobs.
        failed: those whose last render failed, with the reason.
    """

    specs: tuple[RenderSpec, ...]
    keys: tuple[str, ...]
    stored: set[int]
    active: dict[int, RenderJob]
    failed: dict[int, str]

    def state(self, number: int) -> str:
        """In the words of `wall.Cell`."""
        if number in self.active:
            return "running" if self.active[number].state == "running" else "queued"
        return "failed" if number in self.failed else "absent"


def look(shared: Services, specs: tuple[RenderSpec, ...]) -> Layer:
    """How they stand now."""
    try:
        fingerprint = installed_weights.fingerprint(registry.describe(specs[0].network))
    except WeightsMissing:
        return Layer(specs, ("",) * len(specs), set(), {}, {})
    keys = _keys(specs, fingerprint)
    there = shared.store.present(keys)
    stored = {number for number, key in enumerate(keys) if key in there}
    active: dict[int, RenderJob] = {}
    failed: dict[int, str] = {}
    for number, job in enumerate(map(shared.queue.job, keys)):
        if job and not job.is_finished:
            active[number] = job
        elif job and job.state == "failed" and number not in stored:
            failed[number] = str(job.error)
    return Layer(specs, keys, stored, active, failed)


@lru_cache(maxsize=8)
def _keys(specs: tuple[RenderSpec, ...], fingerprint: str) -> tuple[str, ...]:
    """Where their results are stored. Kept, as the specs are."""
    return tuple(spec.key(fingerprint) for spec in specs)


def arranged(shared: Services, seen: GalleryView, layer: Layer) -> list[int]:
    """The filters to show, in their order."""
    numbers = range(len(layer.specs))
    if seen.show == "missing":
        return [number for number in numbers if number not in layer.stored]
    if seen.sort == "filter" and seen.show in ("all", "rendered"):
        return [number for number in numbers if seen.show == "all" or number in layer.stored]
    thumbnails = shared.store.thumbnails([layer.keys[number] for number in sorted(layer.stored)], images=False)
    metrics = {
        number: thumbnails[layer.keys[number]].metrics for number in layer.stored if layer.keys[number] in thumbnails
    }
    if seen.show == "all":
        chosen = list(numbers)
    elif seen.show == "rendered":
        chosen = sorted(metrics)
    else:
        chosen = [number for number in sorted(metrics) if bool(metrics[number].get("dead")) == (seen.show == "dead")]
    if seen.sort == "filter":
        return chosen
    return sorted(chosen, key=lambda number: _rank(metrics.get(number), seen.sort))


def _rank(metrics: Mapping[str, float | int | bool | None] | None, sort: str) -> float:
    """Best first, dead ones after the living, and last what is not rendered; equals keep their order."""
    if metrics is None:
        return float("inf")
    if metrics.get("dead"):
        return 1e30
    value = metrics.get(sort)
    if value is None:  # a gain is undefined where noise excites nothing: that is the best there is
        return -1e30 if sort == "gain" and metrics.get("noise_activation") == 0 else 1e29
    return float(value) if sort == "selectivity" else -float(value)


def start(shared: Services, seen: GalleryView, layer: Layer, numbers: list[int]) -> None:
    """Have filters rendered, after everything that someone waits for on the Explore page."""
    seen.failed = None
    try:
        for number in numbers:
            shared.queue.submit(layer.specs[number], background=True)
    except C3dvisError as error:
        seen.failed = str(error)


def stop(shared: Services, seen: GalleryView, layer: Layer) -> None:
    """Take the layer's renders out of the queue, but for those that someone watches."""
    for job in reversed(layer.active.values()):  # the waiting ones first, so that none of them starts meanwhile
        job.cancel(seen.visitor)


def seconds_left(shared: Services, layer: Layer) -> float | None:
    """Until the renders under way are done, from how long the latest took; None while none is known."""
    finished = (job for job in shared.queue.jobs() if job.state == "done" and job.spec.layer == layer.specs[0].layer)
    took: list[float] = []
    for job in finished:
        snapshot = job.snapshot()
        if snapshot.seconds:
            took.append(snapshot.seconds / snapshot.batch_size)
        if len(took) == _PACE_OVER:
            break
    workers = max(1, sum(worker.ready for worker in shared.queue.status().workers))
    pace = sum(took) / len(took) if took else None
    return durations.seconds_left(pace, len(layer.active) / workers)
