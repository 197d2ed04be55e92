"""The affine map between a clip and a network's input, and how the clip is shown: range, channels, mean image."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

GREY, PLANES = "grey", "planes"

SIDE_BY_SIDE: tuple[int, ...] = ()
"""All channels are shown, each in grey, one beside the other."""

WIDEST = 2048
"""Pixels of channels side by side; of more, the channels are shown in several rows."""


@dataclass(frozen=True)
class InputDomain:
    """The affine map between a clip (uint8) and a network's input.

    A clip has red, green and blue. A network of one channel is shown in grey, and its input is the mean of the three.
    Of a network of two channels the first is shown red and the second green, with blue at half. A clip for a network
    of more than three channels has a value for each of them, and `shown` says which of them a picture shows, and how.

    Args:
        low: network input of a black pixel: one number for each channel of the network, three of them in RGB order.
        high: network input of a white pixel, likewise. A valid input lies between the two in every channel.
        order: channel order of the network: `RGB` or `BGR` of three channels, `grey` of one, `planes` of others.
        mean_image: (H, W, channels) float32 in RGB order, if a black pixel is −mean at its place and not the same
            everywhere; `low` and `high` then hold its averages.
        shown: of a network of more than three channels: three that are shown red, green and blue, or one in grey, or
            `SIDE_BY_SIDE`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    order: str = "RGB"
    mean_image: np.ndarray | None = field(default=None, compare=False, repr=False)
    shown: tuple[int, ...] = SIDE_BY_SIDE

    @property
    def channels(self) -> int:
        """Number of channels of the network's input."""
        return len(self.low)

    @property
    def planes(self) -> int:
        """Values of a clip at each position: red, green and blue, or one for each of more than three channels."""
        return max(3, self.channels)

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
    def plane_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(low, high), each (planes,) float32: network input of black and of white in each plane of a clip."""
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        planes = np.minimum(np.arange(self.planes), self.channels - 1)  # of one channel three times, of two 0, 1, 1
        return low[planes], high[planes]

    def from_unit(self, unit: Any, low: np.ndarray, high: np.ndarray, flip: Callable[..., Any] = np.flip) -> Any:
        """Network input (…, H, W, channels) of the planes of a clip.

        Args:
            unit: (…, H, W, planes) float32 from 0 to 1; for a network of one channel all three are the grey value.
            low, high: from `bounds`.
            flip: of the library that `unit` is an array of: `np.flip` or `tf.reverse`.
        """
        if self.channels < 3:
            unit = unit[..., : self.channels]
        tensor = unit * (high - low) + low
        return flip(tensor, (-1,)) if self.order == "BGR" else tensor

    def to_network(self, clip: np.ndarray) -> np.ndarray:
        """Network input (T, H, W, channels) float32 of a clip.

        Args:
            clip: (T, H, W, channels) with a value for each of them; or (T, H, W, 3) in red, green and blue. Of more
                than three channels, the three that are shown take these (else the first three), the others their mean.
                uint8 from 0 to 255, or floating point from 0 to 1.

        Raises:
            ValueError: another shape or dtype, or values beyond 0 and 1.
        """
        is_float = np.issubdtype(clip.dtype, np.floating)
        taken = (3, self.channels)
        if clip.ndim != 4 or clip.shape[-1] not in taken or not (clip.dtype == np.uint8 or is_float):
            shapes = " or ".join(dict.fromkeys(f"(T, H, W, {count})" for count in taken))
            raise ValueError(
                f"A clip for this network is {shapes}, of uint8 or floating point; received {clip.shape} {clip.dtype}."
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
        elif self.channels > 3:
            colours = unit
            unit = np.repeat(colours.mean(axis=-1, keepdims=True, dtype=np.float32), self.channels, axis=-1)
            unit[..., list(self.shown if len(self.shown) == 3 else (0, 1, 2))] = colours
        return self.from_unit(unit, *bounds)

    def to_clip(self, tensor: np.ndarray) -> np.ndarray:
        """Clip (T, H, W, planes) uint8 of a network input (T, H, W, channels), rounded; values outside are clipped."""
        low, high = self.bounds(*tensor.shape[1:3])
        tensor = np.asarray(tensor, np.float32)
        unit = ((tensor[..., ::-1] if self.order == "BGR" else tensor) - low) / (high - low)
        if self.channels == 1:
            unit = np.repeat(unit, 3, axis=-1)
        elif self.channels == 2:
            unit = np.concatenate([unit, np.full_like(unit[..., :1], 0.5)], axis=-1)
        return (np.clip(unit, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

    def picture(self, clip: np.ndarray) -> np.ndarray:
        """What is shown of a clip (T, H, W, planes) uint8: (T, *`picture_size`, 3) uint8 RGB."""
        if self.channels <= 3:
            return clip
        if self.shown:
            return np.ascontiguousarray(clip[..., list(self.shown) * (3 // len(self.shown))])
        frames, height, width, channels = clip.shape
        rows, columns = self._grid(height, width)
        cells = np.zeros((frames, rows * columns, height, width), np.uint8)
        cells[:, :channels] = np.moveaxis(clip, -1, 1)
        grey = cells.reshape(frames, rows, columns, height, width).transpose(0, 1, 3, 2, 4)
        return np.repeat(grey.reshape(frames, rows * height, columns * width, 1), 3, axis=-1)

    def picture_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the picture of a clip: larger than the clip where channels are side by side."""
        if self.channels <= 3 or self.shown:
            return height, width
        rows, columns = self._grid(height, width)
        return rows * height, columns * width

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of channels side by side: one row, or about a square where it would be too wide."""
        if self.channels * width <= WIDEST:
            return 1, self.channels
        columns = min(self.channels, math.ceil(math.sqrt(self.channels * height / width)))
        return -(-self.channels // columns), columns

    @property
    def shown_as(self) -> str:
        """How a clip's channels are shown, as a clause for people."""
        if self.channels <= 3:
            return {1: "shown in grey", 2: "shown red and green", 3: "shown in colour"}[self.channels]
        if not self.shown:
            return f"shown in grey, side by side, from 0 to {self.channels - 1}"
        if len(self.shown) == 1:
            return f"channel {self.shown[0]} shown in grey"
        return "channels {}, {} and {} shown red, green and blue".format(*self.shown)

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
        shown = tuple(described.get("shown", SIDE_BY_SIDE))
        check_shown(shown, len(low))
        return cls(low, high, order, shown=shown)


def check_shown(shown: tuple[int, ...], channels: int) -> None:
    """Check a choice of channels to show.

    Raises:
        ValueError: it is none of a network of so many channels.
    """
    if shown == SIDE_BY_SIDE:
        return
    if channels <= 3:
        raise ValueError(f"expected no choice of channels to show of {channels}, received {shown}")
    in_range = all(type(each) is int and 0 <= each < channels for each in shown)
    if len(shown) not in (1, 3) or len(set(shown)) != len(shown) or not in_range:
        raise ValueError(
            f"expected three different channels to show red, green and blue, or one to show in grey, from 0 to "
            f"{channels - 1}; received {shown}"
        )


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
