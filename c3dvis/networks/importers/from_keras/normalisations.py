"""Keras layers that normalise: by statistics that they hold, or by those of the value; and PReLU."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Activation
from c3dvis.networks.graph.shape_operations import AXES
from c3dvis.networks.importers.from_keras.value import MakePair, Steps, Value
from c3dvis.networks.importers.from_keras.weights import Arrays
from c3dvis.networks.importers.imported import Pair


def batch(steps: Steps, value: Value, config: Mapping[str, Any]) -> Value:
    """γ·(x − mean)/√(variance + ε) + β of each channel."""
    value = _by_channel(steps, value, config.get("axis", -1))
    op = ops.Scale(steps.name, (value.name,), value.channels)
    return steps.add(op, value, pair=_statistics(config, value.channels))


def group_or_layer(steps: Steps, value: Value, kind: str, config: Mapping[str, Any]) -> Value:
    """Groups of channels, or the channels of each position, brought to mean 0 and variance 1."""
    value = _by_channel(steps, value, config.get("axis", -1))
    epsilon, channels = float(config.get("epsilon", 1e-3)), value.channels
    if config.get("rms_scaling") or (kind == "GroupNormalization" and value.outer):
        raise WeightsDamaged(f"The layer {steps.name[:60]} is a {kind} with settings that are not known here.")
    if kind == "LayerNormalization":
        op: Any = ops.LayerNorm(steps.name, (value.name,), channels, epsilon=epsilon)
    else:
        groups = channels if config["groups"] == -1 else int(config["groups"])
        op = ops.GroupNorm(steps.name, (value.name,), channels, groups, epsilon)
    return steps.add(op, value, pair=_gamma_and_beta(channels))


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
    if config.get("axis", -1) not in (None, []):
        value = _by_channel(steps, value, config.get("axis", -1))
    op = ops.Scale(steps.name, (value.name,), value.channels)
    return steps.add(op, value, pair=_given_statistics(config, value.channels))


def prelu(steps: Steps, value: Value, config: Mapping[str, Any]) -> Value:
    """Each channel times its slope where it is below zero."""
    shared = {value.axis(number) for number in config.get("shared_axes") or ()}
    own = {axis for axis in value.order if axis not in shared and value.size(axis) > 1}
    if len(own) > 1:
        raise WeightsDamaged(
            f"The layer {steps.name[:60]} has a slope for each position; expected one for each channel "
            "(shared_axes=[1, 2, 3])."
        )
    value = steps.with_channels(value, next(iter(own), "c"))
    return steps.add(ops.PRelu(steps.name, (value.name,), value.channels), value, pair=_slopes(value.channels))


def _by_channel(steps: Steps, value: Value, axis: Any) -> Value:
    """The value with its channels where a normalisation has them.

    Raises:
        WeightsDamaged: it normalises several axes.
    """
    numbers = axis if isinstance(axis, list | tuple) else [axis]
    if len(numbers) != 1:
        raise WeightsDamaged(f"The layer {steps.name[:60]} normalises axis {axis}; expected the channels.")
    return steps.with_channels(value, value.axis(int(numbers[0])))


def _statistics(config: Mapping[str, Any], channels: int) -> MakePair:
    """γ·(x − mean)/√(var + ε) + β as a factor and an offset."""
    epsilon = float(config.get("epsilon", 1e-3))

    def pair(arrays: Arrays) -> Pair:
        factor = 1 / np.sqrt(arrays["moving_variance"].astype(np.float64) + epsilon)
        factor *= arrays.get("gamma", np.ones(channels))
        offset = arrays.get("beta", np.zeros(channels)) - arrays["moving_mean"] * factor
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
