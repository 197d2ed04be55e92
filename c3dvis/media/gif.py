"""GIF: one palette for the clip, no dithering, and exactly one image per frame.

Pillow's own animation writer merges equal frames and gives each frame its own palette: a still clip would become one
frame, and a moving one would flicker. So this module quantises all frames at once and writes the animation itself.
"""

import struct

import numpy as np
from PIL import GifImagePlugin, Image

from c3dvis.media.frame_delays import delays

MAX_COLOURS = 256
_SAMPLE = 1 << 14  # pixels from which the palette is learned
# Browsers ignore a delay under 20 ms and use 100 ms.
_SHORTEST_DELAY = 2
_LONGEST_DELAY = 65535


def quantize(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a clip to at most 256 colours, the same ones in every frame.

    A clip with at most 256 colours is kept exactly. Otherwise Pillow learns the palette, a median cut refined by
    k-means, from about 16,000 pixels of all frames, and every pixel gets its nearest colour. Over the nine starter
    clips that gives a PSNR of 29.65 dB in 0.11 s; twice as many pixels give 29.9 dB in 0.47 s, and a median cut alone
    28.1 dB. There is no dithering: its grain would move from frame to frame.

    Args:
        clip: (T, H, W, 3) uint8 RGB.

    Returns:
        indices: (T, H, W) uint8, the colour of each voxel.
        palette: (n, 3) uint8 RGB, n at most 256. `palette[indices]` is the clip as a GIF shows it.
    """
    packed = clip.reshape(-1, 3).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    distinct, exact = np.unique(packed, return_inverse=True)
    if len(distinct) <= MAX_COLOURS:
        palette = np.stack([distinct >> 16, (distinct >> 8) & 255, distinct & 255], axis=1).astype(np.uint8)
        return exact.astype(np.uint8).reshape(clip.shape[:3]), palette
    from scipy.spatial import KDTree  # takes a while to load, and the page must open without it

    step = max(1, round((packed.size / _SAMPLE) ** 0.5))
    sample = clip[:, ::step, ::step]
    stacked = Image.fromarray(np.ascontiguousarray(sample.reshape(-1, sample.shape[2], 3)))  # frames in one column
    reduced = stacked.quantize(MAX_COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    palette = np.array(reduced.getpalette(), dtype=np.uint8).reshape(-1, 3)
    _, indices = KDTree(palette).query(clip.reshape(-1, 3))
    return np.asarray(indices, dtype=np.uint8).reshape(clip.shape[:3]), palette


def encode_gif(clip: np.ndarray, fps: float, comment: str) -> bytes:
    """An endlessly looping GIF of a (T, H, W, 3) uint8 clip; a delay is at least 2 hundredths of a second."""
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
        # Without a duration, Pillow writes the image descriptor and the pixels, and no control block.
        parts.extend(GifImagePlugin.getdata(Image.fromarray(frame)))
    return b"".join([*parts, b";"])


def _sub_blocks(data: bytes) -> bytes:
    """Bytes as GIF sub-blocks: pieces of up to 255 bytes, each after its length, and an empty one at the end."""
    pieces = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"
