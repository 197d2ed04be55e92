"""What a network takes in, against what a person is shown: range, channels and their order, mean."""

from dataclasses import dataclass, field

import numpy as np

GREY = "grey"


@dataclass(frozen=True)
class InputDomain:
    """The affine map between a shown clip (uint8 RGB) and a network's input.

    A network of one channel is shown in grey, and takes the mean of red, green and blue. Of two channels the first is
    shown red, the second green, and blue stands at half. Of more than three, the first three are shown as red, green
    and blue, and the others stand at the middle of their range.

    Args:
        low: network input of a black pixel: one number per channel of the network, three of them in RGB order.
        high: network input of a white pixel, likewise. A valid input lies between the two per channel.
        order: channel order of the network: `RGB` or `BGR` of three channels, `grey` of one, `planes` of others.
        mean_image: (H, W, channels) float32 in RGB order, if black is −mean at each pixel and not per channel alone;
            `low` and `high` then hold its averages.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    order: str = "RGB"
    mean_image: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return len(self.low)

    def bounds(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) float32 in the order of `low`: (channels,), or (height, width, channels) with a mean image.

        The mean image is stretched to the clip's size.
        """
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        if self.mean_image is None:
            return low, high
        image = _resized(self.mean_image, height, width)
        return -image, (high - low) - image

    @property
    def shown_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(low, high), each (3,) float32: network input of black and white of what is shown red, green and blue."""
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        places = np.minimum(np.arange(3), self.channels - 1)  # one channel stands for all, the last for what is missing
        return low[places], high[places]

    def to_network(self, clip: np.ndarray) -> np.ndarray:
        """Network input (T, H, W, channels) float32 of a clip (T, H, W, 3) uint8 RGB.

        Raises:
            ValueError: another shape or dtype.
        """
        if clip.dtype != np.uint8 or clip.ndim != 4 or clip.shape[-1] != 3:
            raise ValueError(f"A clip is (T, H, W, 3) uint8 RGB; received {clip.shape} {clip.dtype}.")
        low, high = self.bounds(*clip.shape[1:3])
        unit = self._from_rgb(clip.astype(np.float32) / np.float32(255))
        return self._ordered(unit * (high - low) + low)

    def to_display(self, tensor: np.ndarray) -> np.ndarray:
        """Clip (T, H, W, 3) uint8 RGB of a network input (T, H, W, channels), rounded; values outside are clipped."""
        low, high = self.bounds(*tensor.shape[1:3])
        unit = (self._ordered(np.asarray(tensor, np.float32)) - low) / (high - low)
        return (np.clip(self._to_rgb(unit), 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

    def _from_rgb(self, unit: np.ndarray) -> np.ndarray:
        if self.channels == 3:
            return unit
        if self.channels == 1:
            return unit.mean(axis=-1, keepdims=True, dtype=np.float32)
        rest = np.full((*unit.shape[:-1], max(0, self.channels - 3)), 0.5, np.float32)
        return np.concatenate([unit[..., : min(3, self.channels)], rest], axis=-1)

    def _to_rgb(self, unit: np.ndarray) -> np.ndarray:
        if self.channels == 1:
            return np.repeat(unit, 3, axis=-1)
        if self.channels == 2:
            return np.concatenate([unit, np.full_like(unit[..., :1], 0.5)], axis=-1)
        return unit[..., :3]

    def _ordered(self, tensor: np.ndarray) -> np.ndarray:
        return tensor[..., ::-1] if self.order == "BGR" else tensor


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (h, w, channels) stretched to another size, bilinearly, pixel centres on pixel centres."""
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
