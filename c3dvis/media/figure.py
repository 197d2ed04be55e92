"""A figure for a paper: pictures in rows, with axes, titles and a caption, as PNG or as PDF with vector text.

It knows pictures and texts alone; `results/figure.py` says what stands on a figure of results.
"""

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

FIGURE_FORMATS = ("png", "pdf")
SCALES = range(1, 9)
"""Pixels of a figure, in height and in width, for each pixel of a clip."""

_PER_INCH = 84  # pixels of a clip: a clip of 112 pixels is 34 mm wide
_MOST_WIDTH, _LEAST_WIDTH = 590, 330  # of a figure, in pixels of a clip: two columns and one column of a journal
_TITLE, _LINE, _GAP, _MARGIN = 13, 11, 12, 6
_LEFT, _BELOW = 24, 13  # room for the numbers and names of the axes
_POINTS, _INK = 7.5, "#20262b"
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
        x_label, y_label: of its axes, which count pixels or frames from 0.
        row_height: height of a row of pixels, in pixels of a clip; more than 1 for a slice along time.
    """

    pixels: np.ndarray
    title: str = ""
    x_label: str = "x"
    y_label: str = "y"
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
    from matplotlib.figure import Figure

    with _lock, mpl.rc_context(_RC):
        places = list(_places(rows))
        width = max(_LEAST_WIDTH, max(place.left + place.panel.size[1] for place in places) + _GAP)
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
        file = io.BytesIO()
        about: dict[str, Any] = dict(metadata or {})
        about |= {"CreationDate": None} if fmt == "pdf" else {"Software": None}
        figure.savefig(file, format=fmt, metadata=about, facecolor="white")
    return file.getvalue()


@dataclass(frozen=True)
class _Place:
    """A panel on the figure: its left and top edge in pixels of a clip, and what is written beside it."""

    panel: Panel
    left: int
    top: int
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
            own_axis = (height, panel.pixels.shape[0], panel.y_label)
            room = 0 if own_axis == axis else _LEFT
            if line_height and left + room + width + _GAP > _MOST_WIDTH:
                line_top += line_height
                left, line_height, room = _MARGIN, 0, _LEFT
            yield _Place(panel, left + room, line_top + _TITLE, heading, bool(room))
            heading, axis = "", own_axis
            left += room + width + _GAP
            line_height = max(line_height, _TITLE + height + _BELOW + _GAP)
        line_top += line_height


def _draw_panel(figure: Any, place: _Place, width: int, height: int, scale: int) -> None:
    panel, (high, wide) = place.panel, place.panel.size
    rows, columns = panel.pixels.shape[:2]
    axes = figure.add_axes((place.left / width, 1 - (place.top + high) / height, wide / width, high / height))
    enlarged = panel.pixels.repeat(scale * panel.row_height, axis=0).repeat(scale, axis=1)
    axes.imshow(enlarged, interpolation="none", extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), aspect="auto")
    axes.tick_params(length=0, pad=3, labelcolor=_INK, labelsize=_POINTS - 1.5)
    axes.set_title(_writable(panel.title), fontsize=_POINTS, pad=3)
    axes.set_xticks(sorted({0, columns - 1}))
    axes.set_xlabel(panel.x_label, labelpad=-6)
    axes.set_yticks(sorted({0, rows - 1}) if place.has_y_axis else ())
    axes.set_ylabel(panel.y_label if place.has_y_axis else "", labelpad=-6 if rows < 100 else -9)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write(figure: Any, text: str, left: float, baseline: float, width: int, height: int, **style: Any) -> None:
    figure.text(left / width, 1 - baseline / height, _writable(text), va="baseline", ha="left", **style)


def _wrapped(text: str, width: float) -> list[str]:
    """The lines of a text that are at most `width` pixels of a clip wide, if no single word is wider."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=_POINTS)

    def is_too_wide(line: str) -> bool:
        return text_to_path.get_text_width_height_descent(line, font, False)[0] * _PER_INCH / 72 > width

    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and is_too_wide(longer):
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _writable(text: str) -> str:
    """The text with a box for each character that the font of the figures lacks."""
    known = _known_characters()
    return "".join(character if ord(character) in known else "□" for character in text)


@cache
def _known_characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = (get_font(findfont(FontProperties(weight=weight))) for weight in ("normal", "bold"))
    return frozenset.intersection(*(frozenset(font.get_charmap()) for font in fonts))
