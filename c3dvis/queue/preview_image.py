"""Compresses the preview of an unfinished clip: the frames, one below the other, as one JPEG.

Dask's scheduler stores the events that contain previews, so each is limited to 32 kB. A JPEG of that size holds a clip
of about 16 × 56 × 56, raw bytes only one of 16 × 26 × 26. Finished clips are sent without loss, as results.
"""

import io

import numpy as np
from PIL import Image

MAX_BYTES = 32 * 1024
_MAX_VOXELS = 16 * 112 * 112  # a larger clip never fits, so it is halved before it is compressed


def encode(clip: np.ndarray) -> tuple[int, bytes]:
    """The clip in at most 32 kB; its sides are halved until it fits.

    Args:
        clip: (T, H, W, 3) uint8 RGB.

    Returns:
        Number of frames, and the JPEG that `decode` takes.
    """
    while clip.shape[0] * clip.shape[1] * clip.shape[2] > _MAX_VOXELS:
        clip = _halved(clip)
    while len(data := _jpeg(clip)) > MAX_BYTES:
        clip = _halved(clip)
    return len(clip), data


def decode(frames: int, data: bytes) -> np.ndarray:
    """The clip from what `encode` returned: (frames, H, W, 3) uint8 RGB, read-only."""
    sheet = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    clip = sheet.reshape(frames, -1, sheet.shape[1], 3)
    clip.flags.writeable = False
    return clip


def _jpeg(clip: np.ndarray) -> bytes:
    frames, height, width, _ = clip.shape
    buffer = io.BytesIO()
    Image.fromarray(clip.reshape(frames * height, width, 3)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _halved(clip: np.ndarray) -> np.ndarray:
    """Half the height and width (each pixel the mean of four), or half the frames if a side is below 32 px."""
    frames, height, width, _ = clip.shape
    if min(height, width) < 32 and frames > 1:
        return clip[::2]
    clip = clip[:, : height // 2 * 2, : width // 2 * 2]
    return clip.reshape(frames, height // 2, 2, width // 2, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
