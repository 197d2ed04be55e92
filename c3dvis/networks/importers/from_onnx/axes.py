"""Axes of a value that a node names by number, and choosing indices along one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated
from c3dvis.networks.importers.from_onnx.view import View, volume_axes


def axes_of(node: Node, numbers: Any, rank: int) -> list[int]:
    """Axes counted from the front, of one number or a list of them."""
    return [node.axis(int(number), rank) for number in (numbers if isinstance(numbers, list) else [numbers])]


def letter_of(view: View, number: int) -> str:
    """Which axis of the operation's output an axis of the value is."""
    axis = view.axes[number]
    if len(axis) == 1 and axis == view.whole(axis[0].axis):
        return axis[0].axis
    if not axis and view.axes == volume_axes(view) and number:
        return "cthw"[number - 1]
    raise NotTranslated("it needs whole axes, where some are split or joined")


def with_whole_axis(node: Node, view: View, number: int) -> View:
    """The view, or that of its volume where an axis is not a whole one."""
    try:
        letter_of(view, number)
    except NotTranslated:
        return node.build.as_volume(node.name, view)
    return view


def taken(node: Node, view: View, number: int, indices: Sequence[int]) -> View:
    """Chosen indices of an axis."""
    if list(indices) == list(range(view.sizes[number])):
        return view
    if not indices:
        raise NotTranslated("it takes nothing")
    view = with_whole_axis(node, view, number)
    letter = letter_of(view, number)
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    size = view.sizes[number]
    if letter in "thw" and step > 0 and list(indices) == list(range(indices[0], indices[-1] + 1, step)):
        is_open = indices[-1] + step >= size  # such a slice goes to the end, whatever the size
        cut = (indices[0], 0 if is_open else size - 1 - indices[-1])
        cuts = tuple(cut if each == letter else (0, 0) for each in "thw")
        steps = tuple(step if each == letter else 1 for each in "thw")
        op: Any = ops.Crop(node.name, (view.operation,), cuts, steps)  # type: ignore[arg-type]
    else:
        op = ops.Take(node.name, (view.operation,), letter, tuple(indices))  # type: ignore[arg-type]
    name = node.build.add(op)
    made = replace(view, operation=name, shape=node.build.shape(name))
    return replace(made, axes=(*made.axes[:number], made.whole(letter), *made.axes[number + 1 :]))
