"""The affine map between a displayed clip and a network's input: range, channels and their order, mean image."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

GREY, PLANES = "grey", "planes"


class ArrayModule(NamedTuple):
    """The functions of an array library that the map needs; TensorFlow's take the same arguments as NumPy's.

    Attributes:
        concatenate: of (arrays, axis).
        flip: of (array, axes).
    """

    concatenate: Callable[..., Any]
    flip: Callable[..., Any]


NUMPY = ArrayModule(np.concatenate, np.flip)


@dataclass(frozen=True)
class InputDomain:
    """The affine map between a displayed clip (uint8 RGB) and a network's input.

    A network of one channel is shown in grey, and its input is the mean of red, green and blue. Of a network of two
    channels the first is shown red and the second green, with blue at half. Of more than three, the three of `shown`
    are shown red, green and blue, and all others have the mean of these three, in their own range.

    Args:
        low: network input of a black pixel: one number for each channel of the network, three of them in RGB order.
        high: network input of a white pixel, likewise. A valid input lies between the two in every channel.
        order: channel order of the network: `RGB` or `BGR` of three channels, `grey` of one, `planes` of others.
        mean_image: (H, W, channels) float32 in RGB order, if a black pixel is −mean at its place and not the same
            everywhere; `low` and `high` then hold its averages.
        shown: of a network of more than three channels, the three that are shown.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    order: str = "RGB"
    mean_image: np.ndarray | None = field(default=None, compare=False, repr=False)
    shown: tuple[int, ...] = (0, 1, 2)

    @property
    def channels(self) -> int:
        """Number of channels of the network's input."""
        return len(self.low)

    def bounds(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) float32 in the order of `low`: (channels,), or (height, width, channels) with a mean image.

        The mean image is resized to the clip.
        """
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        if self.mean_image is None:
            return low, high
        image = _resized(self.mean_image, height, width)
        return -image, (high - low) - image

    @property
    def shown_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(low, high), each (3,) float32: network input of black and white in the channels shown red, green, blue."""
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        # one channel is shown three times, two as red, green, green
        shown = list(self.shown) if self.channels > 3 else np.minimum(np.arange(3), self.channels - 1)
        return low[shown], high[shown]

    def from_unit(self, unit: Any, low: np.ndarray, high: np.ndarray, arrays: ArrayModule = NUMPY) -> Any:
        """Network input (…, H, W, channels) of red, green and blue.

        Args:
            unit: (…, H, W, 3) float32 from 0 to 1; for a network of one channel all three are the grey value.
            low, high: from `bounds`.
            arrays: of the library that `unit` is an array of.
        """
        if self.channels < 3:
            unit = unit[..., : self.channels]
        elif self.channels > 3:
            red, green, blue = (unit[..., n : n + 1] for n in range(3))
            parts = [(red + green + blue) / np.float32(3)] * self.channels
            for channel, part in zip(self.shown, (red, green, blue), strict=True):
                parts[channel] = part
            unit = arrays.concatenate(parts, -1)
        tensor = unit * (high - low) + low
        return arrays.flip(tensor, (-1,)) if self.order == "BGR" else tensor

    def to_network(self, clip: np.ndarray) -> np.ndarray:
        """Network input (T, H, W, channels) float32 of a clip.

        Args:
            clip: (T, H, W, 3) in red, green and blue as it is shown, or (T, H, W, channels) with a value for each of
                the network's channels; uint8 from 0 to 255, or floating point from 0 to 1.

        Raises:
            ValueError: another shape or dtype, or values beyond 0 and 1.
        """
        is_float = np.issubdtype(clip.dtype, np.floating)
        if clip.ndim != 4 or clip.shape[-1] not in (3, self.channels) or not (clip.dtype == np.uint8 or is_float):
            raise ValueError(
                f"A clip is (T, H, W, 3) or (T, H, W, {self.channels}), of uint8 or floating point; received "
                f"{clip.shape} {clip.dtype}."
            )
        if is_float and clip.size and not (clip.min() >= 0 and clip.max() <= 1):
            raise ValueError(
                f"A clip of floating point is black at 0 and white at 1; received values from {clip.min():g} to "
                f"{clip.max():g}. Give values in the network's own range to respond_to_input."
            )
        unit = clip.astype(np.float32) / np.float32(1 if is_float else 255)
        bounds = self.bounds(*clip.shape[1:3])
        if clip.shape[-1] == self.channels != 3:
            return unit * (bounds[1] - bounds[0]) + bounds[0]
        if self.channels == 1:
            unit = unit.mean(axis=-1, keepdims=True, dtype=np.float32)
        return self.from_unit(unit, *bounds)

    def to_display(self, tensor: np.ndarray) -> np.ndarray:
        """Clip (T, H, W, 3) uint8 RGB of a network input (T, H, W, channels), rounded; values outside are clipped."""
        low, high = self.bounds(*tensor.shape[1:3])
        tensor = np.asarray(tensor, np.float32)
        unit = ((tensor[..., ::-1] if self.order == "BGR" else tensor) - low) / (high - low)
        if self.channels == 1:
            unit = np.repeat(unit, 3, axis=-1)
        elif self.channels == 2:
            unit = np.concatenate([unit, np.full_like(unit[..., :1], 0.5)], axis=-1)
        elif self.channels > 3:
            unit = unit[..., list(self.shown)]
        return (np.clip(unit, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """The canonical JSON form, without default values and with the SHA-256 of a mean image."""
        described: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.order != "RGB":
            described["order"] = self.order
        if self.channels > 3:
            described["shown"] = self.shown
        if self.mean_image is not None:
            described["mean_image"] = hashlib.sha256(self.mean_image.tobytes()).hexdigest()
        return described

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> "InputDomain":
        """The domain that `to_dict` described, also after JSON, without its mean image.

        Raises:
            ValueError, TypeError, KeyError: a bound, the order or the shown channels cannot be used.
        """
        low, high = (tuple(float(value) for value in described[key]) for key in ("low", "high"))
        order = described.get("order", "RGB")
        if not low or len(low) != len(high) or not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(f"expected a lower and an upper bound for each channel, received {low} and {high}")
        if order not in {1: (GREY,), 3: ("RGB", "BGR")}.get(len(low), (PLANES,)):
            raise ValueError(f"expected a channel order of {len(low)} channels, received {order!r}")
        shown = tuple(described.get("shown", (0, 1, 2)))
        if len(shown) != 3 or len(set(shown)) != 3 or not all(type(n) is int and n >= 0 for n in shown):
            raise ValueError(f"expected three channels to show, received {shown}")
        if len(low) > 3 and max(shown) >= len(low):
            raise ValueError(f"expected channels to show from 0 to {len(low) - 1}, received {shown}")
        return cls(low, high, order, shown=shown)


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (h, w, channels) resized bilinearly, with pixel centres half a pixel from the edge."""
    for axis, size in ((0, height), (1, width)):
        have = image.shape[axis]
        if have == size:
            continue
        places = np.clip((np.arange(size) + 0.5) * have / size - 0.5, 0, have - 1)
        below = np.floor(places).astype(int)
        above = np.minimum(below + 1, have - 1)
        share = (places - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        image = np.take(image, below, axis) * (1 - share) + np.take(image, above, axis) * share
    return image
