"""Translates what takes, repeats and joins numbers along an axis."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.importers.from_onnx.axes import axes_of, taken
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated, Value
from c3dvis.networks.importers.from_onnx.view import View


def concat(node: Node) -> View:
    views = [value for value in node.inputs if isinstance(value, View)]
    axis = node.axis(node.attribute("axis", 0), len(views[0].axes))
    parts = [view if _is_channels(view, axis) else node.build.as_volume(node.name, view) for view in views]
    if not all(_is_channels(view, axis) for view in parts):
        raise NotTranslated("it joins along another axis than the channels")
    first = parts[0]
    if any(_without(view, axis) != _without(first, axis) or view.shape[:-1] != first.shape[:-1] for view in parts):
        raise NotTranslated("it joins values whose other axes differ")
    if len(parts) < len(node.inputs):
        if len(parts) > 1:
            raise NotTranslated("it joins several values with constants")
        return _with_constants(node, first, axis)
    name = node.build.add(ops.Concat(node.name, tuple(view.operation for view in parts)))
    made = replace(first, operation=name, shape=node.build.shape(name))
    return _with_axis(made, axis)


def slice_(node: Node) -> View:
    view = node.view()
    starts, ends = node.setting("starts", 1, []), node.setting("ends", 2, [])
    axes = axes_of(node, node.setting("axes", 3) or list(range(len(starts))), len(view.axes))
    steps = node.setting("steps", 4) or [1] * len(starts)
    for number, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 1:
            raise NotTranslated("it turns the order round")
        view = taken(node, view, number, list(range(view.sizes[number]))[int(start) : int(end) : int(step)])
    return view


def split(node: Node) -> tuple[View, ...]:
    view, count = node.view(), len(node.proto.output)
    number = node.axis(node.attribute("axis", 0), len(view.axes))
    size = view.sizes[number]
    each = -(-size // count)
    sizes = node.setting("split", 1) or [min(each, size - each * index) for index in range(count)]
    if sum(sizes) != size or min(sizes) < 1 or len(sizes) != count:
        raise NotTranslated(f"its parts {sizes} do not make up {size}")
    parts = np.split(np.arange(size), np.cumsum(sizes[:-1]))
    return tuple(taken(node, view, number, part.tolist()) for part in parts)


def gather(node: Node) -> View:
    view, indices = node.view(), node.constant(1)
    number = node.axis(node.attribute("axis", 0), len(view.axes))
    if indices is None or indices.ndim > 1:
        raise NotTranslated("its indices are not a list")
    chosen = [int(index) % view.sizes[number] for index in indices.reshape(-1)]
    view = taken(node, view, number, chosen)
    return view if indices.ndim else replace(view, axes=(*view.axes[:number], *view.axes[number + 1 :]))


def tile(node: Node) -> View:
    view, counts = node.view(), node.constant(1)
    if counts is None or len(counts) != len(view.axes):
        raise NotTranslated("its counts do not fit its axes")
    for number, count in enumerate(counts.tolist()):
        if count > 1:
            view = taken(node, view, number, list(range(view.sizes[number])) * count)
    return view


def expand(node: Node) -> View:
    view, asked = node.view(), node.constant(1)
    sizes = [int(size) for size in (() if asked is None else asked)]
    view = replace(view, axes=((),) * (len(sizes) - len(view.axes)) + view.axes)
    for number, size in enumerate(reversed(sizes), 1):
        if size not in (1, view.sizes[-number]):
            if view.sizes[-number] != 1:
                raise NotTranslated(f"{view.sizes} cannot become {sizes}")
            view = taken(node, view, len(view.axes) - number, [0] * size)
    return view


def _is_channels(view: View, number: int) -> bool:
    """Whether an axis is the channels, and nothing else is."""
    others = [factor.axis for index, axis in enumerate(view.axes) if index != number for factor in axis]
    return view.axes[number] == view.whole("c") and "c" not in others and number > 0


def _without(view: View, number: int) -> tuple[Any, ...]:
    return (*view.axes[:number], *view.axes[number + 1 :])


def _with_axis(view: View, number: int) -> View:
    """The view with all channels as one of its axes."""
    return replace(view, axes=(*view.axes[:number], view.whole("c"), *view.axes[number + 1 :]))


def _with_constants(node: Node, view: View, axis: int) -> View:
    """A value and constant channels: in their place the value's first channel, times 0, plus the constant."""
    count = view.size_of["c"]
    indices, factors, offsets = [], [], []
    for index in range(len(node.inputs)):
        if isinstance(node.inputs[index], View):
            indices += range(count)
            factors += [1.0] * count
            offsets += [0.0] * count
            continue
        constant = np.moveaxis(node.weights(index), axis, 0)
        constant = constant.reshape(len(constant), -1)
        if (constant != constant[:, :1]).any():
            raise NotTranslated("it joins constants that differ from position to position")
        indices += [0] * len(constant)
        factors += [0.0] * len(constant)
        offsets += constant[:, 0].tolist()
    name = node.build.add(ops.Take(f"{node.name}.taken", (view.operation,), "c", tuple(indices)))
    taken = _with_axis(replace(view, operation=name, shape=node.build.shape(name)), axis)
    return node.build.scale(node.name, taken, np.array(factors), np.array(offsets))


TRANSLATIONS: dict[str, Callable[[Node], Value | tuple[View, ...]]] = {
    "Concat": concat, "Slice": slice_, "Split": split, "Gather": gather, "Tile": tile, "Expand": expand,
}  # fmt: skip
"""From the operator's name to its translation."""
