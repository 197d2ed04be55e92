"""A spec as the page's address and as a command line, and a link's spec as something this machine can render.

Knows nothing of widgets.
"""

import shlex
from collections.abc import Mapping
from urllib.parse import urlencode

from c3dvis.errors import C3dvisError, InvalidSpec, UnknownLayer, UnknownNetwork, WeightsDamaged
from c3dvis.networks import registry
from c3dvis.spec import RenderSpec
from c3dvis.spec_fields import ENGINE_DEFAULTS
from c3dvis.ui.titles import within_a_sentence


def read(query: Mapping[str, str]) -> tuple[RenderSpec, list[str]]:
    """The spec of a link, fitted to the networks known here, and a sentence for each part dropped."""
    spec, problems = RenderSpec.from_query(query)
    spec, misfits = fit(spec)
    return spec, problems + misfits


def fit(spec: RenderSpec) -> tuple[RenderSpec, list[str]]:
    """The nearest spec that its network can do: what does not fit gives way, with a sentence for each."""
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
    """Whether a change is possible and cures this problem (another one may be behind it)."""
    try:
        changed = spec.replace(**change)
        if changed == spec:
            return False
        info.check(changed)
    except C3dvisError as error:
        return str(error) != problem and not isinstance(error, UnknownLayer)
    return True


def default_layer(info: registry.NetworkInfo) -> str:
    """The layer shown first: the default spec's where the network has it, else the middle convolution."""
    usual = RenderSpec().layer
    return usual if usual in info.layers else info.layers[len(info.layers) // 2]


def query_text(spec: RenderSpec) -> str:
    """The query part of the link, without the question mark; empty for the default spec."""
    return urlencode(spec.to_query())


def command(spec: RenderSpec, output: str) -> str:
    """The command line that repeats a render."""
    words = [
        "c3dvis",
        "render",
        "--network",
        spec.network,
        "--layer",
        spec.layer,
        "--filter",
        spec.filter_text,
    ]
    for name, value in spec.to_query().items():
        if name not in ("network", "layer", "filter"):
            words += ["--" + name.replace("_", "-"), value]
    return shlex.join([*words, "-o", output])


def file_stem(spec: RenderSpec, short: bool = False) -> str:
    """A file name without its ending that says what is inside; `short` leaves network and seed out."""
    parts = [spec.layer, f"{spec.objective}-{spec.filter_text}"]
    if not short:
        parts = [spec.network, *parts, f"seed-{spec.seed}"]
    return "_".join(parts).replace("/", ".").replace("*", "x").replace(",", "+")


def differences(old: RenderSpec, new: RenderSpec) -> list[str]:
    """The fields in which two specs differ, as `name old → new`; what only follows the engine goes unsaid."""
    before, after = old.to_dict(), new.to_dict()
    old_engine, new_engine = ENGINE_DEFAULTS[old.engine], ENGINE_DEFAULTS[new.engine]

    def follows(name: str) -> bool:
        usual = name in old_engine and before[name] == old_engine[name] and after[name] == new_engine[name]
        return usual and old.engine != new.engine

    def text(value: object) -> str:
        if isinstance(value, float):
            return f"{value:g}"
        return "centre" if value is None else str(value)

    return [
        f"{within_a_sentence(name)} {text(before[name])} → {text(after[name])}"
        for name in before
        if before[name] != after[name] and not follows(name)
    ]
