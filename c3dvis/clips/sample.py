"""The sample clip on which the page Probe opens: drawn by this program, with known motion.

Before a clouded sky that drifts to the left stand a wheel that turns and a ball that bounces to the right, on a striped
floor that passes three times as fast as the sky. `python -m c3dvis.clips.sample FILE.mp4` draws the file that comes
along.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE = Path(__file__).with_name("sample.mp4")
"""The clip as a video file."""

FRAMES, HEIGHT, WIDTH = 96, 240, 320
RATE = 24
"""Frames per second."""

SKY_SPEED = -1.0
"""Pixels per frame to the right; the floor's is three times that."""

BALL_SPEED = 2.5
"""Pixels per frame to the right, beyond the edge from the left again."""

BOUNCE = 24
"""Frames from one touch of the floor to the next."""

TURN = 2 * np.pi / 48
"""Radians per frame by which the wheel turns clockwise."""

_FLOOR = 190  # row where the floor begins
_BALL, _WHEEL = 26, 46  # radii
_WHEEL_AT = (118.0, 236.0)  # row and column of the wheel's hub


def draw() -> np.ndarray:
    """The clip, (96, 240, 320, 3) uint8 RGB; the same on every machine but for rounding."""
    sky, floor = _landscape(seed=4), _landscape(seed=9)
    return np.stack([_frame(number, sky, floor) for number in range(FRAMES)])


def _frame(number: int, sky: np.ndarray, floor: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    shifted = np.roll(sky, round(SKY_SPEED * number), axis=1)[:, :WIDTH]
    light = 1 - 0.55 * y / HEIGHT
    frame = np.stack([0.42 + 0.25 * shifted, 0.56 + 0.2 * shifted, 0.78 + 0.1 * shifted], -1) * light[..., np.newaxis]

    below = y >= _FLOOR
    depth = 1 + np.maximum(0, y - _FLOOR) / 30
    stripes = np.sin((x - 3 * SKY_SPEED * number - WIDTH / 2) / (6 * depth)) * np.clip((y - _FLOOR) / 12, 0, 1)
    grain = np.roll(floor, round(3 * SKY_SPEED * number), axis=1)[:, :WIDTH]
    ground = np.array([0.38, 0.3, 0.2]) + (0.1 * stripes + 0.06 * grain)[..., np.newaxis]
    frame = np.where(below[..., np.newaxis], ground, frame)

    _draw_wheel(frame, y, x, TURN * number)
    phase = (number % BOUNCE) / BOUNCE
    height = 120 * 4 * phase * (1 - phase)
    column = (BALL_SPEED * number) % (WIDTH + 2 * _BALL) - _BALL
    _draw_ball(frame, y, x, _FLOOR - _BALL + 8 - height, column, height)
    return np.rint(255 * np.clip(frame, 0, 1)).astype(np.uint8)


def _draw_wheel(frame: np.ndarray, y: np.ndarray, x: np.ndarray, angle: float) -> None:
    down, right = y - _WHEEL_AT[0], x - _WHEEL_AT[1]
    distance = np.hypot(down, right)
    spoke = np.abs(np.sin(3 * (np.arctan2(down, right) - angle))) * distance < 7
    rim = np.abs(distance - _WHEEL + 5) < 4
    hub = distance < 9
    _paint(frame, (np.abs(right) < 4) & (down > 0) & (y < _FLOOR + 4), (0.25, 0.2, 0.18))
    _paint(frame, spoke & (distance < _WHEEL - 4), (0.93, 0.85, 0.6))
    _paint(frame, rim, (0.75, 0.16, 0.14))
    _paint(frame, hub, (0.2, 0.2, 0.25))


def _draw_ball(
    frame: np.ndarray, y: np.ndarray, x: np.ndarray, row: float, column: float, height: float
) -> None:  # fmt: skip
    shadow = ((x - column) / (_BALL + height / 8)) ** 2 + ((y - _FLOOR - 10) / 6) ** 2
    frame *= 1 - 0.5 * np.exp(-shadow)[..., np.newaxis] / (1 + height / 60)
    down, right = (y - row) / _BALL, (x - column) / _BALL
    inside = np.hypot(down, right) < 1
    facing = np.sqrt(np.clip(1 - down**2 - right**2, 0, 1))
    light = 0.25 + 0.75 * np.clip(0.55 * facing - 0.5 * down - 0.45 * right, 0, 1)
    _paint(frame, inside, light[..., np.newaxis] * np.array([1.0, 0.55, 0.1]))


def _paint(frame: np.ndarray, where: np.ndarray, colour: object) -> None:
    frame[where] = np.broadcast_to(np.asarray(colour), frame.shape)[where]


def _landscape(seed: int) -> np.ndarray:
    """A pattern (240, 640) with the spectrum of natural pictures, periodic along both axes, of standard deviation 1."""
    shape = (HEIGHT, 2 * WIDTH)
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)
    rows, columns = np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.fftfreq(shape[1])
    falling = 1 / np.maximum(np.hypot(rows, columns), 1 / 160) ** 1.3
    pattern = np.fft.ifft2(np.fft.fft2(noise) * falling).real
    return (pattern - pattern.mean()) / pattern.std()


def encode(path: Path) -> None:
    """Write the clip as an H.264 video."""
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryslow"}
        for pixels in draw():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    encode(Path(sys.argv[1]))
