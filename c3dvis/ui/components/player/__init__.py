"""The volume player: a clip on a canvas, pixel for pixel, with slices through space and time.

A Streamlit component without a build step: `player.js` and `player.css` beside this file are sent as they
are, and the clip travels as raw bytes.
"""

import json
import struct

import numpy as np

from c3dvis.ui.components.mount import mount

MAGIC = b"C3DV"


def frame_message(
    clip: np.ndarray | None,
    *,
    clip_key: str,
    label: str,
    slot: str = "player",
    shape: tuple[int, int, int] | None = None,
    fps: int = 10,
    live: bool = False,
    note: str = "",
) -> bytes:
    """What the browser gets: magic, length of the header (uint32, little endian), JSON header, RGB bytes.

    Args:
        clip: (T, H, W, 3) uint8, or None for an empty player that shows `note`.
        clip_key: names these pixels; the browser keeps its place while the key stays.
        label: what a screen reader calls the clip.
        slot: players of one slot share speed, place and cross-hair, also after a rerun of the page.
        shape: (T, H, W) of the finished clip, so that a smaller preview fills the same box.
        fps: speed at first, in frames per second.
        live: the clip is still forming.
        note: shown in place of the picture when there is none.
    """
    if clip is None and shape is None:
        raise ValueError("an empty player needs the shape of the clip to come, received neither")
    if clip is not None and (clip.ndim != 4 or clip.shape[-1] != 3 or clip.dtype != np.uint8):
        raise ValueError(f"a clip is (T, H, W, 3) uint8; received {clip.shape} {clip.dtype}")
    own = shape if clip is None else tuple(clip.shape[:3])
    header = {
        "slot": slot,
        "key": clip_key,
        "label": label,
        "shape": own,
        "display": shape or own,
        "fps": fps,
        "live": live,
        "note": note,
    }
    text = json.dumps(header).encode()
    pixels = b"" if clip is None else np.ascontiguousarray(clip).tobytes()
    return MAGIC + struct.pack("<I", len(text)) + text + pixels


def volume_player(message: bytes, *, key: str) -> None:
    """Show a message of `frame_message`. One `key` keeps one player on the page across reruns."""
    mount("player", message, key=key)
