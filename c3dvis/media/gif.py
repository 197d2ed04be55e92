"""GIF: one palette for the clip, no dither, and exactly one picture per frame.

The frames are put together here because Pillow, asked to save an animation, merges frames that are alike and
gives each its own palette: a still clip would come out as one frame, and a moving one would flicker.
"""

import struct

import numpy as np
from PIL import GifImagePlugin, Image

from c3dvis.media.frame_delays import delays
from c3dvis.media.palette import quantize

# Browsers take a delay under 20 ms for a mistake and play it at 100 ms.
_SHORTEST_DELAY = 2
_LONGEST_DELAY = 65535


def encode_gif(clip: np.ndarray, fps: float, comment: str) -> bytes:
    """An endlessly looping GIF of a (T, H, W, 3) uint8 clip; delays are hundredths of a second, 2 or more."""
    indices, colours = quantize(clip)
    height, width = clip.shape[1:3]
    parts = [
        # Global colour table of 256 entries, background colour 0, square pixels.
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0),
        colours.tobytes().ljust(3 * 256, b"\0"),
        b"!\xff\x0bNETSCAPE2.0" + struct.pack("<BBHB", 3, 1, 0, 0),
    ]
    if comment:
        parts.append(b"!\xfe" + _sub_blocks(comment.encode("ascii")))
    for frame, delay in zip(indices, delays(len(indices), fps, per_second=100), strict=True):
        delay = min(max(delay, _SHORTEST_DELAY), _LONGEST_DELAY)
        parts.append(b"!\xf9" + struct.pack("<BBHBB", 4, 0, delay, 0, 0))
        # Passed no duration, Pillow writes the image descriptor and the pixels, and no control block.
        parts.extend(GifImagePlugin.getdata(Image.fromarray(frame)))
    return b"".join([*parts, b";"])


def _sub_blocks(data: bytes) -> bytes:
    """Bytes as GIF stores them: pieces of up to 255 bytes, each led by its length, ended by an empty one."""
    pieces = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"
