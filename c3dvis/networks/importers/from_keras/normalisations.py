"""Keras layers that normalise: by statistics that they hold, or by those of the value; and PReLU.

Where a layer has numbers for each position along several axes, these are joined to one while it is computed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Activation
from c3dvis.networks.graph.shape_operations import AXES
from c3dvis.networks.importers.from_keras import shapes
from c3dvis.networks.importers.from_keras.value import MakePair, Steps, Value
from c3dvis.networks.importers.from_keras.weights import Arrays
from c3dvis.networks.importers.imported import Pair


def batch(steps: Steps, value: Value, config: Mapping[str, Any]) -> Value:
    """γ·(x − mean)/√(variance + ε) + β of each channel."""

    def compute(value: Value, name: str) -> Value:
        op = ops.Scale(name, (value.name,), value.channels)
        return steps.add(op, value, pair=_statistics(config, value.channels))

    return shapes.as_channels(steps, value, _axes(value, config), compute)


def group_or_layer(steps: Steps, value: Value, kind: str, config: Mapping[str, Any]) -> Value:
    """Groups of channels, or the channels of each position, brought to mean 0 and variance 1."""
    axes, epsilon = _axes(value, config), float(config.get("epsilon", 1e-3))
    is_group = kind == "GroupNormalization"
    if config.get("rms_scaling") or (is_group and (value.outer or len(axes) > 1)):
        raise WeightsDamaged(f"The layer {steps.name[:60]} is a {kind} with settings that are not known here.")

    def compute(value: Value, name: str) -> Value:
        channels = value.channels
        op: Any = ops.LayerNorm(name, (value.name,), channels, epsilon=epsilon)
        if is_group:
            groups = channels if config["groups"] == -1 else int(config["groups"])
            op = ops.GroupNorm(name, (value.name,), channels, groups, epsilon)
        return steps.add(op, value, pair=_gamma_and_beta(channels))

    return shapes.as_channels(steps, value, axes, compute)


def unit(steps: Steps, value: Value, config: Mapping[str, Any], is_keras_2: bool) -> Value:
    """x/√Σx², where the sum is over some axes."""
    axis = config.get("axis", -1)
    axes = {value.axis(each) for each in (axis if isinstance(axis, list | tuple) else [axis])}
    least = 1e-12 if is_keras_2 else 1e-24
    name = steps.name
    if not value.is_volume:
        value = steps.add(ops.ReshapeToVolume(f"{name}/volume", (value.name,)), value)
    square = steps.add(ops.ActivationLayer(f"{name}/squares", (value.name,), activation=Activation("square")), value)
    over = "".join(each for each in AXES if each in axes)
    total = steps.add(ops.Reduce(f"{name}/sum", (square.name,), "sum", over), square)
    bounded = Activation("clip", low=least)
    total = steps.add(ops.ActivationLayer(f"{name}/least", (total.name,), activation=bounded), total)
    root = steps.add(ops.ActivationLayer(f"{name}/root", (total.name,), activation=Activation("sqrt")), total)
    return steps.join(ops.Divide(name, (value.name, root.name)), [value, root])


def given(steps: Steps, value: Value, config: Mapping[str, Any]) -> Value:
    """(x − mean)/√variance of each channel, or of all: a Normalization."""

    def compute(value: Value, name: str) -> Value:
        op = ops.Scale(name, (value.name,), value.channels)
        return steps.add(op, value, pair=_given_statistics(config, value.channels))

    return shapes.as_channels(steps, value, _axes(value, config), compute)


def prelu(steps: Steps, value: Value, config: Mapping[str, Any]) -> Value:
    """Each channel, or each position along other axes too, times its slope where it is below zero."""
    shared = {value.axis(number) for number in config.get("shared_axes") or ()}

    def compute(value: Value, name: str) -> Value:
        return steps.add(ops.PRelu(name, (value.name,), value.channels), value, pair=_slopes(value.channels))

    return shapes.as_channels(steps, value, "".join(axis for axis in value.order if axis not in shared), compute)


def _axes(value: Value, config: Mapping[str, Any]) -> str:
    """The axes with numbers of their own, of a layer that normalises."""
    axis = config.get("axis", -1)
    numbers = axis if isinstance(axis, list | tuple) else [axis]
    return "".join(value.axis(int(number)) for number in numbers if number is not None)


def _statistics(config: Mapping[str, Any], channels: int) -> MakePair:
    """γ·(x − mean)/√(var + ε) + β as a factor and an offset."""
    epsilon = float(config.get("epsilon", 1e-3))

    def pair(arrays: Arrays) -> Pair:
        flat = {role: array.astype(np.float64).reshape(-1) for role, array in arrays.items()}
        factor = flat.get("gamma", np.ones(channels)) / np.sqrt(flat["moving_variance"] + epsilon)
        offset = flat.get("beta", np.zeros(channels)) - flat["moving_mean"] * factor
        return factor.astype(np.float32), offset.astype(np.float32)

    return pair


def _gamma_and_beta(channels: int) -> MakePair:
    def pair(arrays: Arrays) -> Pair:
        return (
            arrays.get("gamma", np.ones(channels, np.float32)).reshape(-1),
            arrays.get("beta", np.zeros(channels, np.float32)).reshape(-1),
        )

    return pair


def _slopes(channels: int) -> MakePair:
    def pair(arrays: Arrays) -> Pair:
        alpha = arrays["alpha"].reshape(-1)
        alpha = np.full(channels, alpha[0]) if alpha.size == 1 else alpha
        return alpha, np.zeros_like(alpha)

    return pair


def _given_statistics(config: Mapping[str, Any], channels: int) -> MakePair:
    """(x − mean)/√var, or its inverse, as a factor and an offset."""

    def pair(arrays: Arrays) -> Pair:
        mean, variance = (
            np.asarray(config[role] if config.get("mean") is not None else arrays[role], np.float64).reshape(-1)
            for role in ("mean", "variance")
        )
        deviation = np.maximum(np.sqrt(variance), 1e-7)
        factor, offset = (deviation, mean) if config.get("invert") else (1 / deviation, -mean / deviation)
        factor, offset = (np.resize(each, channels) if each.size == 1 else each for each in (factor, offset))
        return factor.astype(np.float32), offset.astype(np.float32)

    return pair
