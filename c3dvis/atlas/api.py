"""An atlas in one call, for programs; `visualize_all_activations_3d` is the original project's name for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c3dvis.atlas.plan import AtlasPlan, make_plan
from c3dvis.atlas.rendering import Failure, Filling, Standing
from c3dvis.atlas.site import Site
from c3dvis.queue import RenderQueue
from c3dvis.results import ResultStore
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec

if TYPE_CHECKING:
    from c3dvis.networks.compute.network import Network


@dataclass(frozen=True)
class AtlasReport:
    """What a run did.

    Attributes:
        folder: of the site; `index.html` in it is the first page.
        standing: how many filters were stored before, rendered, and given up.
        written: filters whose files were written by this run; those of the others were there.
        failures: what did not succeed, and why.
    """

    folder: Path
    standing: Standing
    written: int
    failures: tuple[Failure, ...]


def build(
    plan: AtlasPlan,
    folder: Path,
    *,
    formats: Sequence[str] = ("gif",),
    fps: float = 10,
    on_standing: Callable[[Standing], None] = lambda standing: None,
) -> AtlasReport:
    """Render what of a plan is not stored yet, and write the site; ended at any moment, the next call goes on.

    Raises:
        WeightsMissing: the network's weights are not on this machine.
        OutputFailed: the site cannot be written.
        StoreError: the store cannot be read.
    """
    site = Site(folder, plan, formats, fps)
    standing = Standing(len(plan.specs))

    def note(now: Standing) -> None:
        nonlocal standing
        standing = now
        on_standing(now)

    failures: list[Failure] = []
    try:
        with ResultStore(cache_dir()) as store:
            failures = Filling(plan.specs, store, lambda: RenderQueue(store, patient=True), site.add, note).run()
    finally:
        site.finish(failures)  # after Ctrl-C too: what is there can be looked at
    return AtlasReport(folder, standing, site.written, tuple(failures))


def visualize_all_activations_3d(
    network: "str | Network", destination_path: str | Path, *, filters: str = "all", **fields: Any
) -> AtlasReport:
    """Visualize every filter of every convolution of a network, as GIFs of 10 frames a second and pages around them.

    Args:
        network: a network, or its name in the registry.
        destination_path: folder of the GIFs (`LAYER/FILTER.gif`) and of `index.html`, the table of layers × filters.
        filters: `all`, or numbers and ranges: `0-3` gives the four of each layer that the original project shows.
        fields: of `RenderSpec`, for every render, such as `engine="keras-vis"`, `iterations=32` or `seed=1`.

    Returns:
        What was done; filters that did not succeed are in its `failures`.

    Raises:
        InvalidSpec: a field cannot be used.
        UnknownNetwork: there is no such network.
        WeightsMissing: its weights are not on this machine.
        OutputFailed: the folder cannot be written.
    """
    name = network if isinstance(network, str) else network.name
    return build(make_plan(RenderSpec(network=name, **fields), None, filters), Path(destination_path))
