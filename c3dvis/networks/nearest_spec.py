"""Fits a spec to this machine's networks: a link may name a network or a layer that is missing here."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from c3dvis.errors import C3dvisError, InvalidSpec, UnknownLayer, UnknownNetwork, WeightsDamaged
from c3dvis.networks import registry
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.field_titles import OBJECTIVES
from c3dvis.spec.text import size_text
from c3dvis.spec.values import shortened

_ALSO_CALLED = {"steps": "iterations"}
_ALIKE = 0.85  # least likeness of a name that was mistyped


@dataclass(frozen=True)
class Misfit:
    """A part of a spec that its network cannot render.

    Attributes:
        part: `network`, `layer`, `filter`, `position`, `size`, `objective` or `engine`.
        reason: one sentence.
    """

    part: str
    reason: str

    def offer(self, fitted: RenderSpec) -> str:
        """The change as the label of a button."""
        return f"Change the {self.part} to {_part_text(fitted, self.part)}"

    def sentence(self, fitted: RenderSpec) -> str:
        """What stands in place of the part in the spec that was fitted, and why."""
        return f"The {self.part} is now {_part_text(fitted, self.part)}. {self.reason}"


def read_link(query: Mapping[str, str]) -> tuple[RenderSpec, list[str]]:
    """The spec of a link, fitted to the networks on this machine, and a sentence for each part that was dropped.

    A part that the link does not name is fitted without a word.
    """
    spec, problems = RenderSpec.from_query(query)
    for name in query.keys() - FIELDS.keys():
        meant = _ALSO_CALLED.get(name) or next(iter(get_close_matches(name, FIELDS, 1, _ALIKE)), None)
        if meant:
            problems.append(f"The link's {shortened(name)} is no setting and was ignored. Did you mean {meant}?")
    named = {*query, *(["size"] if {"frames", "height", "width"} & set(spec.to_query()) else [])}
    spec, misfits = fit(spec)
    problems += [
        f"The link's {misfit.part} was dropped. {misfit.reason} Shown instead: {_part_text(spec, misfit.part)}."
        for misfit in misfits
        if misfit.part in named
    ]
    return spec, problems


def fit(spec: RenderSpec) -> tuple[RenderSpec, list[Misfit]]:
    """The nearest spec that its network can render, and the parts that were replaced."""
    misfits: list[Misfit] = []
    try:
        info = registry.describe(spec.network)
    except (UnknownNetwork, WeightsDamaged) as error:
        misfits.append(Misfit("network", error.message))
        default = RenderSpec()
        spec = spec.replace(network=default.network, layer=default.layer, position=None)
        info = registry.describe(spec.network)
    spec = info.sized(spec)
    while True:
        try:
            info.check(spec)
            return spec, misfits
        except UnknownLayer as error:
            part, change, why = "layer", {"layer": default_layer(info)}, error
        except InvalidSpec as error:
            why = error
            remedies = _remedies(spec, info)
            part, change = next(
                (remedy for remedy in remedies if _improves(spec, remedy[1], info, str(error))), remedies[-1]
            )
        misfits.append(Misfit(part, why.message))
        spec = spec.replace(**change)


def _remedies(spec: RenderSpec, info: registry.NetworkInfo) -> list[tuple[str, dict[str, object]]]:
    """Changes that may make a spec one that its network can render, each with its part; the smallest first."""
    frames, height, width = info.usable_size(spec.layer)
    return [
        ("position", {"position": None}),
        ("filter", {"filter": RenderSpec().filter}),
        ("filter", {"filter": 0}),
        ("size", {"frames": frames, "height": height, "width": width}),
        ("objective", {"objective": "filter", "position": None}),
        ("engine", {"engine": "fast"}),
        ("layer", {"layer": default_layer(info), "filter": 0, "objective": "filter", "position": None}),
    ]


def _part_text(spec: RenderSpec, part: str) -> str:
    match part:
        case "network":
            return registry.title(spec.network)
        case "size":
            return size_text(spec.size)
        case "position":
            return "the centre"
        case "objective":
            return OBJECTIVES[spec.objective]
        case "filter":
            return spec.target
    return str(getattr(spec, part))


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
    return fit(RenderSpec(network=info.name, layer=default_layer(info)))[0]


def default_layer(info: registry.NetworkInfo) -> str:
    """The layer shown first: the default spec's where the network has it, else the middle convolution."""
    usual = RenderSpec().layer
    return usual if usual in info.layers else info.layers[len(info.layers) // 2]
