"""Fits the spec of a link to this machine's networks: a link may name a network or layer that is missing here."""

from collections.abc import Mapping

from c3dvis.errors import C3dvisError, InvalidSpec, UnknownLayer, UnknownNetwork, WeightsDamaged
from c3dvis.networks import registry
from c3dvis.spec import RenderSpec


def read_link(query: Mapping[str, str]) -> tuple[RenderSpec, list[str]]:
    """The spec of a link, fitted to the networks on this machine, and a sentence for each part that was dropped."""
    spec, problems = RenderSpec.from_query(query)
    spec, misfits = fit(spec)
    return spec, problems + misfits


def fit(spec: RenderSpec) -> tuple[RenderSpec, list[str]]:
    """The nearest spec that its network can render, and a sentence for each part that was replaced by a default."""
    problems: list[str] = []
    try:
        info = registry.describe(spec.network)
    except (UnknownNetwork, WeightsDamaged) as error:
        problems.append(f"The link's network was dropped. {error}")
        default = RenderSpec()
        spec = spec.replace(network=default.network, layer=default.layer, position=None)
        info = registry.describe(spec.network)
    frames, height, width = info.default_size
    remedies: list[tuple[str, dict[str, object]]] = [
        ("position", {"position": None}),
        ("filter", {"filter": 0}),
        ("size", {"frames": frames, "height": height, "width": width}),
        ("objective", {"objective": "filter", "position": None}),
        ("engine", {"engine": "fast"}),
        ("layer", {"layer": default_layer(info), "filter": 0, "objective": "filter", "position": None}),
    ]
    while True:
        try:
            info.check(spec)
            return spec, problems
        except UnknownLayer as error:
            name, change, why = "layer", {"layer": default_layer(info)}, error
        except InvalidSpec as error:
            why = error
            name, change = next(
                (remedy for remedy in remedies if _improves(spec, remedy[1], info, str(error))), remedies[-1]
            )
        problems.append(f"The link's {name} was dropped. {why}")
        spec = spec.replace(**change)


def _improves(spec: RenderSpec, change: dict[str, object], info: registry.NetworkInfo, problem: str) -> bool:
    """Whether a change is possible and solves this problem (the changed spec may have another problem)."""
    try:
        changed = spec.replace(**change)
        if changed == spec:
            return False
        info.check(changed)
    except C3dvisError as error:
        return str(error) != problem and not isinstance(error, UnknownLayer)
    return True


def default_spec(info: registry.NetworkInfo) -> RenderSpec:
    """The spec shown first of a network: a filter of its default layer, at the network's own size."""
    frames, height, width = info.default_size
    layer = default_layer(info)
    return fit(RenderSpec(network=info.name, layer=layer, frames=frames, height=height, width=width))[0]


def default_layer(info: registry.NetworkInfo) -> str:
    """The layer shown first: the default spec's where the network has it, else the middle convolution."""
    usual = RenderSpec().layer
    return usual if usual in info.layers else info.layers[len(info.layers) // 2]
