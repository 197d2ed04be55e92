"""The media formats of a clip, and `encode` for all of them."""

import io
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from c3dvis.media.gif import encode_gif
from c3dvis.media.mp4 import encode_mp4
from c3dvis.media.png import encode_apng, encode_sheet
from c3dvis.media.webp import encode_webp

MIN_FPS, MAX_FPS = 0.1, 100.0
_LARGEST_SIDE = 4096


class Format(NamedTuple):
    """A file format: its extension with the dot, its media type, a full name, and a label for a button."""

    extension: str
    mime: str
    title: str
    label: str


FORMATS: dict[str, Format] = {
    "gif": Format(".gif", "image/gif", "GIF", "GIF"),
    "mp4": Format(".mp4", "video/mp4", "MP4 video", "MP4"),
    "webp": Format(".webp", "image/webp", "Animated WebP", "WebP"),
    "apng": Format(".apng", "image/apng", "Animated PNG", "APNG"),
    "png": Format(".png", "image/png", "PNG sheet of all frames", "PNG sheet"),
    "npy": Format(".npy", "application/octet-stream", "NumPy array", "NPY"),
}


def encode(clip: np.ndarray, fmt: str, *, fps: float = 10, metadata: Mapping[str, Any] | None = None) -> bytes:
    """Encode a clip as the bytes of a file.

    Every file has exactly T frames, even if some are equal. GIF, WebP and APNG loop. WebP, APNG, PNG and NPY are
    lossless; GIF has at most 256 colours in the whole clip; MP4 is enlarged four times and compressed.

    Args:
        clip: (T, H, W, 3) uint8 RGB, each size at least 1, sides at most 4096 px.
        fmt: a key of `FORMATS`.
        fps: frames per second, 0.1 to 100. GIF plays at most 50. PNG and NPY have no frame rate.
        metadata: stored as one JSON text: the comment of GIF and MP4, the text `Comment` of PNG and APNG, the EXIF
            description of WebP. Its `title` also becomes the title of MP4, PNG and APNG. NPY files have no metadata.

    Returns:
        The file's bytes.

    Raises:
        ValueError: unknown format, an array that is not such a clip, or an impossible frame rate.
        TypeError: metadata that JSON cannot represent.
    """
    if fmt not in FORMATS:
        raise ValueError(f"Unknown media format. Expected one of {', '.join(FORMATS)}. Received: {fmt!r}.")
    _check_clip(clip)
    if not (math.isfinite(fps) and MIN_FPS <= fps <= MAX_FPS):
        raise ValueError(
            f"Impossible frame rate. Expected {MIN_FPS:g} to {MAX_FPS:g} frames per second. Received: {fps}."
        )
    title = str(metadata.get("title") or "") if metadata else ""
    # ASCII only, as a GIF comment must be.
    comment = json.dumps(dict(metadata), ensure_ascii=True, allow_nan=False) if metadata else ""
    if fmt == "gif":
        return encode_gif(clip, fps, comment)
    if fmt == "mp4":
        return encode_mp4(clip, fps, title, comment)
    if fmt == "webp":
        return encode_webp(clip, fps, comment)
    texts = {keyword: text for keyword, text in (("Title", title), ("Comment", comment)) if text}
    if fmt == "apng":
        return encode_apng(clip, fps, texts)
    if fmt == "png":
        return encode_sheet(clip, texts)
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(clip), allow_pickle=False)
    return file.getvalue()


def _check_clip(clip: np.ndarray) -> None:
    shape, dtype = getattr(clip, "shape", None), getattr(clip, "dtype", None)
    if not isinstance(clip, np.ndarray) or clip.ndim != 4 or clip.shape[3] != 3 or clip.dtype != np.uint8:
        raise ValueError(
            f"Only RGB clips can be encoded. Expected a uint8 array of shape (frames, height, width, 3). "
            f"Received: {type(clip).__name__} with shape {shape} and dtype {dtype}."
        )
    if not (clip.shape[0] >= 1 and all(1 <= side <= _LARGEST_SIDE for side in clip.shape[1:3])):
        raise ValueError(
            "The clip has an impossible size. Expected at least one frame and sides of 1 to "
            f"{_LARGEST_SIDE} px. Received: shape {shape}."
        )
