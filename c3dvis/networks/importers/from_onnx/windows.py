"""Translates convolutions and poolings, for any axes that the window's axes are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from c3dvis.networks.graph import operations as ops
from c3dvis.networks.graph.base_operation import Margins, Triple
from c3dvis.networks.importers.from_onnx.node import Node, NotTranslated
from c3dvis.networks.importers.from_onnx.view import View

_LARGEST = 1024
"""Taps, steps and pads beyond which a setting is an error."""


def conv(node: Node) -> View:
    kernel = node.weights(1)
    view, letters = _windows(node, kernel.ndim - 2)
    groups = int(node.attribute("group", 1))
    filters, channels = kernel.shape[:2]
    if groups < 1 or filters % groups or channels * groups != view.size_of["c"]:
        raise NotTranslated(f"its kernel {kernel.shape} does not fit {view.size_of['c']} channels in {groups} groups")
    window = _Window(node, kernel.shape[2:], letters, view)
    op = ops.Conv(
        node.name, (view.operation,), filters, window.triple(kernel.shape[2:]), window.strides, groups=groups,
        dilation=window.dilation, **window.padding(),
    )  # fmt: skip
    spatial = _to_thw(kernel, letters)
    return _made(node, op, view, letters, spatial.transpose(2, 3, 4, 1, 0))


def conv_transpose(node: Node) -> View:
    kernel = node.weights(1)
    view, letters = _windows(node, kernel.ndim - 2)
    groups = int(node.attribute("group", 1))
    channels, per_group = kernel.shape[:2]
    if groups < 1 or channels != view.size_of["c"] or channels % groups:
        raise NotTranslated(f"its kernel {kernel.shape} does not fit {view.size_of['c']} channels in {groups} groups")
    window = _Window(node, kernel.shape[2:], letters, view)
    dense = np.zeros((channels, per_group * groups, *_dilated(kernel, window.dilations).shape[2:]), np.float32)
    for group in range(groups):  # one kernel without groups and gaps, zero where they are
        rows = slice(group * channels // groups, (group + 1) * channels // groups)
        dense[rows, group * per_group : (group + 1) * per_group] = _dilated(kernel, window.dilations)[rows]
    taps = window.triple(dense.shape[2:])
    cuts, extra = _ends(node, window, dense.shape[2:], view, letters)
    op = ops.ConvTranspose(
        node.name, (view.operation,), per_group * groups, taps, window.strides, "valid", cuts=cuts, extra=extra
    )
    return _made(node, op, view, letters, _to_thw(dense, letters).transpose(2, 3, 4, 1, 0))


def pool(node: Node) -> View:
    sizes = node.attribute("kernel_shape") or []
    view, letters = _windows(node, len(sizes))
    window = _Window(node, sizes, letters, view)
    if node.kind not in ("MaxPool", "AveragePool") or window.dilation != (1, 1, 1):
        raise NotTranslated(f"{node.kind} with dilations {window.dilations} is not known here")
    ceil = bool(node.attribute("ceil_mode", 0))
    settings: dict[str, Any] = {"strides": window.strides, **window.padding(), "ceil": ceil}
    kind = ops.MaxPool
    if node.kind == "AveragePool":
        kind, counts = ops.AveragePool, bool(node.attribute("count_include_pad", 0))
        settings["counts_pads"] = counts and any(map(any, window.margins))
        if settings["counts_pads"]:
            settings |= {"padding": "valid", "pads": window.margins}
    op = kind(node.name, (view.operation,), window.triple(sizes), **settings)
    return _made(node, op, view, letters, None)


def _made(node: Node, op: Any, view: View, letters: Sequence[str], kernel: np.ndarray | None) -> View:
    """The view of an operation that changes the sizes of channels and windowed axes alone."""
    name = node.build.add(op)
    if kernel is not None:
        bias = node.weights(2) if node.value(2) is not None else np.zeros(op.filters, np.float32)
        if bias.shape != (op.filters,):
            raise NotTranslated(f"its bias {bias.shape} does not fit {op.filters} filters")
        node.build.weights[op.name] = np.ascontiguousarray(kernel), bias
    shape = node.build.shape(name)
    made = replace(view, operation=name, shape=shape)
    return replace(made, axes=(view.axes[0], *(made.whole(axis) for axis in ("c", *letters))))


def _windows(node: Node, count: int) -> tuple[View, list[str]]:
    """The input as a volume with whole channels second and whole axes behind them, and the names of those.

    A convolution of images or of sequences is one whose other axes lie in the batch.
    """
    view = node.view()
    if not 1 <= count <= 3 or len(view.axes) != count + 2:
        raise NotTranslated(f"it has {count} axes in its windows, for a value of {len(view.axes)} axes")
    letters = _letters(view)
    if letters is None and count == 3:
        view = node.build.as_volume(node.name, view)
        letters = list("thw")
    if letters is None or not view.is_volume:
        raise NotTranslated("its windows lie across axes that are split or joined")
    return view, letters


def _letters(view: View) -> list[str] | None:
    """The axes that those behind the channels are, or None where they are not whole ones."""
    if not view.is_volume or view.axes[1] != view.whole("c"):
        return None
    found: list[str] = []
    for axis in view.axes[2:]:
        if len(axis) > 1 or (axis and (axis[0].axis not in "thw" or axis != view.whole(axis[0].axis))):
            return None
        found.append(axis[0].axis if axis else "")
    in_batch = {factor.axis for factor in view.axes[0]}
    free = [letter for letter in "thw" if letter not in found and letter not in in_batch]
    if len(view.axes) == 5 and all(not letter or letter == "thw"[index] for index, letter in enumerate(found)):
        return list("thw")
    for index, letter in enumerate(found):  # of size 1: any axis that is left
        if not letter:
            if not free:
                return None
            found[index] = free.pop(0)
    return found


class _Window:
    """The settings of a window, for frames, height and width."""

    def __init__(self, node: Node, taps: Sequence[int], letters: Sequence[str], view: View) -> None:
        count = len(letters)
        self._letters = letters
        self.dilations = self._list(node, "dilations", [1] * count, 1)
        steps = self._list(node, "strides", [1] * count, 1)
        pads = self._list(node, "pads", [0] * 2 * count, 0)
        self._is_same = False
        reach = [(n - 1) * gap + 1 for n, gap in zip(taps, self.dilations, strict=True)]
        if not all(1 <= n <= _LARGEST for n in taps):
            raise NotTranslated(f"its window {tuple(taps)} cannot be")
        match node.attribute("auto_pad", "NOTSET"):
            case "VALID":
                pads = [0] * 2 * count
            case "SAME_UPPER":
                self._is_same = True
            case "SAME_LOWER":
                sizes = [view.size_of[letter] for letter in letters]
                missing = [max(0, (-(-n // s) - 1) * s + r - n) for n, s, r in zip(sizes, steps, reach, strict=True)]
                pads = [-(-each // 2) for each in missing] + [each // 2 for each in missing]
        self.before, self.after = pads[:count], pads[count:]
        self.strides: Triple = self.triple(steps)
        self.dilation: Triple = self.triple(self.dilations)
        self.margins: Margins = self._margins()
        whole = zip(self.before, self.after, steps, reach, strict=True)
        self._keeps_size = all(
            before == after and 2 * before == extent - 1 and (step == 1 or extent == 1)
            for before, after, step, extent in whole
        )

    def triple(self, numbers: Sequence[int], default: int = 1) -> Triple:
        """Numbers along the window's axes as (frames, height, width)."""
        known = dict(zip(self._letters, map(int, numbers), strict=True))
        return tuple(known.get(letter, default) for letter in "thw")  # type: ignore[return-value]

    def padding(self) -> dict[str, Any]:
        """The fields `padding` and `pads` of an operation; `same` wherever it means the same at every size."""
        if self._is_same or self._keeps_size:
            return {"padding": "same"}
        return {"padding": "valid", "pads": self.margins}

    def _margins(self) -> Any:
        return tuple(zip(self.triple(self.before, 0), self.triple(self.after, 0), strict=True))

    @staticmethod
    def _list(node: Node, name: str, default: list[int], least: int) -> list[int]:
        numbers = node.attribute(name) or default
        if len(numbers) != len(default) or not all(least <= n <= _LARGEST for n in numbers):
            raise NotTranslated(f"its {name} are {numbers}; expected {len(default)} numbers of at least {least}")
        return numbers


def _to_thw(kernel: np.ndarray, letters: Sequence[str]) -> np.ndarray:
    """A kernel (a, b, …) with its window's axes as frames, height and width."""
    missing = [letter for letter in "thw" if letter not in letters]
    kernel = kernel.reshape(*kernel.shape, *[1] * len(missing))
    order = [*letters, *missing]
    return kernel.transpose(0, 1, *(2 + order.index(letter) for letter in "thw"))


def _dilated(kernel: np.ndarray, dilations: Sequence[int]) -> np.ndarray:
    """A kernel with zeros in the gaps between its taps."""
    sizes = [(taps - 1) * gap + 1 for taps, gap in zip(kernel.shape[2:], dilations, strict=True)]
    if math.prod(sizes) > _LARGEST**2:
        raise NotTranslated(f"its dilated window {tuple(sizes)} is too large")
    wide = np.zeros((*kernel.shape[:2], *sizes), np.float32)
    wide[(slice(None), slice(None), *(slice(None, None, gap) for gap in dilations))] = kernel
    return wide


def _ends(node: Node, window: _Window, taps: Sequence[int], view: View, letters: Sequence[str]) -> tuple[Any, Any]:
    """What a transposed convolution's output is cut by, and what is added at its ends."""
    count = len(letters)
    more = node.attribute("output_padding") or [0] * count
    steps: Mapping[str, int] = dict(zip("thw", window.strides, strict=True))
    before, after = list(window.before), list(window.after)
    wanted = node.attribute("output_shape")
    auto = node.attribute("auto_pad", "NOTSET")
    cuts, extra = [], []
    for index, letter in enumerate(letters):
        size, step, reach = view.size_of[letter], steps[letter], taps[index]
        full = (size - 1) * step + reach + more[index]
        if wanted or auto.startswith("SAME"):
            target = wanted[-count:][index] if wanted else size * step
            missing = full - target
            small, large = missing // 2, missing - missing // 2
            before[index], after[index] = (small, large) if auto == "SAME_UPPER" else (large, small)
        spare = max(0, step - reach)  # what c3dvis adds where the stride is larger than the kernel
        cut = spare + after[index] - more[index]
        cuts.append((before[index], max(0, cut)))
        extra.append(max(0, -cut))
        if before[index] < 0 or not 0 <= extra[-1] < step:
            raise NotTranslated("its output is larger than its kernel reaches")
    known = dict(zip(letters, zip(cuts, extra, strict=True), strict=True))
    pairs = [known.get(letter, ((0, 0), 0)) for letter in "thw"]
    return tuple(cut for cut, _ in pairs), tuple(each for _, each in pairs)
