"""`Builder`: the operations of a network while its graph is translated, with their shapes and weights."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Activation, Operation, Shape
from c3dvis.networks.graph.shape_operations import AXES
from c3dvis.networks.importers.from_onnx.view import Factor, NotAView, View, volume_axes
from c3dvis.networks.importers.imported import Pair

_LARGEST = 1 << 28
"""Numbers in an output; more than that is an attack."""


class Builder:
    """Adds operations, and gives views of their outputs.

    Args:
        shape: of the clip, (t, h, w, c).

    Attributes:
        operations: in order of computation.
        weights: (kernel, bias) of those that have them.
    """

    def __init__(self, shape: Shape) -> None:
        self.operations: list[Operation] = []
        self.weights: dict[str, Pair] = {}
        self._shapes: dict[str, Shape] = {"input": shape}
        self._made: dict[Any, str] = {}

    def add(self, op: Operation) -> str:
        """Add an operation; one that computes the same as an earlier one, without weights, is not added again.

        Raises:
            NotAView: its input is too small for it.
        """
        same = (type(op), replace(op, name="same"))
        if not isinstance(op, ops.Weighted) and same in self._made:
            return self._made[same]
        name, number = op.name, 1
        while name in self._shapes:  # a node that became several operations
            number += 1
            name = f"{op.name}_{number}"
        op = replace(op, name=name)
        shape = op.output_shape([self._shapes[each] for each in op.inputs])
        if min(shape) < 1:
            raise NotAView("nothing is left of its input at this clip's size")
        if math.prod(shape) > _LARGEST:
            raise NotAView(f"its output of {shape} is too large")
        self.operations.append(op)
        self._shapes[name] = shape
        self._made[same] = name
        return name

    def shape(self, name: str) -> Shape:
        return self._shapes[name]

    def same(self, view: View, op: Operation) -> View:
        """A view with the same axes, of a new operation that reads the view's."""
        name = self.add(op)
        return view.of(name, self._shapes[name])

    def weighted(self, view: View, op: ops.Weighted, kernel: np.ndarray, bias: np.ndarray | None = None) -> View:
        """As `same`, with weights."""
        made = self.same(view, op)
        offset = np.zeros(op.filters) if bias is None else bias
        self.weights[made.operation] = kernel.astype(np.float32), offset.astype(np.float32)
        return made

    def scale(self, name: str, view: View, factor: np.ndarray | float, offset: np.ndarray | float = 0.0) -> View:
        """The value times a factor, plus an offset: one number each, or one for each channel."""
        channels = view.size_of["c"]
        pair = [np.broadcast_to(np.asarray(each, np.float32), (channels,)) for each in (factor, offset)]
        return self.weighted(view, ops.Scale(name, (view.operation,), channels), *pair)

    def activation(self, name: str, view: View, function: str, **settings: Any) -> View:
        activation = Activation(function, **settings)
        return self.same(view, ops.ActivationLayer(name, (view.operation,), activation=activation))

    def as_volume(self, name: str, view: View) -> View:
        """The value as the output of an operation that is a volume (t, h, w, c) of the ONNX axes (N, C, T, H, W).

        Raises:
            NotAView: it has other axes.
        """
        if not view.is_volume:
            made = self.add(ops.ReshapeToVolume(f"{name}.volume", (view.operation,)))
            view = replace(view, operation=made, shape=self._shapes[made])
        if view.axes == volume_axes(view):
            return view
        if len(view.axes) != 5 or any(factor.axis != "n" for factor in view.axes[0]):
            raise NotAView(f"{len(view.axes)} axes are not (batch, channels, frames, height, width)")
        op = _rearrangement(f"{name}.rearranged", view)
        made = self.add(op)
        fresh = View(made, self._shapes[made], (view.axes[0],))
        return replace(fresh, axes=volume_axes(fresh))

    def as_vector(self, name: str, view: View) -> View:
        """The value as the output of an operation that is a vector (c,), of the ONNX axes (N, C).

        Raises:
            NotAView: it has other axes.
        """
        if len(view.axes) != 2 or any(factor.axis != "n" for factor in view.axes[0]):
            raise NotAView(f"{len(view.axes)} axes are not (batch, channels)")
        if not view.is_volume and view.axes[1] == view.whole("c"):
            return view
        view = self.as_volume(name, replace(view, axes=(*view.axes, (), (), ())))
        made = self.add(ops.Flatten(f"{name}.flat", (view.operation,)))
        fresh = View(made, self._shapes[made], (view.axes[0],))
        return replace(fresh, axes=(view.axes[0], fresh.whole("c")))


def _rearrangement(name: str, view: View) -> ops.Rearrange:
    """The operation that moves the factors of a volume to where a view (N, C, T, H, W) has them."""
    factors: list[Factor] = []
    splits: list[tuple[int, ...]] = []
    joins: dict[str, list[int]] = {axis: [] for axis in AXES}
    for axis in AXES:
        parts = sorted((each for group in view.axes for each in group if each.axis == axis), key=lambda f: -f.stride)
        if not parts:  # of size 1
            parts = [Factor(axis, 1, 1)]
            joins[axis].append(len(factors))
        factors += parts
        splits.append((0, *(part.size for part in parts[1:])))
    for axis, group in zip("cthw", view.axes[1:], strict=True):
        joins[axis] += [factors.index(factor) for factor in group]
    return ops.Rearrange(name, (view.operation,), tuple(splits), tuple(tuple(joins[axis]) for axis in AXES))
