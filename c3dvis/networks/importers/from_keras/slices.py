"""Slices of a tensor of a Keras model: `x[:, 1:, ..., :2]`, `x[:, None, None, None, :]`, `x[:, 0]`."""

from collections.abc import Sequence
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.importers.from_keras import shapes
from c3dvis.networks.importers.from_keras.value import Steps, Value

_WHOLE = {"start": None, "stop": None, "step": None}


def sliced(steps: Steps, value: Value, described: Any) -> Value:
    """The part of a tensor that slices, numbers, None (a new axis) and an ellipsis choose, the batch's first.

    Raises:
        WeightsDamaged: they are not in the notations of Keras, or the part would depend on the size of a clip in
            another way than from its ends.
    """
    chosen = [_read(each) for each in (described if isinstance(described, list | tuple) else [described])]
    missing = 1 + len(value.order) - sum(each not in (None, Ellipsis) for each in chosen)
    if Ellipsis in chosen:
        place = chosen.index(Ellipsis)
        chosen[place : place + 1] = [_WHOLE] * missing
    else:
        chosen += [_WHOLE] * missing
    if missing < 0 or chosen[0] != _WHOLE:
        raise WeightsDamaged(f"The layer {steps.name[:60]} slices the batch, or an axis that is not there.")
    axes = iter(value.order)
    kept: list[tuple[str, bool]] = []  # (axis, or nothing of a new one; whether it is kept)
    for each in chosen[1:]:
        if each is None:
            kept.append(("", True))
            continue
        axis = next(axes)
        if each != _WHOLE:
            value = _part(steps, value, axis, each, len(steps.operations))
        kept.append((axis, isinstance(each, dict)))
    gone = [axis for axis, is_kept in kept if not is_kept]
    sizes = [value.size(axis) if axis else 1 for axis, is_kept in kept if is_kept]
    if not gone and all(axis for axis, _ in kept):
        return steps.keep(value)
    return shapes.reshape(steps, value, sizes, range(len(sizes)))


def _part(steps: Steps, value: Value, axis: str, chosen: Any, number: int) -> Value:
    """A slice or one position along an axis."""
    size, name = value.size(axis), f"{steps.name}/part {number}"
    if isinstance(chosen, int):
        if not -size <= chosen < size or (chosen < 0 and axis != "c"):
            raise WeightsDamaged(f"The layer {steps.name[:60]} takes position {chosen} of {size}.")
        return steps.add(ops.Take(name, (value.name,), axis, (chosen % size,)), value)  # type: ignore[arg-type]
    start, stop, step = chosen["start"] or 0, chosen["stop"], chosen["step"] or 1
    if step < 1 or (axis != "c" and (start < 0 or (stop is not None and stop > size))):
        raise WeightsDamaged(f"The layer {steps.name[:60]} has a slice that is not known here.")
    if axis != "c" and value.is_volume and (stop is None or stop < 0):  # counted from the ends
        place = "thw".index(axis)
        cuts = tuple((start, -(stop or 0)) if each == place else (0, 0) for each in range(3))
        strides = tuple(step if each == place else 1 for each in range(3))
        return steps.add(ops.Crop(name, (value.name,), cuts, strides), value)  # type: ignore[arg-type]
    indices = tuple(range(size)[start:stop:step])
    if not indices:
        raise WeightsDamaged(f"The layer {steps.name[:60]} takes no position of {size}.")
    return steps.add(ops.Take(name, (value.name,), axis, indices), value)  # type: ignore[arg-type]


def _read(each: Any) -> Any:
    """One of the slices: {start, stop, step}, a number, None or an ellipsis."""
    if isinstance(each, dict):
        if each.get("class_name") == "__ellipsis__":
            return Ellipsis
        settings = each.get("config", each)
        parts: Sequence[Any] = [settings.get(name) for name in _WHOLE]
        if all(part is None or type(part) is int for part in parts):
            return dict(zip(_WHOLE, parts, strict=True))
    if each == "Ellipsis":
        return Ellipsis
    if each is None or each is Ellipsis or type(each) is int:
        return each
    raise WeightsDamaged("A slice is described in a way that Keras does not use.")
