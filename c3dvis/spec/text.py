"""Texts made from a spec: the query of its link, its command line, a file name, its differences from another spec."""

import hashlib
import re
import shlex
from collections.abc import Sequence
from urllib.parse import urlencode

from c3dvis.spec.defaults_and_presets import ENGINE_DEFAULTS
from c3dvis.spec.field_titles import field_title
from c3dvis.spec.fields import FIELDS
from c3dvis.spec.render_spec import RenderSpec

_LONGEST_STEM = 150  # characters; file systems take 255 bytes, with the extension


def counted(number: int, noun: str) -> str:
    """A number of things: `1 frame`, `16 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size_text(size: tuple[int, int, int]) -> str:
    """The size of a clip from its frames, height and width: `16 frames of 112 × 112`, width first."""
    frames, height, width = size
    return f"{counted(frames, 'frame')} of {width} × {height}"


def query_text(spec: RenderSpec) -> str:
    """The query part of the spec's link, without the question mark; empty for the default spec."""
    return urlencode(spec.to_query())


def command(spec: RenderSpec, output: str, *, texture_motion: bool = False) -> str:
    """The command line that repeats the render and writes the clip to the file `output`.

    Args:
        spec: of the render.
        output: path of the file.
        texture_motion: whether the clip is also taken apart into its texture and motion.
    """
    words = ["c3dvis", "render", "--network", spec.network, "--layer", spec.layer, "--filter", spec.filter_text]
    for name, value in spec.to_query().items():
        if name not in ("network", "layer", "filter"):
            words += ["--" + name.replace("_", "-"), value]
    words += ["--texture-motion"] if texture_motion else []
    return shlex.join([*words, "-o", output])


def file_stem(spec: RenderSpec, short: bool = False) -> str:
    """A file name without extension, which tells any two specs apart.

    It has the target, the engine, the seed and whatever differs from the defaults. A long one, and one with a network
    or layer whose name has other characters than letters and digits, ends in a hash of the spec.

    Args:
        spec: to be named.
        short: whether to give the target alone, for a file that stands by itself.
    """
    target = [spec.layer, f"{spec.objective}-{spec.filter_text}"]
    if short:
        return _file_text("_".join(target))
    known = ("network", "layer", "filter", "objective", "engine", "seed")
    changed = [f"{name}-{text}" for name, text in spec.to_query().items() if name not in known]
    stem = "_".join([spec.network, *target, spec.engine, f"seed-{spec.seed}", *changed])
    plain_names = re.fullmatch(r"[A-Za-z0-9-]+ [A-Za-z0-9_/]+", f"{spec.network} {spec.layer}")
    if plain_names and len(stem) <= _LONGEST_STEM:
        return _file_text(stem)
    return f"{_file_text(stem[:_LONGEST_STEM])}_{hashlib.sha256(spec.to_json().encode()).hexdigest()[:12]}"


def _file_text(text: str) -> str:
    text = text.replace("/", ".").replace("*", "x").replace(",", "+")
    return re.sub(r"[^\w.+-]", "-", text, flags=re.ASCII)


def distinctions(specs: Sequence[RenderSpec], target_names: Sequence[str | None] = ()) -> list[str]:
    """For each of some specs, the values that tell it from the others, such as `filter 3, seed 4`.

    A field is named if it differs between any two of the specs. Where the engines differ, a field that has its
    engine's default everywhere is left out. A single spec is named by its layer and target.

    Args:
        specs: any number of them.
        target_names: for each spec a name that stands for its layer and filter, such as that of a class, or None.
    """
    values = [spec.to_dict() for spec in specs]
    own_default = [ENGINE_DEFAULTS[spec.engine] for spec in specs]
    names = [
        name
        for name in FIELDS
        if len({str(value[name]) for value in values}) > 1
        and not (
            len({spec.engine for spec in specs}) > 1
            and all(name in own and value[name] == own[name] for value, own in zip(values, own_default, strict=True))
        )
    ]
    return [
        _named_values(spec, names, target) or f"{target or spec.layer} · {spec.target}"
        for spec, target in zip(specs, target_names or [None] * len(specs), strict=True)
    ]


def changed_settings(spec: RenderSpec) -> str:
    """The settings of a render that differ from its engine's defaults, such as `steps 64, Contrast 30`; else empty.

    Left out is what a caption says anyway: the target, the size of the clip, the engine and the seed.
    """
    said = ("network", "layer", "filter", "objective", "position", "frames", "height", "width", "engine", "seed")
    return _named_values(spec, [name for name in spec.to_query() if name not in said])


def _named_values(spec: RenderSpec, names: Sequence[str], target: str | None = None) -> str:
    """Fields with their values; layer, engine and objective are known by their values alone.

    A name of the target stands in place of its layer and filter.
    """
    parts = []
    if target and {"layer", "filter"} & set(names):
        parts, names = [target], [name for name in names if name not in ("layer", "filter")]
    for name in names:
        text = spec.filter_text if name == "filter" else value_text(spec.to_dict()[name])
        parts.append(text if name in ("network", "layer", "engine", "objective") else f"{field_title(name)} {text}")
    return ", ".join(parts)


def value_text(value: object) -> str:
    """A field's value inside a sentence."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str) and len(value) == 64:  # of a start clip
        return f"{value[:12]}…"
    return "centre" if value is None else str(value)


def differences(old: RenderSpec, new: RenderSpec) -> list[str]:
    """The fields in which two specs differ, each as `title old → new`.

    Where the engines differ too, a field that has its engine's default in both specs is omitted.
    """
    before, after = old.to_dict(), new.to_dict()
    old_defaults, new_defaults = ENGINE_DEFAULTS[old.engine], ENGINE_DEFAULTS[new.engine]

    def follows_engine(name: str) -> bool:
        both_default = name in old_defaults and before[name] == old_defaults[name] and after[name] == new_defaults[name]
        return both_default and old.engine != new.engine

    return [
        f"{field_title(name)} {value_text(before[name])} → {value_text(after[name])}"
        for name in before
        if before[name] != after[name] and not follows_engine(name)
    ]
