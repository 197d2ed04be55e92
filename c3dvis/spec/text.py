"""A spec as text: the query of its link, the command line that repeats it, a file name, its differences to another."""

import shlex
from urllib.parse import urlencode

from c3dvis.spec.fields import ENGINE_DEFAULTS
from c3dvis.spec.render_spec import RenderSpec
from c3dvis.spec.titles import within_a_sentence


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
