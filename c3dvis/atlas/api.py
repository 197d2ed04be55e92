"""Python API: an atlas in one call. `visualize_all_activations_3d` is the original project's name for it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c3dvis.atlas.plan import AtlasPlan, make_plan
from c3dvis.atlas.rendering import AtlasProgress, AtlasRenderer, FailedRender
from c3dvis.atlas.site import Site
from c3dvis.queue import RenderQueue
from c3dvis.results import ResultStore
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec

if TYPE_CHECKING:
    from c3dvis.networks.compute.network import Network


@dataclass(frozen=True)
class AtlasReport:
    """What a call of `build` did.

    Attributes:
        folder: of the site; `index.html` in it is the first page.
        progress: how many filters were stored before, rendered, and given up.
        written: filters whose files this call wrote; the files of the others were up to date.
        failures: renders that did not succeed, and why.
    """

    folder: Path
    progress: AtlasProgress
    written: int
    failures: tuple[FailedRender, ...]


def build(
    plan: AtlasPlan,
    folder: Path,
    *,
    formats: Collection[str] = ("gif",),
    fps: float = 10,
    on_progress: Callable[[AtlasProgress], None] = lambda progress: None,
) -> AtlasReport:
    """Render the filters of a plan that are not stored yet, and write the site; after a crash, call it again.

    Args:
        folder: of the site; made if it does not exist.
        formats: of `c3dvis.results.file_formats.FORMATS`, offered on every filter's page.
        fps: frames per second of the clips.
        on_progress: called a few times a second.

    Raises:
        WeightsMissing: the network's weights are not on this machine.
        OutputFailed: the site cannot be written.
        StoreError: the store cannot be read.
    """
    site = Site(folder, plan, formats, fps)
    failures: list[FailedRender] = []
    try:
        with ResultStore(cache_dir()) as store:
            renderer = AtlasRenderer(plan.specs, store, lambda: RenderQueue(store, patient=True), site.add, on_progress)
            failures = renderer.run()
    finally:
        site.finish(failures)  # after Ctrl-C too: the filters rendered so far can be looked at
    return AtlasReport(folder, renderer.progress, site.written, tuple(failures))


def visualize_all_activations_3d(
    network: "str | Network", destination_path: str | Path, *, filters: str = "all", **fields: Any
) -> AtlasReport:
    """Visualize every filter of every convolution of a network, as GIFs of 10 frames a second and pages around them.

    Args:
        network: a network, or its name in the registry.
        destination_path: folder of the GIFs (`LAYER/FILTER.gif`) and of `index.html`, the table of layers × filters.
        filters: `all`, or numbers and ranges: `0-3` gives the four of each layer that the original project shows.
        fields: of `RenderSpec`, for every render, such as `engine="keras-vis"`, `iterations=32` or `seed=1`. The size
            of the clip is the network's own unless it is given.

    Returns:
        What was done; filters that did not succeed are in its `failures`.

    Raises:
        InvalidSpec: a field cannot be used.
        UnknownNetwork: there is no such network.
        WeightsMissing: its weights are not on this machine.
        OutputFailed: the folder cannot be written.
    """
    name = network if isinstance(network, str) else network.name
    return build(make_plan(RenderSpec(**{"network": name, **fields}), None, filters), Path(destination_path))
