"""Brings frames to a network's size: scaled with their aspect kept, and cropped at the centre."""

import numpy as np
from PIL import Image

MARGIN = 8 / 7
"""The frame is scaled to this many times the network's size before the crop: 256 for 224 (I3D), 128 for 112 (C3D)."""


def scaled_size(height: int, width: int, size: tuple[int, int], margin: float = MARGIN) -> tuple[int, int]:
    """(height, width) to scale a frame to, so that it covers `margin` times the size with its aspect kept."""
    scale = max(margin * size[0] / height, margin * size[1] / width)
    return max(size[0], round(height * scale)), max(size[1], round(width * scale))


def fit(frame: np.ndarray, size: tuple[int, int], margin: float = MARGIN) -> np.ndarray:
    """A frame (H, W, 3) uint8 at a network's size (height, width): scaled with anti-aliasing, cropped at the centre."""
    height, width = scaled_size(frame.shape[0], frame.shape[1], size, margin)
    image = Image.fromarray(frame)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    # the crop in the coordinates of the frame: Pillow computes no pixel outside it
    down, across = frame.shape[0] / height, frame.shape[1] / width
    box = (left * across, top * down, (left + size[1]) * across, (top + size[0]) * down)
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box))


def thumbnail(frame: np.ndarray, height: int) -> np.ndarray:
    """A frame (H, W, 3) uint8 at a small height, its aspect kept."""
    width = min(4 * height, max(1, round(frame.shape[1] * height / frame.shape[0])))
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))
