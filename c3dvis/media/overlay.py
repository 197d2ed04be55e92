"""Heat maps over clips: values of each place and moment in perceptually uniform colours, with a key.

The colours are matplotlib's `inferno`; of values with a sign `berlin`, blue below 0 and red above. The clip beneath is
grey, so that every colour is the map's.
"""

from functools import cache

import numpy as np

COLOURS, SIGNED_COLOURS = "inferno", "berlin"
OPACITY = 0.85
"""Of the strongest value."""

_STRIP, _MARGIN = 22, 4  # pixels of the key: its height, and the space around its bar
_PAPER, _INK = (255, 255, 255), (32, 38, 43)
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_DIMMED = 0.8  # of the clip beneath


def spread(values: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """Values of a layer's positions at every frame and pixel of the clip, by trilinear interpolation.

    Args:
        values: (t, h, w), at least one of each.
        size: (T, H, W) of the clip. A position lies in the middle of its share of the clip.

    Returns:
        (T, H, W) float32; beyond the outermost positions their values go on.
    """
    values = np.asarray(values, np.float32)
    for axis, length in enumerate(size):
        have = values.shape[axis]
        places = np.clip((np.arange(length) + 0.5) * have / length - 0.5, 0, have - 1)
        below = np.floor(places).astype(int)
        above = np.minimum(below + 1, have - 1)
        part = (places - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        first = np.take(values, below, axis)
        values = first + part * (np.take(values, above, axis) - first)
    return values


def scale_of(values: np.ndarray) -> float:
    """The value that gets the strongest colour: the largest; of values with a sign, the largest of either."""
    return float(np.abs(values).max(initial=0.0))


def overlay(
    clip: np.ndarray, values: np.ndarray, *, strongest: float | None = None, signed: bool = False,
    opacity: float = OPACITY,
) -> np.ndarray:  # fmt: skip
    """A clip in grey with a heat map over it, the more opaque the higher the value.

    Args:
        clip: (T, H, W, 3) uint8 RGB.
        values: (t, h, w) of a layer's positions, or of the clip's pixels. Those below 0 count as 0, unless `signed`.
        strongest: the value of the strongest colour; by default `scale_of` the values.
        signed: whether values below 0 have colours of their own.
        opacity: of the strongest colour.

    Returns:
        (T, H, W, 3) uint8 RGB.
    """
    size = (clip.shape[0], clip.shape[1], clip.shape[2])
    strongest = scale_of(values) if strongest is None else strongest
    unit = spread(values, size) / np.float32(strongest or 1.0)
    unit = np.clip(unit, -1 if signed else 0, 1)
    share = opacity * np.sqrt(np.abs(unit))[..., np.newaxis]
    grey = (clip.astype(np.float32) @ _LUMINANCE)[..., np.newaxis] * np.float32(_DIMMED)
    levels = np.rint((unit + 1) * 127.5 if signed else unit * 255).astype(np.uint8)
    colours = colour_table(signed).astype(np.float32)[levels]
    return np.rint(grey + share * (colours - grey)).astype(np.uint8)


@cache
def colour_table(signed: bool = False) -> np.ndarray:
    """The colours of the map, (256, 3) uint8 from the lowest value to the highest."""
    import matplotlib as mpl  # takes a while, so not before the first overlay

    colours = mpl.colormaps[SIGNED_COLOURS if signed else COLOURS](np.linspace(0, 1, 256))
    return np.rint(np.asarray(colours)[:, :3] * 255).astype(np.uint8)


def css_gradient(signed: bool = False) -> str:
    """The colours of the map as a CSS gradient from left to right."""
    stops = ", ".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in colour_table(signed)[::15])
    return f"linear-gradient(90deg, {stops})"


def key_texts(strongest: float, signed: bool = False) -> tuple[str, str]:
    """The values at the two ends of the key, as text."""
    return (f"{-strongest:.3g}" if signed else "0"), f"{strongest:.3g}"


def with_key(clip: np.ndarray, strongest: float, *, signed: bool = False) -> np.ndarray:
    """An overlay with the key of its colours below each frame, for a file that stands by itself.

    Returns:
        (T, H + 22, W, 3) uint8 RGB; sides are even, as video encoders need them, if the clip's are.
    """
    from PIL import Image, ImageDraw, ImageFont

    width = clip.shape[2]
    strip = Image.new("RGB", (width, _STRIP), _PAPER)
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(10)
    low, high = key_texts(strongest, signed)
    left, right = (round(pen.textlength(text, font=font)) + 2 * _MARGIN for text in (low, high))
    pen.text((_MARGIN, _MARGIN), low, fill=_INK, font=font)
    pen.text((width - right + _MARGIN, _MARGIN), high, fill=_INK, font=font)
    if (length := width - left - right) > 0:
        bar = colour_table(signed)[np.linspace(0, 255, length).astype(int)]
        bar = np.broadcast_to(bar, (_STRIP - 2 * _MARGIN, length, 3))
        strip.paste(Image.fromarray(np.ascontiguousarray(bar)), (left, _MARGIN))
    below = np.broadcast_to(np.asarray(strip), (len(clip), _STRIP, width, 3))
    return np.concatenate([clip, below], axis=1)
