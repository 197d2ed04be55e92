"""What one visitor's Gallery is about, and the address that says so: the base spec, the order, the page."""

import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import streamlit as st

from c3dvis.networks import fit, registry
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.navigation import Place

PER_PAGE = 24
SORTS = {"filter": "Filter number", "gain": "Gain", "selectivity": "Selectivity", "motion": "Motion"}
SHOWN = {"all": "All filters", "rendered": "Rendered", "alive": "Alive", "dead": "Dead", "missing": "Not rendered yet"}


@dataclass
class GalleryView:
    """One visitor's gallery.

    Attributes:
        base: what all its filters share; its own filter means nothing.
        page: from 1.
        sort, show: of `SORTS` and `SHOWN`.
        problems: what an opened link lost, one sentence each.
        chosen: a filter that was pressed, and is to be opened on Explore.
        failed: why a render could not even start.
        visitor: who looks, so that one visitor's Stop does not take a render away from another.
    """

    base: RenderSpec
    page: int = 1
    sort: str = "filter"
    show: str = "all"
    problems: list[str] = field(default_factory=list)
    chosen: int | None = None
    failed: str | None = None
    visitor: str = field(default_factory=lambda: secrets.token_hex(8))
    place: Place = field(default_factory=Place)

    def specs(self) -> tuple[RenderSpec, ...]:
        """Every filter of the layer, in order."""
        info, base = registry.describe(self.base.network), self.base
        return _filters(base, info.output_shape(base.layer, base.frames, base.height, base.width)[3])

    def query(self) -> dict[str, str]:
        """The address."""
        query = {name: value for name, value in self.base.to_query().items() if name != "filter"}
        usual: dict[str, Any] = {"page": 1, "sort": "filter", "show": "all"}
        return query | {name: str(getattr(self, name)) for name in usual if getattr(self, name) != usual[name]}

    def turn(self, network: str, layer: str) -> None:
        """Show another layer, or another network's."""
        if network != self.base.network:
            info = registry.describe(network)
            frames, height, width = info.default_size
            layer = fit.default_layer(info)
            self.base = self.base.replace(network=network, frames=frames, height=height, width=width)
        self.base, self.problems = fit.fit(self.base.replace(layer=layer, filter=0))
        self.page, self.failed = 1, None

    def arrange(self, sort: str, show: str) -> None:
        """Another order, or another choice of filters: from the first page on."""
        self.sort, self.show, self.page = sort, show, 1

    def use_usual(self) -> None:
        """Back to the settings that a render has by default."""
        self.base = RenderSpec(network=self.base.network, layer=self.base.layer, filter=0)
        self.page = 1


@lru_cache(maxsize=8)
def _filters(base: RenderSpec, count: int) -> tuple[RenderSpec, ...]:
    """So many filters of a layer. Kept: each is checked as it is made, and a page asks for hundreds at every run."""
    return tuple(base.replace(filter=number) for number in range(count))


def current() -> GalleryView:
    """This session's gallery: made from the address on the first run, or when another link was opened."""
    view: GalleryView | None = st.session_state.get("gallery")
    opened = navigation.opened("Gallery", view.place if view else None)
    if view and opened is None:
        return view
    query = navigation.single(opened or {})
    base, problems = fit.read_link({name: value for name, value in query.items() if name != "filter"})
    page = query.get("page", "1")
    view = GalleryView(
        base=base.replace(filter=0, objective="filter", position=None),
        page=int(page) if page.isdecimal() and 0 < int(page) < 10_000 else 1,
        sort=query["sort"] if query.get("sort") in SORTS else "filter",
        show=query["show"] if query.get("show") in SHOWN else "all",
        problems=problems,
        place=Place(navigation.current_query()),
    )
    st.session_state["gallery"] = view
    return view
