"""What a network takes in, against what a person is shown: range, channel order, mean."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class InputDomain:
    """The affine map between a shown clip (uint8 RGB) and a network's input.

    Args:
        low: network input of a black pixel, in RGB order.
        high: network input of a white pixel, in RGB order. A valid input lies between the two per channel.
        order: channel order of the network, `RGB` or `BGR`.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    order: str = "RGB"

    def to_network(self, clip: np.ndarray) -> np.ndarray:
        """Network input (T, H, W, 3) float32 of a clip (T, H, W, 3) uint8 RGB.

        Raises:
            ValueError: another shape or dtype.
        """
        if clip.dtype != np.uint8 or clip.ndim != 4 or clip.shape[-1] != 3:
            raise ValueError(f"A clip is (T, H, W, 3) uint8 RGB; received {clip.shape} {clip.dtype}.")
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        return self._ordered(clip.astype(np.float32) / np.float32(255) * (high - low) + low)

    def to_display(self, tensor: np.ndarray) -> np.ndarray:
        """Clip (T, H, W, 3) uint8 RGB of a network input (T, H, W, 3), rounded; values outside are clipped."""
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        unit = (self._ordered(np.asarray(tensor, np.float32)) - low) / (high - low)
        return (np.clip(unit, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

    def _ordered(self, tensor: np.ndarray) -> np.ndarray:
        return tensor if self.order == "RGB" else tensor[..., ::-1]
