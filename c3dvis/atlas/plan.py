"""The plan of an atlas: one spec for each of the chosen layers × filters of a network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from c3dvis.errors import InvalidSpec
from c3dvis.networks import registry
from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec import RenderSpec

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_MOST = 1_000_000  # filters of one layer that a range may name


@dataclass(frozen=True)
class AtlasPlan:
    """The renders of one atlas.

    Attributes:
        base: the fields that all specs share; its layer and filter are not used.
        layers: in the network's order, each with its specs in the order of filters.
    """

    base: RenderSpec
    layers: dict[str, tuple[RenderSpec, ...]]

    @property
    def specs(self) -> tuple[RenderSpec, ...]:
        """All specs, layer by layer."""
        return tuple(spec for specs in self.layers.values() for spec in specs)

    @property
    def info(self) -> NetworkInfo:
        """The network."""
        return registry.describe(self.base.network)


def make_plan(base: RenderSpec, layers: Sequence[str] | None = None, filters: str = "0-3") -> AtlasPlan:
    """The plan of an atlas.

    Args:
        base: network, size, seed, engine and weights of every render; without a size each layer has its usual one.
        layers: names of layers; None is every convolution that the clip is large enough for.
        filters: `all`, or numbers and ranges as in `0-3,40`.

    Raises:
        UnknownNetwork, UnknownLayer: no network or layer has that name.
        InvalidSpec: the filters cannot be parsed, a layer has fewer filters, or the clip is too small for it.
    """
    info = registry.describe(base.network)
    base = base.replace(objective="filter", position=None)
    usual = base.sized(info.default_size)
    if layers is None:
        rows = info.table(*usual.size)
        layers = [row.name for row in rows if row.kind == "conv" and row.targetable and min(row.output_shape) > 0]
    for layer in layers:
        info.architecture.check_layer(layer)  # raises UnknownLayer
    planned: dict[str, tuple[RenderSpec, ...]] = {}
    for layer in sorted(set(layers), key=info.layers.index):
        first = info.sized(base.replace(layer=layer, filter=0))
        count = info.output_shape(layer, *first.size)[3]
        specs = tuple(first.replace(filter=number) for number in parse_filters(filters, count))
        for spec in specs:
            info.check(spec)
        planned[layer] = specs
    if not planned:
        raise InvalidSpec(f"The atlas of {info.name} would be empty: expected at least one layer, received none.")
    return AtlasPlan(usual, planned)


def parse_filters(text: str, count: int) -> list[int]:
    """The filters of `0-3,40` or `all`, ascending; `count` is the number of filters of the layer.

    Raises:
        InvalidSpec: it is neither.
    """
    if text.strip() == "all":
        return list(range(count))
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first = int(match[1]) if match else 1
        last = int(match[2] or match[1]) if match else 0
        if not first <= last < _MOST:
            raise InvalidSpec(
                f"The filters of an atlas cannot be read: expected `all`, or numbers and ranges as in 0-3,40; "
                f"received {text[:60]!r}."
            )
        found.update(range(first, last + 1))
    return sorted(found)
