"""Keras layers of 1 to 3 dimensions that read windows, or move positions: convolutions, pooling, padding, resizing."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Margins, Padding, Triple
from c3dvis.networks.importers.from_keras.value import MakePair, Steps, Value
from c3dvis.networks.importers.from_keras.weights import Arrays
from c3dvis.networks.importers.imported import Pair


def dense(steps: Steps, value: Value, config: Mapping[str, Any]) -> Value:
    """A product with a matrix; at every position of a volume, it is a pointwise convolution."""
    value, filters = steps.with_channels(value, value.order[-1]), int(config["units"])
    made = ops.Conv if value.is_volume else ops.Dense
    return steps.add(
        made(steps.name, (value.name,), filters), value, pair=_kernel_and_bias(filters, "" if value.is_volume else None)
    )


def convolution(steps: Steps, value: Value, kind: str, config: Mapping[str, Any]) -> Value:
    """A convolution of any kind of 1, 2 or 3 dimensions."""
    rank = int(kind.removesuffix("Transpose")[-2])
    value, axes = steps.spatial(value, rank, config)
    kernel, strides = _triple(config["kernel_size"], axes), _triple(config["strides"], axes)
    dilation = _triple(config.get("dilation_rate", 1), axes)
    padding, groups = _padding(config, steps.name), int(config.get("groups") or 1)
    depth = int(config.get("depth_multiplier") or 1)
    if kind.startswith("Depthwise"):
        filters, groups = value.channels * depth, value.channels
    else:
        filters = int(config["filters"])
    if kind.endswith("Transpose"):
        if dilation != (1, 1, 1) or groups != 1 or config.get("output_padding") not in (None, [None] * rank):
            raise WeightsDamaged(
                f"The layer {steps.name[:60]} is transposed with dilation, groups or an output padding."
            )
        op: Any = ops.ConvTranspose(steps.name, (value.name,), filters, kernel, strides, padding)
        return steps.add(op, value, pair=_kernel_and_bias(filters, axes))
    op = ops.Conv(steps.name, (value.name,), filters, kernel, strides, padding, groups, dilation)
    pair = _kernel_and_bias(filters, axes)
    if kind.startswith("Depthwise"):
        pair = _kernel_and_bias(filters, axes, _depthwise)
    elif kind.startswith("Separable"):
        pair = _kernel_and_bias(filters, axes, _separable)
    return steps.add(op, value, pair=pair)


def pool(steps: Steps, value: Value, kind: str, config: Mapping[str, Any]) -> Value:
    """The maximum or the mean of windows."""
    value, axes = steps.spatial(value, int(kind[-2]), config)
    size, strides = config["pool_size"], config.get("strides") or config["pool_size"]
    made = ops.MaxPool if kind.startswith("Max") else ops.AveragePool
    window = _triple(size, axes), _triple(strides, axes), _padding(config, steps.name)
    return steps.add(made(steps.name, (value.name,), *window), value)


def global_pool(steps: Steps, value: Value, kind: str, config: Mapping[str, Any]) -> Value:
    """The maximum or the mean of all positions."""
    value, axes = steps.spatial(value, int(kind[-2]), config)
    is_mean = "Average" in kind
    if config.get("keepdims") or value.outer:
        order = value.order if config.get("keepdims") else "c"
        return steps.add(ops.Reduce(steps.name, (value.name,), "mean" if is_mean else "max", axes), value, order)
    made = ops.GlobalAveragePool if is_mean else ops.GlobalMaxPool
    return steps.add(made(steps.name, (value.name,)), value, "c")


def moved(steps: Steps, value: Value, kind: str, config: Mapping[str, Any]) -> Value:
    """Positions added, removed or repeated."""
    value, axes = steps.spatial(value, int(kind[-2]), config)
    if kind.startswith("ZeroPadding"):
        return steps.add(ops.Pad(steps.name, (value.name,), _margins(config["padding"], axes)), value)
    if kind.startswith("Cropping"):
        return steps.add(ops.Crop(steps.name, (value.name,), _margins(config["cropping"], axes)), value)
    factors = _triple(config["size"], axes)
    mode = config.get("interpolation", "nearest")
    if mode == "nearest":
        return steps.add(ops.Upsample(steps.name, (value.name,), factors), value)
    if mode == "bilinear":
        return steps.add(ops.Resize(steps.name, (value.name,), factors, (1, 1, 1)), value)
    raise WeightsDamaged(
        f"The layer {steps.name[:60]} interpolates by {str(mode)[:40]!r}; expected nearest or bilinear."
    )


def resizing(steps: Steps, value: Value, config: Mapping[str, Any]) -> Value:
    """Images of another size."""
    value, axes = steps.spatial(value, 2, config)
    mode = str(config.get("interpolation", "bilinear")).lower()
    settings = ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")
    if mode not in ("nearest", "bilinear") or any(config.get(name) for name in settings):
        raise WeightsDamaged(f"The layer {steps.name[:60]} is a Resizing with settings that are not known here.")
    wanted = dict(zip(axes, (int(config["height"]), int(config["width"])), strict=True))
    to = tuple(wanted.get(axis, 0) for axis in "thw")
    common = [math.gcd(size, value.size(axis)) or 1 for axis, size in zip("thw", to, strict=True)]
    up = tuple(size // each if size else 1 for size, each in zip(to, common, strict=True))
    down = tuple(value.size(axis) // each if size else 1 for axis, size, each in zip("thw", to, common, strict=True))
    how: dict[str, Any] = {"mode": "nearest", "rounding": "round_prefer_ceil"} if mode == "nearest" else {}
    return steps.add(ops.Resize(steps.name, (value.name,), up, down, to=to, **how), value)  # type: ignore[arg-type]


def _kernel_and_bias(filters: int, axes: str | None, kernel: Callable[[Arrays], np.ndarray] | None = None) -> MakePair:
    """The kernel of a layer with some axes as that of a volume; `axes` None: of a vector."""

    def pair(arrays: Arrays) -> Pair:
        made = kernel(arrays) if kernel else arrays["kernel"]
        if axes is not None:
            made = np.expand_dims(made, [number for number, axis in enumerate("thw") if axis not in axes])
        return made, arrays.get("bias", np.zeros(filters, np.float32))

    return pair


def _depthwise(arrays: Arrays) -> np.ndarray:
    """(…, 1, channels · multiplier) of (…, channels, multiplier)."""
    kernel = arrays["kernel"]
    return kernel.reshape(*kernel.shape[:-2], 1, -1)


def _separable(arrays: Arrays) -> np.ndarray:
    """The convolution that a depthwise and a pointwise one after it are."""
    depthwise, pointwise = arrays["depthwise"], arrays["pointwise"]
    if pointwise.size != depthwise.shape[-1] * depthwise.shape[-2] * pointwise.shape[-1]:
        return depthwise  # whoever checks its shape refuses it
    matrix = pointwise.reshape(*depthwise.shape[-2:], -1)
    return np.einsum("...cm,cmo->...co", depthwise, matrix)


def _triple(value: Any, axes: str) -> Triple:
    """A setting for some axes, for frames, height and width."""
    numbers = (value,) * len(axes) if isinstance(value, int) else tuple(value)
    if len(numbers) != len(axes) or not all(isinstance(n, int) and 1 <= n <= 1024 for n in numbers):
        raise ValueError(f"expected {len(axes)} sizes, received {value}")
    given = dict(zip(axes, numbers, strict=True))
    return given.get("t", 1), given.get("h", 1), given.get("w", 1)


def _margins(value: Any, axes: str) -> Margins:
    if len(axes) == 1 and not isinstance(value, int):  # Keras has one pair here
        value = [value]
    if isinstance(value, int):
        value = (value,) * len(axes)
    pairs = ((each, each) if isinstance(each, int) else each for each in value)
    given = {axis: (int(before), int(after)) for axis, (before, after) in zip(axes, pairs, strict=True)}
    return given.get("t", (0, 0)), given.get("h", (0, 0)), given.get("w", (0, 0))


def _padding(config: Mapping[str, Any], name: str) -> Padding:
    if config["padding"] not in ("same", "valid"):
        raise WeightsDamaged(f"The layer {name[:60]} pads {config['padding']!r}; expected same or valid.")
    return config["padding"]
