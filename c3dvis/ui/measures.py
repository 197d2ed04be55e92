"""The measures of a result on the page: a list of numbers and sentences."""

from html import escape

import streamlit as st

from c3dvis.results.readings import Metrics, readings

_JUDGED = ("good", "fair", "poor")


def draw(metrics: Metrics, filters: int) -> None:
    """Show the measures as a list of numbers and sentences; `page.css` dresses it."""
    rows = []
    for reading in readings(metrics, filters):
        judged = reading.tone in _JUDGED
        mark = f'<i role="img" title="{reading.tone}" aria-label="{reading.tone}: "></i>' if judged else ""
        rows.append(
            f'<dt data-measure="{reading.name}"><span>{escape(reading.title)}</span>'
            f"<b>{escape(reading.value)}</b></dt>"
            f'<dd class="{reading.tone}">{mark}{escape(reading.sentence)}</dd>'
        )
    st.html(f'<dl class="c3d-readings">{"".join(rows)}</dl>')
