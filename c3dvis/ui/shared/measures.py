"""The measures of a result on the page: a list of numbers and sentences."""

from html import escape

import streamlit as st

from c3dvis.results.interpretation import TITLES as ALL_TITLES
from c3dvis.results.interpretation import Metrics, interpret, number

_JUDGED = ("good", "fair", "poor")


def draw(metrics: Metrics, filters: int) -> None:
    """Show the measures as a list of numbers and sentences; `page.css` dresses it."""
    rows = []
    for reading in interpret(metrics, filters):
        judged = reading.tone in _JUDGED
        mark = f'<i role="img" title="{reading.tone}" aria-label="{reading.tone}: "></i>' if judged else ""
        rows.append(
            f'<dt data-measure="{reading.name}"><span>{escape(reading.title)}</span>'
            f"<b>{escape(reading.value)}</b></dt>"
            f'<dd class="{reading.tone}">{mark}{escape(reading.sentence)}</dd>'
        )
    st.html(f'<dl class="c3d-readings">{"".join(rows)}</dl>')


TITLES = {name: title for name, title in ALL_TITLES.items() if name != "repetition"}
"""Measures that are set side by side, and what they are called."""


def short(metrics: Metrics, name: str) -> str:
    """One measure as a number, for a table."""
    value = metrics.get(name)
    if value is None:
        return "–"
    if name == "selectivity":
        return f"rank {int(value)}"
    return f"×{number(value)}" if name in ("gain", "motion") else number(value)


def note(metrics: Metrics, name: str) -> str:
    """One measure in a few words, under a small picture: the one that is sorted by, or the gain."""
    name = name if name in ("selectivity", "motion") else "gain"
    value = short(metrics, name)
    return "" if value == "–" else value if name == "selectivity" else f"{name} {value}"
