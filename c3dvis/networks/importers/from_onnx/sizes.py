"""Translates what changes the length of axes: padding, resizing, and one number along an axis in place of all."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.importers.from_onnx.axes import axes_of, letter_of, taken, with_whole_axis
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated
from c3dvis.networks.importers.from_onnx.view import View, volume_axes

_REDUCTIONS: dict[str, tuple[Literal["mean", "max", "min", "sum"], tuple[str, ...], tuple[str, ...]]] = {
    "ReduceMean": ("mean", (), ()),
    "ReduceMax": ("max", (), ()),
    "ReduceMin": ("min", (), ()),
    "ReduceSum": ("sum", (), ()),
    "ReduceSumSquare": ("sum", ("square",), ()),
    "ReduceL1": ("sum", ("abs",), ()),
    "ReduceL2": ("sum", ("square",), ("sqrt",)),
}
"""For each operator: the reduction, and the functions applied before and after it."""


def reduce(node: Node) -> View:
    view = node.view()
    asked = node.setting("axes", 1)
    if not asked and node.attribute("noop_with_empty_axes", 0):
        return view
    numbers = axes_of(node, asked, len(view.axes)) if asked else list(range(len(view.axes)))
    function, before, after = _REDUCTIONS[node.kind]
    for each in before:
        view = node.build.activation(f"{node.name}.{each}", view, each)
    view = _reduced(node, view, numbers, function)
    for each in after:
        view = node.build.activation(f"{node.name}.{each}", view, each)
    if node.attribute("keepdims", 1):
        return view
    return replace(view, axes=tuple(axis for number, axis in enumerate(view.axes) if number not in numbers))


def global_pool(node: Node) -> View:
    view = node.view()
    return _reduced(node, view, range(2, len(view.axes)), "mean" if node.kind == "GlobalAveragePool" else "max")


def pad(node: Node) -> View:
    view = node.view()
    pads = [int(each) for each in node.setting("pads", 1, None) or node.attribute("paddings") or []]
    rank = len(view.axes)
    axes = axes_of(node, node.setting("axes", 3) or list(range(rank)), rank)
    value, mode = node.setting("value", 2, 0.0), node.attribute("mode", "constant")
    value = float(value[0] if isinstance(value, list) else value or 0.0)
    if len(pads) != 2 * len(axes) or mode not in ("constant", "edge", "reflect") or not math.isfinite(value):
        raise NotTranslated(f"{mode} padding by {pads} is not known here")
    margins: dict[str, tuple[int, int]] = {}
    for index, number in enumerate(axes):
        before, after = pads[index], pads[index + len(axes)]
        if (before, after) == (0, 0):
            continue
        view = with_whole_axis(node, view, number)
        if (letter := letter_of(view, number)) == "c":
            view = _padded_channels(node, view, number, before, after, mode, value)
        else:
            margins[letter] = (before, after)
    ends = [margins.get(letter, (0, 0)) for letter in "thw"]
    cuts, added = (tuple(tuple(max(0, sign * each) for each in pair) for pair in ends) for sign in (-1, 1))
    if any(map(any, cuts)):
        view = _with_sizes(node, view, ops.Crop(node.name, (view.operation,), cuts))  # type: ignore[arg-type]
    if any(map(any, added)):
        op = ops.Pad(node.name, (view.operation,), added, mode, value)  # type: ignore[arg-type]
        view = _with_sizes(node, view, op)
    return view


def resize(node: Node) -> View:
    """Resize, and its older form Upsample."""
    view = node.build.as_volume(node.name, node.view())
    if node.kind == "Upsample" or node.opset < 11:
        scales, sizes = node.setting("scales", 1), None
        positions, rounding = "asymmetric", "floor"
    else:
        scales, sizes = node.setting("", 2), node.setting("", 3)
        positions = node.attribute("coordinate_transformation_mode", "half_pixel")
        rounding = node.attribute("nearest_mode", "round_prefer_floor")
    axes = axes_of(node, node.attribute("axes") or list(range(5)), 5)
    ratios = [Fraction(1)] * 5
    for index, number in enumerate(axes):
        old = view.sizes[number]
        if sizes:
            ratios[number] = Fraction(int(sizes[index]), old)
        elif scales:
            ratios[number] = Fraction(float(scales[index])).limit_denominator(1000)
    mode = {"nearest": "nearest", "linear": "linear", "trilinear": "linear"}.get(node.attribute("mode", "nearest"))
    known = positions in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    policy = node.attribute("keep_aspect_ratio_policy", "stretch")
    if mode is None or not known or node.attribute("antialias", 0) or policy != "stretch" or ratios[:2] != [1, 1]:
        raise NotTranslated(f"{node.attribute('mode', 'nearest')} resizing ({positions}) is not known here")
    up, down = (tuple(getattr(ratio, part) for ratio in ratios[2:]) for part in ("numerator", "denominator"))
    if not all(1 <= each <= 1024 for each in (*up, *down)):
        raise NotTranslated(f"its factors {ratios[2:]} cannot be")
    made = ops.Resize(node.name, (view.operation,), up, down, mode, positions, rounding)  # type: ignore[arg-type]
    if made.repeats(view.shape):
        made = ops.Upsample(node.name, (view.operation,), up)  # type: ignore[arg-type]
    return _with_sizes(node, view, made)


def _with_sizes(node: Node, view: View, op: Any) -> View:
    """The view of an operation on a volume that changes frames, height and width, or the number of channels."""
    name = node.build.add(op)
    made = replace(view, operation=name, shape=node.build.shape(name))
    if view.axes == volume_axes(view):
        return replace(made, axes=(view.axes[0], *volume_axes(made)[1:]))
    return view.of(name, made.shape)


def _reduced(node: Node, view: View, numbers: Sequence[int], function: Literal["mean", "max", "min", "sum"]) -> View:
    """One number along some axes, which keep the size 1."""
    factors = [factor for number in numbers for factor in view.axes[number]]
    along = {axis: math.prod(factor.size for factor in factors if factor.axis == axis) for axis in "thwc"}
    letters = "".join(axis for axis, size in view.size_of.items() if size > 1 and along[axis] == size)
    if {factor.axis for factor in factors} - set(letters):
        raise NotTranslated("it reduces a part of an axis")
    made = replace(view, axes=tuple(() if n in numbers else axis for n, axis in enumerate(view.axes)))
    if not letters:
        return made
    name = node.build.add(ops.Reduce(node.name, (view.operation,), function, letters))
    return replace(made, operation=name, shape=node.build.shape(name))


def _padded_channels(node: Node, view: View, number: int, before: int, after: int, mode: str, value: float) -> View:
    """Channels around the others that hold one value, or fewer channels."""
    count = view.size_of["c"]
    if mode != "constant" or not 0 < count + before + after <= 1 << 16:
        raise NotTranslated(f"{mode} padding of channels is not known here")
    indices = np.arange(-before, count + after)
    inside = (indices >= 0) & (indices < count)
    view = taken(node, view, number, np.where(inside, indices, 0).tolist())
    if inside.all():
        return view
    return node.build.scale(node.name, view, inside.astype(np.float32), np.where(inside, 0, value))


TRANSLATIONS: dict[str, Callable[[Node], View]] = {
    **dict.fromkeys(_REDUCTIONS, reduce),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), global_pool),
    **dict.fromkeys(("Resize", "Upsample"), resize),
    "Pad": pad,
}
"""From the operator's name to its translation."""
