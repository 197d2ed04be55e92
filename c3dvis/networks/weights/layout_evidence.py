"""Evidence from the values of weights about their layout, where shapes fit more than one.

Trained kernels are smooth and random ones are not. Their smoothness is similar along height and width, and different
along time. A flip of all kernels on T, H and W changes none of this, so values cannot show whether kernels are flipped.
This is inferred from the file format, and the report notes this.
"""

from dataclasses import dataclass

import numpy as np

from c3dvis.networks.weights.layout import CHANNELS_FIRST, CHANNELS_LAST

SMOOTH = 0.2
"""Cosine similarity of neighbouring taps from which a kernel is smooth; I3D has 0.3 to 0.8, random ones under 0.02."""

_MIN_GAP = 0.2
"""Difference in smoothness between time and space from which time can be recognised."""

_MAX_SPACE_GAP = 0.35
"""Difference in smoothness between height and width, as a share of the gap, up to which they count as similar."""

_MIN_AGREEMENT = 0.05
"""Cosine similarity of neighbouring positions, and its difference between two orders, from which an order is chosen."""


@dataclass(frozen=True)
class LayoutFinding:
    """One finding about the layout of a file.

    Args:
        what: `axes`, `flip` or `flattening`.
        verdict: `ok`, `unknown` (the values cannot tell) or `wrong`.
        detail: a sentence with the measured values.
    """

    what: str
    verdict: str
    detail: str


def smoothness(kernel: np.ndarray, axis: int) -> float:
    """Cosine similarity of neighbouring taps of a kernel along an axis, with the same weight for every filter."""
    if kernel.shape[axis] < 2:
        return 0.0
    exact = kernel.astype(np.float64)
    norm = np.sqrt(np.square(exact).sum(axis=tuple(range(kernel.ndim - 1)), keepdims=True))
    scaled = exact / np.maximum(norm, 1e-30)
    first = np.take(scaled, range(kernel.shape[axis] - 1), axis)
    second = np.take(scaled, range(1, kernel.shape[axis]), axis)
    return _cosine(first, second)


def check_axes(kernel: np.ndarray, layer: str) -> LayoutFinding:
    """Whether the first axis of a first layer's kernel (T, H, W, in, out) is time.

    Smoothness along height and width is similar; along time it differs.
    """
    values = [smoothness(kernel, axis) for axis in range(3)]
    measured = ", ".join(f"{name} {value:.2f}" for name, value in zip("THW", values, strict=True))
    if min(kernel.shape[:3]) < 2 or max(values) < SMOOTH:
        return LayoutFinding(
            "axes", "unknown", f"values of {layer} cannot tell (neighbouring taps: {measured}); the usual order "
            "of the format is assumed",
        )  # fmt: skip
    apart = {axis: abs(values[(axis + 1) % 3] - values[(axis + 2) % 3]) for axis in range(3)}
    odd = min(apart, key=lambda axis: apart[axis])  # the other two are nearest to each other
    gap = abs(values[odd] - np.mean([values[axis] for axis in range(3) if axis != odd]))
    if gap < _MIN_GAP or apart[odd] > _MAX_SPACE_GAP * gap:
        return LayoutFinding("axes", "unknown", f"time cannot be recognised in {layer} (neighbouring taps: {measured})")
    if odd == 0:
        return LayoutFinding(
            "axes", "ok", f"height and width are similar in {layer}, and time is not (neighbouring taps: {measured})"
        )
    return LayoutFinding(
        "axes", "wrong", f"time seems to be the {'height' if odd == 1 else 'width'} axis of {layer}: "
        f"expected height and width to be similar, received neighbouring taps {measured}",
    )  # fmt: skip


def flattened_order(kernel: np.ndarray, volume: tuple[int, ...], layer: str) -> tuple[str | None, str]:
    """The order in which the volume before a dense layer was flattened, if the values of its kernel tell.

    The weights of a trained layer are similar for neighbouring positions of the volume.

    Args:
        kernel: (in, out).
        volume: shape (t, h, w, channels).
        layer: name of the dense layer.

    Returns:
        `channels last`, `channels first` or None, and a sentence with the measured values.
    """
    t, h, w, channels = volume
    if h < 2 or w < 2:
        return None, f"{layer} reads no volume of more than one position"
    part = kernel[:, :512].astype(np.float64)  # 512 units are enough, and squares do not overflow float64

    def agreement(rows: np.ndarray) -> float:  # rows: (t, h, w, channels, units)
        return (_cosine(rows[:, :-1], rows[:, 1:]) + _cosine(rows[:, :, :-1], rows[:, :, 1:])) / 2

    last = agreement(part.reshape(t, h, w, channels, -1))
    first = agreement(part.reshape(channels, t, h, w, -1).transpose(1, 2, 3, 0, 4))
    measured = f"neighbours of {layer} agree {last:.2f} channels last, {first:.2f} channels first"
    if max(last, first) < _MIN_AGREEMENT or abs(last - first) < _MIN_AGREEMENT:
        return None, f"values cannot tell ({measured}); the usual order of the format is assumed"
    return (CHANNELS_LAST if last > first else CHANNELS_FIRST), measured


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    size = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / size) if size > 0 else 0.0
