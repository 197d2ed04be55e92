"""The classes of a network: the spec whose picture shows one, and their names in titles."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from c3dvis.errors import C3dvisError, InvalidSpec
from c3dvis.networks import registry
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import class_labels
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import distinctions


def class_fields(info: NetworkInfo, number: int) -> dict[str, Any]:
    """The fields of a spec that make a class its target, at a size that the last layer can have."""
    frames, height, width = info.usable_size(info.layers[-1])
    return {
        "network": info.name, "layer": info.layers[-1], "objective": "class", "filter": number, "position": None,
        "frames": frames, "height": height, "width": width,
    }  # fmt: skip


def class_spec(info: NetworkInfo, number: int) -> RenderSpec:
    """The spec of a class: the default settings, and `class_fields`.

    Args:
        info: of the network.
        number: of the class, from 0.

    Raises:
        InvalidSpec: there is no such class, or the network's last layer cannot be rendered.
    """
    spec = RenderSpec(**class_fields(info, number))
    info.check(spec)
    return spec


def class_name(spec: RenderSpec) -> str | None:
    """The name of the class whose score a spec maximises; None where it maximises something else, or without names.

    A filter of the last layer is a class too. The name is text from outside.
    """
    try:
        info = registry.describe(spec.network)
    except C3dvisError:  # a network that was removed, or whose description cannot be read, has no names either
        return None
    if spec.layer != info.layers[-1] or spec.objective == "layer" or not isinstance(spec.filter, int):
        return None
    names = class_labels.read_labels(info)
    return names[spec.filter] if names and spec.filter < len(names) else None


def target_title(spec: RenderSpec) -> str:
    """What a spec maximises, for a heading: `juggling balls · class 169`, or `Mixed_4d · filter 40`."""
    return f"{class_name(spec) or spec.layer} · {spec.target}"


def full_title(spec: RenderSpec) -> str:
    """`target_title` and the network."""
    return f"{target_title(spec)} · {spec.network}"


def class_distinctions(specs: Sequence[RenderSpec]) -> list[str]:
    """`distinctions` of specs, in which classes have their names; with the number too where two have the same."""
    names = {spec: name for spec in specs if (name := class_name(spec))}
    same = Counter(name for name, _ in {(names[spec], spec.filter) for spec in names})
    named = (f"{name} ({spec.filter_text})" if same[name] > 1 else name for spec, name in names.items())
    titles = dict(zip(names, named, strict=True))
    return distinctions(specs, [titles.get(spec) for spec in specs])


def find_class(info: NetworkInfo, text: str) -> int:
    """The number of a class from its name, in any case, or from its number.

    Raises:
        InvalidSpec: no class or several have that name; the message names those that are near.
    """
    names = class_labels.read_labels(info) or ()
    wanted = " ".join(text.lower().split())
    lowered = [name.lower() for name in names]
    if wanted in lowered:
        return lowered.index(wanted)
    if wanted.isdecimal():
        return int(wanted)
    near = [name for name, lower in zip(names, lowered, strict=True) if wanted and wanted in lower]
    if len(near) == 1:
        return names.index(near[0])
    if not names:
        raise InvalidSpec(
            f"The classes of {info.name} have no names on this machine: expected a number; received {text[:60]!r}. "
            f"Name them: c3dvis networks set {info.name} --labels FILE."
        )
    hint = f"Near it: {', '.join(near[:8])}." if near else f"`c3dvis classes {info.name}` lists them."
    raise InvalidSpec(f"No class of {info.name} is called {text[:60]!r}. {hint}")
