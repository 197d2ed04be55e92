"""Lossless PNG: a sheet of all frames, and an animated PNG."""

import io
import itertools
import math
import struct
import zlib
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

_GAP = 2
_SHEET_ASPECT = 1.5
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Grid(NamedTuple):
    """Rows and columns of a sheet of frames."""

    rows: int
    columns: int


def sheet_grid(num_frames: int, height: int, width: int) -> Grid:
    """The grid whose sheet is closest to the aspect ratio 3:2 and has few empty cells."""

    def cost(columns: int) -> float:
        rows = math.ceil(num_frames / columns)
        empty = rows * columns - num_frames
        aspect = columns * width / (rows * height)
        return abs(math.log(aspect / _SHEET_ASPECT)) + 2 * empty / num_frames

    columns = min(range(1, num_frames + 1), key=cost)
    return Grid(math.ceil(num_frames / columns), columns)


def encode_sheet(clip: np.ndarray, texts: dict[str, str]) -> bytes:
    """All frames of a (T, H, W, 3) uint8 clip on one PNG, row by row, with transparent gaps of 2 px."""
    num_frames, height, width = clip.shape[:3]
    grid = sheet_grid(num_frames, height, width)
    sheet = np.zeros((grid.rows * (height + _GAP) - _GAP, grid.columns * (width + _GAP) - _GAP, 4), dtype=np.uint8)
    for index, frame in enumerate(clip):
        row, column = divmod(index, grid.columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        sheet[top : top + height, left : left + width, :3] = frame
        sheet[top : top + height, left : left + width, 3] = 255
    return _png(sheet, texts)


def encode_apng(clip: np.ndarray, fps: float, texts: dict[str, str]) -> bytes:
    """An endlessly looping animated PNG of a (T, H, W, 3) uint8 clip.

    Pillow compresses each frame; this function writes the chunks, since Pillow's animation writer merges equal frames.
    Chunks: https://www.w3.org/TR/png-3/#apng-frame-based-animation
    """
    num_frames, height, width = clip.shape[:3]
    delay = Fraction(1 / fps).limit_denominator(1000)
    header, *rest = _chunks(_png(clip[0], texts))
    parts = [_SIGNATURE, _chunk(*header), _chunk(b"acTL", struct.pack(">II", num_frames, 0))]
    parts += [_chunk(kind, data) for kind, data in rest if kind not in (b"IDAT", b"IEND")]
    # Control chunks and the data chunks of all frames but the first share one sequence.
    sequence = itertools.count()
    for index, frame in enumerate(clip):
        place = struct.pack(">IIIII", next(sequence), width, height, 0, 0)
        parts.append(_chunk(b"fcTL", place + struct.pack(">HHBB", delay.numerator, delay.denominator, 0, 0)))
        for kind, data in _chunks(_png(frame, {})):
            if kind == b"IDAT" and index == 0:
                parts.append(_chunk(b"IDAT", data))
            elif kind == b"IDAT":
                parts.append(_chunk(b"fdAT", struct.pack(">I", next(sequence)) + data))
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _png(picture: np.ndarray, texts: dict[str, str]) -> bytes:
    """One (H, W, 3 or 4) uint8 picture as a PNG file with text chunks."""
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """The (kind, data) chunks of a PNG file, in order."""
    found = []
    position = len(_SIGNATURE)
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        found.append((kind, png[position + 8 : position + 8 + length]))
        position += length + 12
    return found


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
