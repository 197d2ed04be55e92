"""Translates normalisations, and the products with matrices of weights."""

import math
from collections.abc import Callable

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.shape_operations import AXES
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated
from c3dvis.networks.importers.from_onnx.view import Factor, View


def batch_norm(node: Node) -> View:
    """γ·(x − mean)/√(var + ε) + β as a factor and an offset."""
    view = node.view()
    if len(view.axes) < 2 or any(node.weights(index).shape != view.sizes[1:2] for index in (1, 2, 3, 4)):
        raise NotTranslated("its weights do not fit its channels")
    behind = [1] * (len(view.axes) - 2)
    gamma, beta, mean, variance = (
        view.per_channel(node.weights(index).astype(np.float64).reshape(-1, *behind)) for index in (1, 2, 3, 4)
    )
    if node.attribute("training_mode", 0) or not node.attribute("spatial", 1):
        raise NotTranslated("it computes its statistics from the clip; export the model in evaluation mode")
    factor = gamma / np.sqrt(variance + float(node.attribute("epsilon", 1e-5)))
    return node.build.scale(node.name, view, factor, beta - mean * factor)


def instance_norm(node: Node) -> View:
    """One group for each index of the second axis; it may be a part of the channels: so exporters write GroupNorm."""
    view = node.view()
    if len(view.axes) == 5 and {factor.axis for factor in view.axes[1]} <= {"c"}:  # shuffled before
        view = node.build.as_volume(node.name, view)
    groups = view.sizes[1]
    gamma, beta = node.weights(1), node.weights(2)
    if gamma.shape != (groups,) or beta.shape != (groups,):
        raise NotTranslated("its weights do not fit its channels")
    return _group_norm(node, view, groups, gamma, beta)


def group_norm(node: Node) -> View:
    view, groups = node.view(), int(node.attribute("num_groups", 1))
    if view.axes[1] != view.whole("c") or groups < 1 or view.size_of["c"] % groups:
        raise NotTranslated(f"its {groups} groups do not divide the channels")
    grouped = view.reshaped((view.sizes[0], groups, math.prod(view.sizes[1:]) // groups))
    return _group_norm(node, grouped, groups, node.weights(1), node.weights(2), result=view)


def layer_norm(node: Node) -> View:
    """Over the last axes: the channels of each position, or all channels and positions together."""
    view = node.view()
    first = node.axis(node.attribute("axis", -1), len(view.axes))
    gamma = view.per_channel(node.weights(1))
    beta = view.per_channel(node.weights(2)) if node.value(2) is not None else np.zeros_like(gamma)
    epsilon = float(node.attribute("epsilon", 1e-5))
    over = [factor for axis in view.axes[first:] for factor in axis]
    if tuple(over) == view.whole("c"):
        op = ops.LayerNorm(node.name, (view.operation,), len(gamma), epsilon)
    elif _covers(view, over) and view.is_volume:
        op = ops.GroupNorm(node.name, (view.operation,), len(gamma), 1, epsilon)
    else:
        raise NotTranslated("it normalises other axes than the channels, or all of them")
    return node.build.weighted(view, op, gamma, beta)


def gemm(node: Node) -> View:
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    kernel = node.weights(1)
    if node.attribute("transA", 0) or kernel.ndim != 2:
        raise NotTranslated("the clip's values are transposed first")
    if node.attribute("transB", 0):
        kernel = kernel.T
    bias = np.zeros(kernel.shape[1], np.float32) if node.value(2) is None else node.weights(2)
    return _product(node, kernel * alpha, np.broadcast_to(bias * beta, (1, kernel.shape[1]))[0])


def matmul(node: Node) -> View:
    kernel = node.weights(1)
    if kernel.ndim != 2:
        raise NotTranslated("it multiplies by a stack of matrices")
    return _product(node, kernel, np.zeros(kernel.shape[1], np.float32))


def _product(node: Node, kernel: np.ndarray, bias: np.ndarray) -> View:
    """The last axis times a matrix (in, out): a pointwise convolution where there are positions, else a dense layer."""
    view, filters = node.view(), kernel.shape[1]
    last = view.axes[-1]
    if kernel.shape[0] != view.sizes[-1]:
        raise NotTranslated(f"its matrix {kernel.shape} does not fit {view.sizes[-1]} values")
    is_vector = len(view.axes) == 2 and all(factor.axis == "n" for factor in view.axes[0])
    if is_vector and view.is_volume:
        ordered = sorted(last, key=lambda factor: (AXES.index(factor.axis), -factor.stride))
        rows = kernel.reshape(*(factor.size for factor in last), filters)
        rows = rows.transpose(*(last.index(factor) for factor in ordered), len(last))
        source = node.build.add(ops.Flatten(f"{node.name}.flat", (view.operation,)))
        kernel, view = rows.reshape(-1, filters), View(source, node.build.shape(source), (view.axes[0], ()))
    elif last != view.whole("c"):
        raise NotTranslated("it mixes positions with each other")
    if view.is_volume:
        op: ops.Weighted = ops.Conv(node.name, (view.operation,), filters)
        kernel = kernel[np.newaxis, np.newaxis, np.newaxis]
    else:
        op = ops.Dense(node.name, (view.operation,), filters)
    name = node.build.add(op)
    node.build.weights[name] = np.ascontiguousarray(kernel, np.float32), np.asarray(bias, np.float32)
    made = View(name, node.build.shape(name), view.axes)
    return View(name, made.shape, (*view.axes[:-1], made.whole("c")))


def _group_norm(
    node: Node, view: View, groups: int, gamma: np.ndarray, beta: np.ndarray, result: View | None = None
) -> View:
    """A GroupNorm of a value (N, groups, …); the weights are of the groups or of the channels."""
    channels = view.size_of["c"]
    leading = (Factor("c", channels // groups, groups),) if groups > 1 else ()
    rest = [factor for axis in view.axes[2:] for factor in axis]
    if not view.is_volume or view.axes[1] != leading or not _covers(view, [*leading, *rest]):
        raise NotTranslated("its groups are not groups of neighbouring channels over the whole clip")
    factors, offsets = (np.repeat(each, channels // len(each)) for each in (gamma, beta))
    op = ops.GroupNorm(node.name, (view.operation,), channels, groups, float(node.attribute("epsilon", 1e-5)))
    return node.build.weighted(result or view, op, factors, offsets)


def _covers(view: View, factors: list[Factor]) -> bool:
    """Whether factors are all of those that the value has, but for the batch."""
    return sorted(factors) == sorted(factor for axis in view.axes for factor in axis if factor.axis != "n")


TRANSLATIONS: dict[str, Callable[[Node], View]] = {
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "Gemm": gemm,
    "MatMul": matmul,
}
"""From the operator's name to its translation."""
