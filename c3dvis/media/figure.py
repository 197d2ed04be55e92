"""A figure for a paper: pictures in rows, with axes, titles and a caption, as PNG or as PDF with vector text.

It knows pictures and texts alone; `results/figure.py` says what stands on a figure of results.
"""

import io
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

FIGURE_FORMATS = ("png", "pdf")
SCALES = range(1, 9)
"""Pixels of a figure, in height and in width, for each pixel of a clip."""

_PER_INCH = 84  # pixels of a clip: a clip of 112 pixels is 34 mm wide
_MOST_WIDTH, _LEAST_WIDTH = 590, 330  # of a figure, in pixels of a clip: two columns and one column of a journal
_TITLE, _LINE, _GAP, _MARGIN = 14, 11, 12, 6
_LEFT, _BELOW = 24, 13  # room for the numbers and names of the axes
_AIR = 3  # between two texts
_POINTS, _TICK_POINTS, _INK = 7.5, 6.0, "#20262b"
_TICK_HEIGHT = 7  # of a number of an axis
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": _POINTS, "text.color": _INK, "axes.labelcolor": _INK,
    "text.parse_math": False,  # a name with two dollar signs is not a formula
    "text.hinting": "none",  # letters are as wide at every scale
    "pdf.fonttype": 42,  # TrueType: text stays text
}  # fmt: skip
_lock = threading.Lock()  # matplotlib's settings belong to the process


@dataclass(frozen=True)
class Panel:
    """One picture of a figure.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        title: above it.
        x_label, y_label: of its axes.
        first_row: number of the first row of pixels; columns count from 0.
        row_height: height of a row of pixels, in pixels of a clip; more than 1 for a slice along time.
    """

    pixels: np.ndarray
    title: str = ""
    x_label: str = "x"
    y_label: str = "y"
    first_row: int = 0
    row_height: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of a clip."""
        return self.pixels.shape[0] * self.row_height, self.pixels.shape[1]


@dataclass(frozen=True)
class PanelRow:
    """Panels that stand side by side, on several lines where they are too many for one.

    Attributes:
        panels: from left to right; at least one.
        heading: above them; empty for none.
    """

    panels: Sequence[Panel]
    heading: str = ""


def draw_figure(
    rows: Sequence[PanelRow], caption: str, fmt: str, scale: int = 4, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Draw a figure. The same arguments give the same bytes.

    Args:
        rows: from top to bottom; at least one.
        caption: below them, broken into lines.
        fmt: of `FIGURE_FORMATS`. A PDF has the same measures and text; its pictures have as many pixels as the PNG's.
        scale: of `SCALES`; every pixel of a clip becomes a square of so many pixels.
        metadata: `Title` and `Subject` of a PDF, `Title` and `Comment` of a PNG.

    Raises:
        ValueError: another format or scale, or no panel.
    """
    if fmt not in FIGURE_FORMATS or scale not in SCALES or not rows or not all(row.panels for row in rows):
        raise ValueError(
            f"A figure needs panels, one of the formats {', '.join(FIGURE_FORMATS)}, and a scale from {SCALES[0]} to "
            f"{SCALES[-1]}. Received: {sum(len(row.panels) for row in rows)} panels, {fmt!r}, {scale!r}."
        )
    import matplotlib as mpl  # takes half a second, so not before the first figure

    with _lock, mpl.rc_context(_RC):
        file = io.BytesIO()
        about: dict[str, Any] = dict(metadata or {})
        about |= {"CreationDate": None} if fmt == "pdf" else {"Software": None}
        _drawn(rows, caption, scale).savefig(file, format=fmt, metadata=about, facecolor="white")
    return file.getvalue()


def _drawn(rows: Sequence[PanelRow], caption: str, scale: int) -> Any:
    from matplotlib.figure import Figure

    places = list(_places(rows))
    width = max(_LEAST_WIDTH, max(place.right for place in places) + _GAP)
    width = max(width, *(math.ceil(_text_width(row.heading, weight="bold")) + 2 * _MARGIN for row in rows))
    lines = _wrapped(_writable(caption), width - 2 * _MARGIN)
    bottom = max(place.top + place.panel.size[0] for place in places) + _BELOW
    height = bottom + _GAP + _LINE * len(lines) + _MARGIN
    figure = Figure(figsize=(width / _PER_INCH, height / _PER_INCH), dpi=_PER_INCH * scale)
    for place in places:
        if place.heading:
            _write(figure, place.heading, _MARGIN, place.top - _TITLE - 2, width, height, weight="bold")
        _draw_panel(figure, place, width, height, scale)
    for number, line in enumerate(lines):
        _write(figure, line, _MARGIN, bottom + _GAP + _LINE * (number + 1) - 3, width, height)
    return figure


@dataclass(frozen=True)
class _Axis:
    """What is written along one side of a panel.

    Attributes:
        label: between the numbers, or empty if it does not fit there: then it stands before the first number.
        ticks: pixels that have a text.
        texts: of them.
    """

    label: str
    ticks: tuple[float, ...]
    texts: tuple[str, ...]

    @property
    def widest(self) -> float:
        """Width of the widest of the texts."""
        return max(_text_width(text, _TICK_POINTS) for text in self.texts)


def _axis(label: str, first: int, pixels: int, room: float, needs: Callable[[str], float], lines: bool) -> _Axis:
    """Divide the room along an axis.

    Args:
        label: of the axis.
        first: number of the first pixel.
        pixels: along the axis.
        room: between the first and the last pixel, in pixels of a clip.
        needs: room that a number takes along the axis.
        lines: whether texts stand below each other, so that the label can stand before the first number.
    """
    numbers = str(first), str(first + pixels - 1)
    between = room - sum(map(needs, numbers)) / 2
    if between >= _text_width(label) + 2 * _AIR:
        return _Axis(label, (0, pixels - 1), numbers)
    if lines and between >= 1:
        return _Axis("", (0, pixels - 1), (f"{label} {numbers[0]}", numbers[1]))
    return _Axis("", ((pixels - 1) / 2,), (f"{label} {'–'.join(dict.fromkeys(numbers))}",))


def _axes(panel: Panel) -> tuple[_Axis, _Axis]:
    """The horizontal and the vertical axis."""
    height, width = panel.size
    rows = panel.pixels.shape[0]
    return (
        _axis(panel.x_label, 0, width, width - 1, lambda text: _text_width(text, _TICK_POINTS), lines=False),
        _axis(panel.y_label, panel.first_row, rows, height - panel.row_height, lambda _: _TICK_HEIGHT, lines=True),
    )


@dataclass(frozen=True)
class _Place:
    """A panel on the figure: its left and top edge in pixels of a clip, and what is written beside it."""

    panel: Panel
    left: int
    top: int
    right: int
    heading: str
    has_y_axis: bool


def _places(rows: Sequence[PanelRow]) -> Iterator[_Place]:
    """Where each panel stands. Panels beside each other share a vertical axis if theirs are equal."""
    line_top = _MARGIN
    for row in rows:
        left, line_height, heading, axis = _MARGIN, 0, row.heading, None
        line_top += _LINE + 2 if heading else 0
        for panel in row.panels:
            height, width = panel.size
            horizontal, vertical = _axes(panel)
            written = max(_text_width(panel.title), horizontal.widest)
            beside = max(0, math.ceil((written - width) / 2))  # where the title is wider than the picture
            own_axis = (height, panel.pixels.shape[0], panel.y_label)
            own_room = _LEFT if vertical.label else math.ceil(vertical.widest) + 2 * _AIR
            room = 0 if own_axis == axis else own_room
            if line_height and left + max(room, beside) + width + beside + _GAP > _MOST_WIDTH:
                line_top += line_height
                left, line_height, room = _MARGIN, 0, own_room
            start = left + max(room, beside)
            yield _Place(panel, start, line_top + _TITLE, start + width + beside, heading, bool(room))
            heading, axis = "", own_axis
            left = start + width + beside + _GAP
            line_height = max(line_height, _TITLE + height + _BELOW + _GAP)
        line_top += line_height


def _draw_panel(figure: Any, place: _Place, width: int, height: int, scale: int) -> None:
    panel, (high, wide) = place.panel, place.panel.size
    rows, columns = panel.pixels.shape[:2]
    axes = figure.add_axes((place.left / width, 1 - (place.top + high) / height, wide / width, high / height))
    enlarged = panel.pixels.repeat(scale * panel.row_height, axis=0).repeat(scale, axis=1)
    axes.imshow(enlarged, interpolation="none", extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), aspect="auto")
    axes.tick_params(length=0, pad=3, labelcolor=_INK, labelsize=_TICK_POINTS)
    axes.set_title(_writable(panel.title), fontsize=_POINTS, pad=4)
    horizontal, vertical = _axes(panel)
    axes.set_xticks(horizontal.ticks, horizontal.texts)
    axes.set_xlabel(horizontal.label, labelpad=-6)
    axes.set_yticks(*((vertical.ticks, vertical.texts) if place.has_y_axis else ((), ())))
    axes.set_ylabel(vertical.label if place.has_y_axis else "", labelpad=-6 if rows < 100 else -9)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write(figure: Any, text: str, left: float, baseline: float, width: int, height: int, **style: Any) -> None:
    figure.text(left / width, 1 - baseline / height, _writable(text), va="baseline", ha="left", **style)


def _wrapped(text: str, width: float) -> list[str]:
    """The lines of a text that are at most `width` pixels of a clip wide, if no single word is wider."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _text_width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _text_width(text: str, points: float = _POINTS, weight: str = "normal") -> float:
    """Width of a line of text, in pixels of a clip."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=points, weight=weight)
    return text_to_path.get_text_width_height_descent(_writable(text), font, False)[0] * _PER_INCH / 72


def _writable(text: str) -> str:
    """The text with a box for each character that the font of the figures lacks."""
    known = _known_characters()
    return "".join(character if ord(character) in known else "□" for character in text)


@cache
def _known_characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = (get_font(findfont(FontProperties(weight=weight))) for weight in ("normal", "bold"))
    return frozenset.intersection(*(frozenset(font.get_charmap()) for font in fonts))
