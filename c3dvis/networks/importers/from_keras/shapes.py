"""Keras layers and functions that give a tensor other axes: Reshape, Flatten, Permute, RepeatVector, transposition."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.shape_operations import AXES
from c3dvis.networks.importers.from_keras.value import Steps, Value


def flatten(steps: Steps, value: Value) -> Value:
    """All axes as one, in the order in which the tensor has them."""
    if value.outer:
        return reshape(steps, value, (-1,))
    if not value.is_volume:
        return steps.keep(value)
    order = "".join(axis for axis in AXES if axis in value.order)
    if value.order != order:  # the slowest axis first
        free = [axis for axis in AXES if axis != "c"]
        value = steps.arranged(value, "".join(free[4 - len(order) :]) + "c")
    return steps.add(ops.Flatten(steps.name, (value.name,)), value, "c")


def permute(steps: Steps, value: Value, dims: Sequence[int]) -> Value:
    """Axes in another order; 1 is the first behind the batch."""
    if sorted(dims) != list(range(1, len(value.order) + 1)):
        raise WeightsDamaged(f"The layer {steps.name[:60]} orders {len(value.order)} axes by {list(dims)}.")
    return steps.keep(value, "".join(value.order[number - 1] for number in dims))


def repeat(steps: Steps, value: Value, count: int) -> Value:
    """A vector repeated, as a sequence."""
    if value.is_volume:
        raise WeightsDamaged(f"The layer {steps.name[:60]} repeats a volume; expected a vector.")
    volume = steps.add(ops.ReshapeToVolume(f"{steps.name}/volume", (value.name,)), value)
    return steps.add(ops.Upsample(steps.name, (volume.name,), (count, 1, 1)), volume, "tc")


def expand(steps: Steps, value: Value, places: Sequence[int]) -> Value:
    """Axes of size 1 at places of the result; 1 is the first behind the batch, -1 the last."""
    sizes = list(value.sizes)
    rank = len(sizes) + len(places)
    for place in sorted(place - 1 if place > 0 else rank + place for place in places):
        sizes.insert(place, 1)
    return reshape(steps, value, sizes, range(rank))


def reshape(steps: Steps, value: Value, target: Sequence[int], open_axes: Sequence[int] = ()) -> Value:
    """Axes split and joined.

    Args:
        steps: of the layer.
        value: the tensor.
        target: sizes of its new axes behind the batch; one may be -1, which takes what the others leave.
        open_axes: numbers of new axes that follow the size of a clip, beside that one.
    """
    is_open = {*open_axes, *(number for number, size in enumerate(target) if size == -1)}
    sizes, total = list(target), math.prod(value.sizes)
    if sizes.count(-1) == 1:
        known = math.prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = total // known if known > 0 and total % known == 0 else 0
    factors = _common_factors(value.sizes, sizes) if math.prod(sizes) == total and min(sizes, default=0) > 0 else None
    if factors is None or not 1 <= len(sizes) + len(value.outer) <= 4:
        raise WeightsDamaged(
            f"The layer {steps.name[:60]} is a Reshape of {'×'.join(map(str, value.sizes))} to "
            f"{'×'.join(map(str, target))}, which is not known here."
        )
    if len(sizes) == 1 and not value.outer:
        return flatten(steps, value)
    order = _new_axes(value, sizes, factors)
    if not value.is_volume:
        is_all = order[sizes.index(max(sizes))] == "c" and max(sizes) == total  # the vector is the channels
        volume = ops.ReshapeToVolume(steps.name if is_all else f"{steps.name}/volume", (value.name,))
        value = steps.add(volume, value, order if is_all else "c")
        if is_all:
            return value
    op = _rearrangement(steps.name, value, order, factors, is_open)
    is_same = not op.moves_axes and all(split in ((0,), (1,)) for split in op.splits)
    return steps.keep(value, order) if is_same else steps.add(op, value, order)


def as_channels(steps: Steps, value: Value, axes: str, compute: Callable[[Value, str], Value]) -> Value:
    """What an operation with numbers for each channel makes of a tensor if some of its axes are the channels.

    Args:
        steps: of the layer.
        value: the tensor.
        axes: some of its axes. Several are joined to one before, the first the slowest, and split after.
        compute: adds the operation to a value; takes the value, and the name that the operation gets.
    """
    long = [axis for axis in value.order if axis in axes and value.size(axis) > 1]
    if len(long) < 2:
        return compute(steps.with_channels(value, (*long, *axes, "c")[0]), steps.name)
    apart = "".join(axis for axis in value.order if axis not in axes)
    together = "".join(axis for axis in value.order if axis in axes)
    moved = replace(value, order=apart + together)
    kept = moved.sizes[: len(apart)]
    before = replace(steps, name=f"{steps.name}/joined")
    joined = reshape(before, moved, (*kept, -1), range(len(kept)))
    result = compute(steps.with_channels(joined, joined.order[-1]), f"{steps.name}/computed")
    split = reshape(steps, result, moved.sizes, range(len(kept)))
    places = {axis: split.order[place] for place, axis in enumerate(moved.order)}
    return replace(split, order="".join(places[axis] for axis in value.order))


def _common_factors(sizes: Sequence[int], wanted: Sequence[int]) -> list[tuple[int, int, int]] | None:
    """Factors (size, axis before, axis after) that both shapes are made of, the slowest first; None: there are none."""
    found, here, there = [], 0, 0
    left, right = list(sizes), list(wanted)
    while here < len(left) and there < len(right):
        if left[here] == 1:
            here += 1
        elif right[there] == 1:
            there += 1
        else:
            size = min(left[here], right[there])
            if left[here] % size or right[there] % size:
                return None
            found.append((size, here, there))
            left[here] //= size
            right[there] //= size
    return found


def _new_axes(value: Value, sizes: Sequence[int], factors: Sequence[tuple[int, int, int]]) -> str:
    """Axes for a new shape: a whole axis of the old shape stays the same, the last of the others is the channels."""
    order: list[str | None] = [None] * len(sizes)
    for size, before, after in factors:
        if size == value.sizes[before] == sizes[after]:
            order[after] = value.order[before]
    if "c" not in order and None in order:
        order[max(index for index, axis in enumerate(order) if axis is None)] = "c"
    free = [axis for axis in "thw" if axis not in (*order, *value.outer)]
    return "".join(axis or free.pop(0) for axis in order)


def _rearrangement(
    name: str, value: Value, order: str, factors: Sequence[tuple[int, int, int]], is_open: set[int]
) -> ops.Rearrange:
    splits: list[tuple[int, ...]] = []
    joins: dict[str, list[tuple[int, int]]] = {axis: [] for axis in AXES}
    count = 0
    for axis in AXES:
        parts = [number for number, each in enumerate(factors) if value.order[each[1]] == axis]
        if parts:
            follow = [part for part in parts if factors[part][2] in is_open][:1]
            splits.append(tuple(0 if part in follow else factors[part][0] for part in parts))
            for part in parts:
                joins[order[factors[part][2]]].append((part, count))
                count += 1
        else:  # an axis that is not reshaped, or of size 1
            splits.append((0,) if axis in value.outer else (1,))
            joins[axis].append((-1, count))
            count += 1
    return ops.Rearrange(
        name, (value.name,), tuple(splits), tuple(tuple(each for _, each in sorted(joins[axis])) for axis in AXES)
    )
