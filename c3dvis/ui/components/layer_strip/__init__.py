"""The layer strip: a network drawn as a row of blocks, one press from any layer."""

import math
import re
from collections.abc import Callable
from typing import Any

from c3dvis.networks.registry import NetworkInfo
from c3dvis.ui.components.mount import mount

_TALL = 46  # CSS pixels of the largest block, over the base every block has
_BASE = 10


def shape_text(shape: tuple[int, ...]) -> str:
    """A layer's output shape in words: frames × height × width, and how many filters."""
    if len(shape) == 1:
        return f"{shape[0]} units"
    if min(shape) < 1:
        return "needs a larger clip"
    return f"{' × '.join(map(str, shape[:3]))}, {shape[3]} filters"


def stages(info: NetworkInfo, size: tuple[int, int, int]) -> list[dict[str, Any]]:
    """The network's blocks in order, each with the convolutions inside it by branch."""
    rows = {row.name: row.output_shape for row in info.table(*size) if row.targetable}
    groups: dict[str, list[str]] = {}
    for name in rows:
        head, _, tail = name.partition("/")
        groups.setdefault(head, [])
        if tail:
            groups[head].append(name)
    tallest = max(_side(shape) for shape in rows.values())
    drawn = []
    for head, inside in groups.items():
        layer = head if head in rows else inside.pop()
        shape = rows[layer]
        drawn.append(
            {
                "layer": layer,
                "label": _short(head),
                "shape": shape_text(shape),
                "tall": round(_BASE + _TALL * math.sqrt(_side(shape) / tallest)),
                "ink": round(6 + 5 * math.log2(max(1, shape[-1] / 32))),
                "inside": _branches(inside, rows),
            }
        )
    return drawn


def layer_strip(
    info: NetworkInfo, size: tuple[int, int, int], selected: str, *, key: str, on_chosen: Callable[[], None]
) -> None:
    """Draw the strip; a press calls `on_chosen`, which finds the layer in `st.session_state[key].chosen`."""
    drawn = stages(info, size)
    head = selected.partition("/")[0]
    opened = next((s["layer"] for s in drawn if selected == s["layer"] or s["layer"] == head), None)
    data = {"stages": drawn, "selected": selected, "open": opened}
    mount("layer_strip", data, key=key, on_chosen_change=on_chosen)


def _branches(names: list[str], rows: dict[str, tuple[int, ...]]) -> list[dict[str, Any]]:
    branches: dict[str, list[dict[str, str]]] = {}
    for name in names:
        _, branch, *rest = name.split("/")
        label = re.sub(r"^Conv3d_", "", "/".join(rest)).replace("_", " ")
        layer = {"name": name, "label": label, "shape": shape_text(rows[name])}
        branches.setdefault(branch.replace("_", " "), []).append(layer)
    return [{"label": branch, "layers": layers} for branch, layers in branches.items()]


def _side(shape: tuple[int, ...]) -> int:
    return shape[1] if len(shape) == 4 else 1


def _short(name: str) -> str:
    """What fits under a block: `4d` of Mixed_4d, `1a` of Conv3d_1a_7x7, `3a` of conv3a, `fc6`."""
    number = re.search(r"^(?:Conv3d_|Mixed_|conv)(\d\w?)(?:_|$)", name)
    return number.group(1) if number else name[:3]
