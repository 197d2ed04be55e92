"""The renders of a layer: which are stored, queued, running or failed, how to start and stop them, the time left.

All of it is read from the store and the queue whenever the page runs, so that every tab shows the same, but for the
failures, which are told to those who saw the render at work.
"""

from dataclasses import dataclass
from functools import lru_cache

from c3dvis import durations
from c3dvis.errors import WeightsMissing
from c3dvis.networks import registry
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderJob
from c3dvis.spec import RenderSpec
from c3dvis.ui.gallery.page_state import GalleryState
from c3dvis.ui.shared import followed_renders
from c3dvis.ui.shared.render_estimate import measured_seconds
from c3dvis.ui.shared.server_resources import ServerResources


@dataclass(frozen=True)
class LayerRenders:
    """The renders of a layer at one moment, by filter number.

    Attributes:
        specs: of all filters.
        keys: of their results; empty strings if the network's weights, which are part of a key, are missing.
        stored: filters with a stored result.
        active: filters whose render is queued or running, with the job.
        failed: filters whose last render failed before this visitor's eyes, with the reason.
    """

    specs: tuple[RenderSpec, ...]
    keys: tuple[str, ...]
    stored: set[int]
    active: dict[int, RenderJob]
    failed: dict[int, str]

    def cell_state(self, number: int) -> str:
        """The `wall.Cell.state` of a filter that is not stored."""
        if number in self.active:
            return "running" if self.active[number].state == "running" else "queued"
        return "failed" if number in self.failed else "absent"


def layer_renders(resources: ServerResources, specs: tuple[RenderSpec, ...]) -> LayerRenders:
    """The renders of a layer now; `specs` are those of all its filters."""
    try:
        fingerprint = installed_weights.fingerprint(registry.describe(specs[0].network))
    except WeightsMissing:
        return LayerRenders(specs, ("",) * len(specs), set(), {}, {})
    keys = _result_keys(specs, fingerprint)
    present = resources.store.present(keys)
    stored = {number for number, key in enumerate(keys) if key in present}
    active: dict[int, RenderJob] = {}
    failed: dict[int, str] = {}
    for number, job in enumerate(map(resources.queue.job, keys)):
        if job and not job.is_finished:
            active[number] = job
            followed_renders.follow(job)
        elif number not in stored and (why := followed_renders.failure(job)):
            failed[number] = why
    return LayerRenders(specs, keys, stored, active, failed)


@lru_cache(maxsize=8)
def _result_keys(specs: tuple[RenderSpec, ...], fingerprint: str) -> tuple[str, ...]:
    """Cached, since every run of the page needs hundreds of hashes."""
    return tuple(spec.key(fingerprint) for spec in specs)


def start_renders(resources: ServerResources, state: GalleryState, renders: LayerRenders, numbers: list[int]) -> None:
    """Submit filters to the queue, behind the renders that visitors of the Explore page wait for."""
    state.error = followed_renders.submit(resources, [renders.specs[number] for number in numbers], background=True)


def stop_renders(resources: ServerResources, state: GalleryState, renders: LayerRenders) -> None:
    """Cancel the renders of the layer, except those that others watch, or asked for on a public server."""
    for job in reversed(renders.active.values()):  # from the back of the queue, so that none of them starts meanwhile
        resources.cancel(job, state.watcher)


def seconds_left(resources: ServerResources, renders: LayerRenders) -> float | None:
    """Estimated seconds until the active renders are done, from renders like them; None if there are none."""
    pace = measured_seconds(resources, renders.specs[0])
    workers = max(1, sum(worker.ready for worker in resources.queue.status().workers))
    return durations.seconds_left(pace, len(renders.active) / workers)
