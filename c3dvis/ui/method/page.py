"""The Method page: the text of `docs/method.md`, which the introduction leads to."""

from pathlib import Path

import streamlit as st

from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.navigation import NothingToChoose, current_state, write_address
from c3dvis.ui.shared.page_title import draw_title

PATH = "method"
"""Of the page, relative to the other pages."""

TEXT = Path(__file__).parents[3] / "docs" / "method.md"


def page() -> None:
    """Draw the page."""
    with error_boundary("Method"):
        state = current_state("method", NothingToChoose)
        write_address(state)
        title, _, text = TEXT.read_text(encoding="utf-8").partition("\n")
        draw_title(title.removeprefix("# "))
        state.draw_link_problems()
        with st.container(key="prose"):
            st.markdown(text)
