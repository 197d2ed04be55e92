"""What the values of weights say of their layout, where shapes fit more than one.

Trained kernels are smooth, random ones are not; and they are smooth in different ways along time and along space,
and alike along height and width. Turning every kernel of a network round on T, H and W leaves all of that as it
was, so whether they are turned cannot be told from values: the format decides it, and the report says so.
"""

from dataclasses import dataclass

import numpy as np

from c3dvis.networks.weights.layout import FIRST, LAST

SMOOTH = 0.2
"""Cosine between neighbouring taps above which a kernel is smooth: real I3D has 0.3 to 0.8, random weights 0 ± 0.02."""

_ODD = 0.2
_ALIKE = 0.35
_GRID = 0.05


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: its name.
        verdict: `ok`, `unknown` (the values cannot tell) or `wrong`.
        detail: a sentence with the numbers it stands on.
    """

    what: str
    verdict: str
    detail: str


def neighbours(kernel: np.ndarray, axis: int) -> float:
    """Cosine between the taps of a kernel and the next ones along an axis, every filter weighing the same."""
    if kernel.shape[axis] < 2:
        return 0.0
    exact = kernel.astype(np.float64)
    norm = np.sqrt(np.square(exact).sum(axis=tuple(range(kernel.ndim - 1)), keepdims=True))
    scaled = exact / np.maximum(norm, 1e-30)
    first = np.take(scaled, range(kernel.shape[axis] - 1), axis)
    second = np.take(scaled, range(1, kernel.shape[axis]), axis)
    return _cosine(first, second)


def axes(kernel: np.ndarray, layer: str) -> Finding:
    """Whether time stands where it should in a first layer's kernel (T, H, W, in, out).

    Height and width are alike in what they see; time is the odd one out.
    """
    values = [neighbours(kernel, axis) for axis in range(3)]
    told = ", ".join(f"{name} {value:.2f}" for name, value in zip("THW", values, strict=True))
    if min(kernel.shape[:3]) < 2 or max(values) < SMOOTH:
        return Finding(
            "axes", "unknown", f"cannot be told from the values of {layer} (neighbouring taps: {told}); taken as the "
            "format has them",
        )  # fmt: skip
    apart = {axis: abs(values[(axis + 1) % 3] - values[(axis + 2) % 3]) for axis in range(3)}
    odd = min(apart, key=lambda axis: apart[axis])  # the other two are nearest to each other
    gap = abs(values[odd] - np.mean([values[axis] for axis in range(3) if axis != odd]))
    if gap < _ODD or apart[odd] > _ALIKE * gap:
        return Finding("axes", "unknown", f"time does not stand out in {layer} (neighbouring taps: {told})")
    if odd == 0:
        return Finding(
            "axes", "ok", f"height and width are alike in {layer}, and time is not (neighbouring taps: {told})"
        )
    return Finding(
        "axes", "wrong", f"time seems to stand where the {'height' if odd == 1 else 'width'} should in {layer}: "
        f"expected height and width to be alike, received neighbouring taps {told}",
    )  # fmt: skip


def flattening(kernel: np.ndarray, volume: tuple[int, ...], layer: str) -> tuple[str | None, str]:
    """In which order a dense kernel (in, out) reads the volume (t, h, w, channels) before it, if its values tell.

    What stands side by side in the volume is seen alike by a trained layer.

    Returns:
        `channels last`, `channels first` or None, and the sentence with the numbers.
    """
    t, h, w, channels = volume
    if h < 2 or w < 2:
        return None, f"{layer} reads no volume of more than one position"
    part = kernel[:, :512].astype(np.float64)  # units enough to tell, and squares that do not overflow

    def grid(rows: np.ndarray) -> float:  # (t, h, w, channels, units)
        return (_cosine(rows[:, :-1], rows[:, 1:]) + _cosine(rows[:, :, :-1], rows[:, :, 1:])) / 2

    last = grid(part.reshape(t, h, w, channels, -1))
    first = grid(part.reshape(channels, t, h, w, -1).transpose(1, 2, 3, 0, 4))
    told = f"neighbours of {layer} agree {last:.2f} channels last, {first:.2f} channels first"
    if max(last, first) < _GRID or abs(last - first) < _GRID:
        return None, f"cannot be told from the values ({told}); taken as the format has it"
    return (LAST if last > first else FIRST), told


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    size = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / size) if size > 0 else 0.0
