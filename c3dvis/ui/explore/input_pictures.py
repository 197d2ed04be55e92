"""The pictures of the filters that feed a filter: which of them are stored, under way or missing."""

from collections.abc import Iterable
from dataclasses import dataclass

from c3dvis.networks.wiring import ChannelSource
from c3dvis.results import Thumbnail
from c3dvis.spec import RenderSpec
from c3dvis.ui.components.wall import Cell, CellPixels, thumbnail_pixels
from c3dvis.ui.shared import followed_renders, navigation
from c3dvis.ui.shared.server_resources import ServerResources


@dataclass(frozen=True)
class InputPicture:
    """The picture of one filter now.

    Attributes:
        source: the filter.
        spec: of its picture.
        state: as of `wall.Cell`.
        thumbnail: of the picture, if it is stored.
        error: why its last render failed.
    """

    source: ChannelSource
    spec: RenderSpec
    state: str
    thumbnail: Thumbnail | None = None
    error: str | None = None

    @property
    def is_missing(self) -> bool:
        """Whether it can be submitted to the queue."""
        return self.state in ("absent", "failed")

    @property
    def is_active(self) -> bool:
        """Whether its render is queued or running."""
        return self.state in ("queued", "running")

    def cell(self, weight: str = "", taps: CellPixels | None = None) -> Cell:
        """Its cell on a wall, named by `source_name`; `weight` stands beside its number."""
        pixels = thumbnail_pixels(self.thumbnail) if self.thumbnail else None
        link = navigation.link("", self.spec.to_query() | {"tab": "wiring"})
        title = " ".join(filter(None, [f"Filter {self.source.filter}", weight]))
        return Cell(source_name(self.source), title, self.source.layer, self.state, link, pixels, taps)


def source_name(source: ChannelSource) -> str:
    """A name that tells filters apart."""
    return f"{source.layer} {source.filter}"


def input_pictures(
    resources: ServerResources, focus: RenderSpec, sources: Iterable[ChannelSource]
) -> dict[str, InputPicture]:
    """The pictures of filters now, by `source_name`.

    Args:
        resources: of the server.
        focus: the spec whose settings they have.
        sources: the filters. One that is stored as a filter of its joined block is shown by that picture.
    """
    candidates = {source: _specs(focus, source) for source in sources}
    keys = {spec: resources.key(spec) or "" for specs in candidates.values() for spec in specs}
    thumbnails = resources.store.thumbnails(list(filter(None, keys.values())))
    found = {}
    for source, specs in candidates.items():
        spec = next((one for one in specs if keys[one] in thumbnails), specs[0])
        found[source_name(source)] = _picture(resources, source, spec, thumbnails.get(keys[spec]))
    return found


def _specs(focus: RenderSpec, source: ChannelSource) -> list[RenderSpec]:
    filters = [(source.layer, source.filter), *([source.joined] if source.joined else [])]
    return [focus.replace(layer=layer, filter=number, objective="filter", position=None) for layer, number in filters]


def _picture(
    resources: ServerResources, source: ChannelSource, spec: RenderSpec, thumbnail: Thumbnail | None
) -> InputPicture:
    if thumbnail:
        return InputPicture(source, spec, "dead" if thumbnail.metrics.get("dead") else "stored", thumbnail)
    job = resources.job(spec)
    if job and not job.is_finished:
        followed_renders.follow(job)
        return InputPicture(source, spec, "running" if job.state == "running" else "queued")
    if why := followed_renders.failure(job):
        return InputPicture(source, spec, "failed", error=why)
    return InputPicture(source, spec, "absent")
