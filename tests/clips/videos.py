"""Videos with known content, through PyAV: frame n is grey 16 + 4 (n mod 50), with a white square in a corner."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SQUARE = 0.25  # of height and width: the white square at the top left


def grey(index: int) -> int:
    """The level of a frame."""
    return 16 + 4 * (index % 50)


def frame_pixels(index: int, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 of a frame."""
    pixels = np.full((height, width, 3), grey(index), np.uint8)
    pixels[: int(height * SQUARE), : int(width * SQUARE)] = 255
    return pixels


def index_of(frame: np.ndarray) -> int:
    """Which frame a picture is, from its level at the centre."""
    height, width = frame.shape[:2]
    level = frame[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4].mean()
    return round((float(level) - 16) / 4)


def write_video(
    path: Path,
    count: int = 24,
    size: tuple[int, int] = (64, 96),
    rate: int = 25,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    trc: int | None = None,
) -> Path:
    """Write frames 0 to `count` − 1.

    Args:
        times: of each frame in thousandths of a second; None at a constant rate.
        options: of the encoder.
        aspect: width of a pixel by its height.
        trc: FFmpeg's number of the transfer characteristic.
    """
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {"crf": "1", "g": "10", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.sample_aspect_ratio = aspect
        if trc is not None:
            stream.codec_context.color_trc = trc
        for index in range(count):
            frame: Any = av.VideoFrame.from_ndarray(frame_pixels(index, *size), format="rgb24").reformat(format=pixels)
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(path: Path, degrees: int) -> None:
    """Note in an MP4 that its frames are shown turned clockwise by 90, 180 or 270 degrees, as a phone does."""
    one, matrix = 0x10000, {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    a, b, c, d = (value * one for value in matrix)
    data = path.read_bytes()
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 0x40000000)
    place = data.index(plain, data.index(b"tkhd"))
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data[:place] + turned + data[place + len(plain) :])
