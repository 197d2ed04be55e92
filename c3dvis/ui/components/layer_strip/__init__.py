"""The layer strip: the network drawn as a row of blocks; a click on a block selects a layer."""

import math
import re
from collections.abc import Callable
from typing import Any

from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec.text import counted
from c3dvis.ui.components.mount import mount

_MIN_HEIGHT = 10  # CSS pixels
_EXTRA_HEIGHT = 46  # CSS pixels by which the block with the largest feature map is higher than the minimum


def shape_text(shape: tuple[int, ...]) -> str:
    """A layer's output shape in words: frames × height × width and the number of filters."""
    if len(shape) == 1:
        return counted(shape[0], "unit")
    if min(shape) < 1:
        return "needs a larger clip"
    return f"{' × '.join(map(str, shape[:3]))}, {counted(shape[3], 'filter')}"


def strip_blocks(info: NetworkInfo, size: tuple[int, int, int]) -> list[dict[str, Any]]:
    """The blocks of a network in order, as data for the script.

    Args:
        size: frames, height and width of the clip, which determine the shapes.

    Returns:
        Per block the layer that a press selects, its label and shape, the height to draw in CSS pixels, the opacity
        of its colour in percent, and its branches with the layers inside the block.
    """
    shapes = info.layer_shapes(*size)
    inner_layers: dict[str, list[str]] = {}
    for name in shapes:
        block, _, inner = name.partition("/")
        inner_layers.setdefault(block, [])
        if inner:
            inner_layers[block].append(name)
    largest = max(_rows(shape) for shape in shapes.values())
    blocks = []
    for block, inside in inner_layers.items():
        layer = block if block in shapes else inside.pop()
        shape = shapes[layer]
        blocks.append(
            {
                "layer": layer,
                "label": _block_label(block),
                "shape": shape_text(shape),
                "height": round(_MIN_HEIGHT + _EXTRA_HEIGHT * math.sqrt(_rows(shape) / largest)),
                "opacity": round(6 + 5 * math.log2(max(1, shape[-1] / 32))),
                "branches": _branches(inside, shapes),
            }
        )
    return blocks


def layer_strip(
    info: NetworkInfo, size: tuple[int, int, int], selected: str, *, key: str, on_chosen: Callable[[], None]
) -> None:
    """Draw the strip; a press calls `on_chosen`, which finds the layer in `st.session_state[key].chosen`."""
    blocks = strip_blocks(info, size)
    selected_block = selected.partition("/")[0]
    opened = next((b["layer"] for b in blocks if selected == b["layer"] or b["layer"] == selected_block), None)
    data = {"blocks": blocks, "selected": selected, "open": opened}
    mount("layer_strip", data, key=key, on_chosen_change=on_chosen)


def _branches(names: list[str], shapes: dict[str, tuple[int, ...]]) -> list[dict[str, Any]]:
    branches: dict[str, list[dict[str, str]]] = {}
    for name in names:
        _, branch, *rest = name.split("/")
        label = re.sub(r"^Conv3d_", "", "/".join(rest)).replace("_", " ")
        layer = {"name": name, "label": label, "shape": shape_text(shapes[name])}
        branches.setdefault(branch.replace("_", " "), []).append(layer)
    return [{"label": branch, "layers": layers} for branch, layers in branches.items()]


def _rows(shape: tuple[int, ...]) -> int:
    """Height of a feature map in positions."""
    return shape[1] if len(shape) == 4 else 1


def _block_label(name: str) -> str:
    """A label that fits under a block: `4d` of Mixed_4d, `1a` of Conv3d_1a_7x7, `3a` of conv3a, `fc6`, `Log` of Logits.

    Of other names with numbers, the first two tell blocks apart: `c12` of conv_12, `4.1` of layer4.1.conv2.
    """
    if number := re.search(r"^(?:Conv3d_|Mixed_|conv)(\d\w?)(?:_|$)", name):
        return number.group(1)
    numbers = re.findall(r"\d+", name)
    if len(name) <= 3 or not numbers:
        return name[:3]
    return ".".join(numbers[:2]) if len(numbers) > 1 else name[0] + numbers[0]
