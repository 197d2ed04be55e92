"""Translates what moves, drops, repeats, pads and reduces numbers; most of it only changes the view of a value."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated, Value
from c3dvis.networks.importers.from_onnx.view import NotAView, View, volume_axes

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
    dropped = [n for n, size in enumerate(view.sizes) if size == 1] if asked is None else _axes(node, asked, rank)
    return view.reshaped([size for number, size in enumerate(view.sizes) if number not in dropped])


def unsqueeze(node: Node) -> View:
    view = node.view()
    asked = node.setting("axes", 1, [])
    added = _axes(node, asked, len(view.axes) + len(asked))
    left = iter(view.axes)
    return replace(view, axes=tuple(() if n in added else next(left) for n in range(len(view.axes) + len(added))))


def reduce(node: Node) -> View:
    view = node.view()
    asked = node.setting("axes", 1)
    if not asked and node.attribute("noop_with_empty_axes", 0):
        return view
    numbers = _axes(node, asked, len(view.axes)) if asked else list(range(len(view.axes)))
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
    axes = _axes(node, node.setting("axes", 3) or list(range(len(starts))), len(view.axes))
    steps = node.setting("steps", 4) or [1] * len(starts)
    for number, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 1:
            raise NotTranslated("it turns the order round")
        view = _taken(node, view, number, list(range(view.sizes[number]))[int(start) : int(end) : int(step)])
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
    return tuple(_taken(node, view, number, part.tolist()) for part in parts)


def gather(node: Node) -> View:
    view, indices = node.view(), node.constant(1)
    number = node.axis(node.attribute("axis", 0), len(view.axes))
    if indices is None or indices.ndim > 1:
        raise NotTranslated("its indices are not a list")
    chosen = [int(index) % view.sizes[number] for index in indices.reshape(-1)]
    view = _taken(node, view, number, chosen)
    return view if indices.ndim else replace(view, axes=(*view.axes[:number], *view.axes[number + 1 :]))


def tile(node: Node) -> View:
    view, counts = node.view(), node.constant(1)
    if counts is None or len(counts) != len(view.axes):
        raise NotTranslated("its counts do not fit its axes")
    for number, count in enumerate(counts.tolist()):
        if count > 1:
            view = _taken(node, view, number, list(range(view.sizes[number])) * count)
    return view


def expand(node: Node) -> View:
    view, asked = node.view(), node.constant(1)
    sizes = [int(size) for size in (() if asked is None else asked)]
    view = replace(view, axes=((),) * (len(sizes) - len(view.axes)) + view.axes)
    for number, size in enumerate(reversed(sizes), 1):
        if size not in (1, view.sizes[-number]):
            if view.sizes[-number] != 1:
                raise NotTranslated(f"{view.sizes} cannot become {sizes}")
            view = _taken(node, view, len(view.axes) - number, [0] * size)
    return view


def pad(node: Node) -> View:
    view = node.view()
    pads = [int(each) for each in node.setting("pads", 1, None) or node.attribute("paddings") or []]
    rank = len(view.axes)
    axes = _axes(node, node.setting("axes", 3) or list(range(rank)), rank)
    value, mode = node.setting("value", 2, 0.0), node.attribute("mode", "constant")
    value = float(value[0] if isinstance(value, list) else value or 0.0)
    if len(pads) != 2 * len(axes) or mode not in ("constant", "edge", "reflect") or not math.isfinite(value):
        raise NotTranslated(f"{mode} padding by {pads} is not known here")
    margins: dict[str, tuple[int, int]] = {}
    for index, number in enumerate(axes):
        before, after = pads[index], pads[index + len(axes)]
        if (before, after) == (0, 0):
            continue
        view = _whole(node, view, number)
        if (letter := _letter(view, number)) == "c":
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
    axes = _axes(node, node.attribute("axes") or list(range(5)), 5)
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


def _axes(node: Node, numbers: Any, rank: int) -> list[int]:
    return [node.axis(int(number), rank) for number in (numbers if isinstance(numbers, list) else [numbers])]


def _letter(view: View, number: int) -> str:
    """Which axis of the operation's output an axis of the value is."""
    axis = view.axes[number]
    if len(axis) == 1 and axis == view.whole(axis[0].axis):
        return axis[0].axis
    if not axis and view.axes == volume_axes(view) and number:
        return "cthw"[number - 1]
    raise NotTranslated("it needs whole axes, where some are split or joined")


def _whole(node: Node, view: View, number: int) -> View:
    """The view, or that of its volume where an axis is not a whole one."""
    try:
        _letter(view, number)
    except NotTranslated:
        return node.build.as_volume(node.name, view)
    return view


def _with_sizes(node: Node, view: View, op: Any) -> View:
    """The view of an operation on a volume that changes frames, height and width, or the number of channels."""
    name = node.build.add(op)
    made = replace(view, operation=name, shape=node.build.shape(name))
    if view.axes == volume_axes(view):
        return replace(made, axes=(view.axes[0], *volume_axes(made)[1:]))
    return view.of(name, made.shape)


def _taken(node: Node, view: View, number: int, indices: Sequence[int]) -> View:
    """Chosen indices of an axis."""
    if list(indices) == list(range(view.sizes[number])):
        return view
    if not indices:
        raise NotTranslated("it takes nothing")
    view = _whole(node, view, number)
    letter = _letter(view, number)
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


def _padded_channels(node: Node, view: View, number: int, before: int, after: int, mode: str, value: float) -> View:
    """Channels around the others that hold one value, or fewer channels."""
    count = view.size_of["c"]
    if mode != "constant" or not 0 < count + before + after <= 1 << 16:
        raise NotTranslated(f"{mode} padding of channels is not known here")
    indices = np.arange(-before, count + after)
    inside = (indices >= 0) & (indices < count)
    view = _taken(node, view, number, np.where(inside, indices, 0).tolist())
    if inside.all():
        return view
    return node.build.scale(node.name, view, inside.astype(np.float32), np.where(inside, 0, value))


TRANSLATIONS: dict[str, Callable[[Node], Value | tuple[View, ...]]] = {
    **dict.fromkeys(("Identity", "Dropout", "Cast"), identity),
    **dict.fromkeys(_REDUCTIONS, reduce),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), global_pool),
    **dict.fromkeys(("Resize", "Upsample"), resize),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), depth_to_space),
    "Flatten": flatten, "Reshape": reshape, "Transpose": transpose, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
    "Concat": concat, "Slice": slice_, "Split": split, "Gather": gather, "Tile": tile, "Expand": expand, "Pad": pad,
}  # fmt: skip
"""From the operator's name to its translation."""
