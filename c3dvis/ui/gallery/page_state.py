"""The state of one visitor's Gallery: the layer and render settings, the order of the filters, the page number."""

from dataclasses import dataclass, field
from functools import lru_cache

from c3dvis.networks import nearest_spec, registry
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.navigation import PageState, Query

PER_PAGE = 24
SORT_TITLES = {"filter": "Filter number", "gain": "Gain", "selectivity": "Selectivity", "motion": "Motion"}
SHOW_TITLES = {
    "all": "All filters", "rendered": "Rendered", "alive": "Alive", "dead": "Dead", "missing": "Not rendered yet",
}  # fmt: skip


@dataclass
class GalleryState(PageState):
    """The state of one visitor's page; `page`, `sort` and `show` are named as the parameters of the address.

    Attributes:
        base: the spec of every filter but for its `filter`.
        page: page number, from 1.
        sort: the order of the filters, a key of `SORT_TITLES`.
        show: the filters to show, a key of `SHOW_TITLES`.
    """

    base: RenderSpec = field(default_factory=lambda: RenderSpec(filter=0))
    page: int = 1
    sort: str = "filter"
    show: str = "all"

    def load(self, query: Query) -> None:
        """Take the state from an address."""
        values = navigation.last_values(query)
        base, self.link_problems = nearest_spec.read_link({n: v for n, v in values.items() if n != "filter"})
        self.base = base.replace(filter=0, objective="filter", position=None)
        page = values.get("page", "1")
        self.page = int(page) if page.isdecimal() and 0 < int(page) < 10_000 else 1
        self.sort = values["sort"] if values.get("sort") in SORT_TITLES else "filter"
        self.show = values["show"] if values.get("show") in SHOW_TITLES else "all"

    def specs(self) -> tuple[RenderSpec, ...]:
        """The spec of every filter of the layer, by filter number."""
        info, base = registry.describe(self.base.network), self.base
        return _filter_specs(base, info.output_shape(base.layer, *base.size)[3])

    def query(self) -> dict[str, str]:
        """The query of the address."""
        query = {name: value for name, value in self.base.to_query().items() if name != "filter"}
        own = {"page": str(self.page), "sort": self.sort, "show": self.show}
        defaults = {"page": "1", "sort": "filter", "show": "all"}
        return query | {name: value for name, value in own.items() if value != defaults[name]}

    def set_layer(self, network: str, layer: str) -> None:
        """Show another layer, or the default layer of another network."""
        if (network, layer) == (self.base.network, self.base.layer):
            return
        if network != self.base.network:
            info = registry.describe(network)
            frames, height, width = info.default_size
            layer = nearest_spec.default_layer(info)
            self.base = self.base.replace(network=network, frames=frames, height=height, width=width)
        self.base, misfits = nearest_spec.fit(self.base.replace(layer=layer, filter=0))
        self.link_problems = [misfit.sentence(self.base) for misfit in misfits]
        self.page, self.error = 1, None

    def set_order(self, sort: str, show: str) -> None:
        """Change the order and the choice of filters, and go to the first page."""
        self.sort, self.show, self.page = sort, show, 1

    def use_default_settings(self) -> None:
        """Set all render settings to their defaults."""
        self.base = registry.sized(RenderSpec(network=self.base.network, layer=self.base.layer, filter=0))
        self.page = 1


@lru_cache(maxsize=8)
def _filter_specs(base: RenderSpec, filters: int) -> tuple[RenderSpec, ...]:
    """Cached, since creating a spec validates it, and every run of the page needs hundreds of them."""
    return tuple(base.replace(filter=number) for number in range(filters))
