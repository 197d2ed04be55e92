"""Animated WebP, lossless, one image per frame.

Pillow compresses each frame; this module writes the container, since Pillow's own writer merges equal frames.
Container: https://developers.google.com/speed/webp/docs/riff_container
"""

import io
import struct

import numpy as np
from PIL import Image

from c3dvis.media.frame_delays import delays

_HAS_ANIMATION, _HAS_EXIF = 0x02, 0x08
_DO_NOT_BLEND = 0x02
_LONGEST_DELAY = (1 << 24) - 1
_EXIF_IMAGE_DESCRIPTION = 0x010E


def encode_webp(clip: np.ndarray, fps: float, comment: str) -> bytes:
    """A looping lossless WebP of a (T, H, W, 3) uint8 clip; the comment is its EXIF description."""
    height, width = clip.shape[1:3]
    size = _int24(width - 1) + _int24(height - 1)
    flags = _HAS_ANIMATION | (_HAS_EXIF if comment else 0)
    parts = [
        _chunk(b"VP8X", struct.pack("<I", flags) + size),
        # Background colour, then the number of loops; 0 repeats for ever.
        _chunk(b"ANIM", struct.pack("<IH", 0, 0)),
    ]
    for frame, delay in zip(clip, delays(len(clip), fps, per_second=1000), strict=True):
        header = _int24(0) + _int24(0) + size + _int24(min(delay, _LONGEST_DELAY)) + bytes([_DO_NOT_BLEND])
        parts.append(_chunk(b"ANMF", header + _still(frame)))
    if comment:
        exif = Image.Exif()
        exif[_EXIF_IMAGE_DESCRIPTION] = comment
        parts.append(_chunk(b"EXIF", exif.tobytes()))
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _still(frame: np.ndarray) -> bytes:
    """The VP8L chunk of one (H, W, 3) uint8 frame: a lossless file without its 12-byte header."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "WEBP", lossless=True)
    return file.getvalue()[12:]


def _int24(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
