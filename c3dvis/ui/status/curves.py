"""Small curves of the server within the last hour. The style is in `page.css`.

Streamlit removes SVG from HTML, so each curve is an image of its own, with its least, greatest and latest value as
text.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

import streamlit as st

from c3dvis.durations import duration
from c3dvis.files import byte_size
from c3dvis.ui.shared.server_history import INTERVAL, Sample

_WIDTH, _HEIGHT, _MARGIN = 220, 44, 3  # CSS pixels
_MINUTE = round(60 / INTERVAL)  # samples
_COLOUR = "#3d87a8"  # can be told from a light and from a dark background


class Curve(NamedTuple):
    """One value over the time.

    Attributes:
        title: of the value.
        points: (seconds, value) in the order of time.
        texts: of the least, the greatest and the latest value.
    """

    title: str
    points: Sequence[tuple[float, float]]
    texts: tuple[str, str, str]


def draw_curves(samples: Sequence[Sample]) -> None:
    """Draw a curve for the memory of dashboard and workers, the renders under way, and the renders of a minute."""
    st.html(f'<div class="c3d-curves">{"".join(map(_figure, curves(samples)))}</div>')


def curves(samples: Sequence[Sample]) -> list[Curve]:
    """The curves of one or more samples."""
    times = [sample.seconds for sample in samples]
    minute = [(samples[max(0, end - _MINUTE)], samples[end]) for end in range(1, len(samples))]
    pace = [0.0] + [60 * (b.finished - a.finished) / (b.seconds - a.seconds) for a, b in minute]
    return [
        _curve("Memory of the dashboard", times, [sample.dashboard_bytes for sample in samples], byte_size),
        _curve("Memory of the workers", times, [sample.worker_bytes for sample in samples], byte_size),
        _curve("Renders that wait or run", times, [sample.renders for sample in samples], str),
        _curve("Renders finished per minute", times, pace, lambda value: f"{value:.3g}"),
    ]


def _curve(title: str, times: Sequence[float], values: Sequence[float], text: Callable[[float], str]) -> Curve:
    texts = text(min(values)), text(max(values)), text(values[-1])
    return Curve(title, list(zip(times, values, strict=True)), texts)


def _figure(curve: Curve) -> str:
    least, greatest, latest = map(escape, curve.texts)
    span = duration(curve.points[-1][0] - curve.points[0][0])
    values = f"{least} to {greatest}" if least != greatest else least
    image = b64encode(svg(curve.points).encode()).decode()
    return (
        f"<figure><figcaption>{escape(curve.title)} <b>{latest}</b></figcaption>"
        f'<img src="data:image/svg+xml;base64,{image}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'alt="{escape(curve.title)} over the last {span}: {values}, now {latest}">'
        f"<small>{values}, last {span}</small></figure>"
    )


def svg(points: Sequence[tuple[float, float]]) -> str:
    """A line through points, from 0 at the bottom to the greatest value at the top, as an SVG document."""
    first, last = points[0][0], points[-1][0]
    greatest = max(value for _, value in points)
    line = " ".join(
        f"{_scaled(at, first, last, _WIDTH):.1f},{_HEIGHT - _scaled(value, 0, greatest, _HEIGHT):.1f}"
        for at, value in points
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<polyline points="{line}" fill="none" stroke="{_COLOUR}" stroke-width="1.5" stroke-linejoin="round"/></svg>'
    )


def _scaled(value: float, low: float, high: float, size: int) -> float:
    """The place of a value between two limits on an axis; at the lower one where both are the same."""
    share = (value - low) / (high - low) if high > low else 0
    return _MARGIN + share * (size - 2 * _MARGIN)
