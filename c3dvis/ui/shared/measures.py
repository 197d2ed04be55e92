"""The measures of a result: as a list with explanations, as a cell of a table, and as the caption of a clip."""

from html import escape

import streamlit as st

from c3dvis.results.interpretation import MEANINGS, Metrics, interpret, measured_text, unfinished
from c3dvis.spec import RenderSpec


def draw_measures(spec: RenderSpec, metrics: Metrics, filters: int) -> None:
    """Draw each measure with its value and an explanation; the style is in `page.css`.

    Args:
        spec: of the result.
        metrics: of the result.
        filters: number of filters of the layer, among which the filter is ranked.
    """
    rows, readings = [], interpret(spec, metrics, filters)
    for reading in readings:
        tone = reading.tone
        mark = "" if tone == "plain" else f'<i role="img" title="{tone}" aria-label="{tone}: "></i>'
        rows.append(
            f'<dt data-measure="{reading.name}"><span>{escape(reading.title)}</span>'
            f"<b>{escape(reading.value)}</b></dt>"
            f'<dd class="{tone}">{mark}{escape(reading.sentence)}</dd>'
        )
    st.html(f'<dl class="c3d-measures">{"".join(rows)}</dl>')
    with st.popover("What the measures are", icon=":material/help:", key="what the measures are"):
        st.markdown("\n".join(f"- **{reading.title}**: {MEANINGS[reading.name]}" for reading in readings))


def measure_text(metrics: Metrics, name: str) -> str:
    """The value of one measure, for a table; a dash where it is undefined."""
    value = metrics.get(name)
    return "–" if value is None else measured_text(name, value)


def measure_caption(spec: RenderSpec, metrics: Metrics, name: str = "gain") -> str:
    """A caption for a clip: the value of the selectivity or motion if `name` is one of them, else of the gain.

    Of an unfinished clip it says why it is unfinished.
    """
    if why := unfinished(spec, metrics):
        return why[0]
    name, title = (name, name) if name in ("selectivity", "motion") else ("twin_gain", "gain")
    value = measure_text(metrics, name)
    return "" if value == "–" else value if name == "selectivity" else f"{title} {value}"
