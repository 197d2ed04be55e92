"""Translates what splits, joins and reorders axes; it only changes the view of a value."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from c3dvis.networks.importers.from_onnx.axes import axes_of
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated
from c3dvis.networks.importers.from_onnx.view import NotAView, View

_FLOAT_TYPES = (1, 10, 11, 16)
"""float32, float16, float64 and bfloat16, in ONNX's numbering."""


def identity(node: Node) -> View:
    if node.kind == "Dropout" and isinstance(mode := node.value(2), np.ndarray) and bool(mode):
        raise NotTranslated("it drops values; export the model in evaluation mode")
    if node.kind == "Cast" and node.attribute("to") not in _FLOAT_TYPES:
        raise NotTranslated("it rounds to whole numbers")
    return node.view()


def flatten(node: Node) -> View:
    view = node.view()
    axis = int(node.attribute("axis", 1)) % (len(view.axes) + 1)
    return view.reshaped((math.prod(view.sizes[:axis]), math.prod(view.sizes[axis:])))


def reshape(node: Node) -> View:
    view = node.view()
    asked = [int(size) for size in node.setting("shape", 1, [])]
    if not node.attribute("allowzero", 0):
        if any(size == 0 and index >= len(view.sizes) for index, size in enumerate(asked)):
            raise NotTranslated(f"its shape {asked} keeps an axis that there is not")
        asked = [size or view.sizes[index] for index, size in enumerate(asked)]
    known = math.prod(size for size in asked if size != -1)
    if asked.count(-1) > 1 or known < 1:
        raise NotTranslated(f"its shape {asked} cannot be")
    sizes = [math.prod(view.sizes) // known if size == -1 else size for size in asked]
    try:
        return view.reshaped(sizes)
    except NotAView:  # of a value whose channels were shuffled before
        return node.build.as_volume(node.name, view).reshaped(sizes)


def transpose(node: Node) -> View:
    view = node.view()
    order = node.attribute("perm") or list(range(len(view.axes)))[::-1]
    if sorted(order) != list(range(len(view.axes))):
        raise NotTranslated(f"its order {order} does not fit {len(view.axes)} axes")
    return view.transposed(order)


def squeeze(node: Node) -> View:
    view = node.view()
    rank = len(view.axes)
    asked = node.setting("axes", 1)
    dropped = [n for n, size in enumerate(view.sizes) if size == 1] if asked is None else axes_of(node, asked, rank)
    return view.reshaped([size for number, size in enumerate(view.sizes) if number not in dropped])


def unsqueeze(node: Node) -> View:
    view = node.view()
    asked = node.setting("axes", 1, [])
    added = axes_of(node, asked, len(view.axes) + len(asked))
    left = iter(view.axes)
    return replace(view, axes=tuple(() if n in added else next(left) for n in range(len(view.axes) + len(added))))


def depth_to_space(node: Node) -> View:
    """Both are reshapes and transpositions of (N, C, H, W)."""
    view, block = node.view(), int(node.attribute("blocksize", 1))
    if len(view.axes) != 4 or not 1 <= block <= 64:
        raise NotTranslated("it needs the axes (batch, channels, height, width)")
    batch, channels, height, width = view.sizes
    if node.kind == "SpaceToDepth":
        parts = view.reshaped((batch, channels, height // block, block, width // block, block))
        sizes = (batch, channels * block**2, height // block, width // block)
        return parts.transposed((0, 3, 5, 1, 2, 4)).reshaped(sizes)
    inner = channels // (block * block)
    if node.attribute("mode", "DCR") == "DCR":
        parts = view.reshaped((batch, block, block, inner, height, width)).transposed((0, 3, 4, 1, 5, 2))
    else:
        parts = view.reshaped((batch, inner, block, block, height, width)).transposed((0, 1, 4, 2, 5, 3))
    return parts.reshaped((batch, inner, height * block, width * block))


TRANSLATIONS: dict[str, Callable[[Node], View]] = {
    **dict.fromkeys(("Identity", "Dropout", "Cast"), identity),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), depth_to_space),
    "Flatten": flatten, "Reshape": reshape, "Transpose": transpose, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
}  # fmt: skip
"""From the operator's name to its translation."""
