"""Texts made from a spec: the query of its link, its command line, a file name, its differences from another spec."""

import shlex
from urllib.parse import urlencode

from c3dvis.spec.defaults_and_presets import ENGINE_DEFAULTS
from c3dvis.spec.field_titles import field_title
from c3dvis.spec.render_spec import RenderSpec


def query_text(spec: RenderSpec) -> str:
    """The query part of the spec's link, without the question mark; empty for the default spec."""
    return urlencode(spec.to_query())


def command(spec: RenderSpec, output: str) -> str:
    """The command line that repeats the render and writes the clip to the file `output`."""
    words = ["c3dvis", "render", "--network", spec.network, "--layer", spec.layer, "--filter", spec.filter_text]
    for name, value in spec.to_query().items():
        if name not in ("network", "layer", "filter"):
            words += ["--" + name.replace("_", "-"), value]
    return shlex.join([*words, "-o", output])


def file_stem(spec: RenderSpec, short: bool = False) -> str:
    """A file name without extension that names the spec's target; `short` omits the network and the seed."""
    parts = [spec.layer, f"{spec.objective}-{spec.filter_text}"]
    if not short:
        parts = [spec.network, *parts, f"seed-{spec.seed}"]
    return "_".join(parts).replace("/", ".").replace("*", "x").replace(",", "+")


def differences(old: RenderSpec, new: RenderSpec) -> list[str]:
    """The fields in which two specs differ, each as `title old → new`.

    Where the engines differ too, a field that has its engine's default in both specs is omitted.
    """
    before, after = old.to_dict(), new.to_dict()
    old_defaults, new_defaults = ENGINE_DEFAULTS[old.engine], ENGINE_DEFAULTS[new.engine]

    def follows_engine(name: str) -> bool:
        both_default = name in old_defaults and before[name] == old_defaults[name] and after[name] == new_defaults[name]
        return both_default and old.engine != new.engine

    def value_text(value: object) -> str:
        if isinstance(value, float):
            return f"{value:g}"
        return "centre" if value is None else str(value)

    return [
        f"{field_title(name)} {value_text(before[name])} → {value_text(after[name])}"
        for name in before
        if before[name] != after[name] and not follows_engine(name)
    ]
