"""The content hash of a clip, by which a spec names the clip on which it dreams."""

import hashlib

import numpy as np


def clip_digest(clip: np.ndarray) -> str:
    """SHA-256 of a clip's shape and values, 64 hex digits.

    Args:
        clip: (T, H, W, 3) uint8 RGB.

    Raises:
        ValueError: another shape or type.
    """
    if clip.ndim != 4 or clip.shape[-1] != 3 or clip.dtype != np.uint8:
        raise ValueError(f"a clip is (T, H, W, 3) uint8; received {clip.shape} {clip.dtype}")
    head = "x".join(map(str, clip.shape)).encode()
    return hashlib.sha256(head + b"\n" + np.ascontiguousarray(clip).tobytes()).hexdigest()
