"""Clips as files: encoders of (T, H, W, 3) uint8 RGB clips, and slices that show time as an axis.

Independent of networks, renders and the cache.
"""

from pathlib import Path

from c3dvis.media import slices
from c3dvis.media.contact_sheet import contact_sheet
from c3dvis.media.formats import FORMATS, Format, encode
from c3dvis.media.frame_sheet import decode_frames, encode_frames, thumbnail
from c3dvis.media.gif import quantize

PLAYER = Path(__file__).parent / "player.js"
"""The player of pages that have no server: the atlas and notebooks."""

__all__ = [
    "FORMATS",
    "PLAYER",
    "Format",
    "contact_sheet",
    "decode_frames",
    "encode",
    "encode_frames",
    "quantize",
    "slices",
    "thumbnail",
]
