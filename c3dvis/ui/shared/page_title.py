"""The title of a page: its only heading of the first level, and the title of the browser's tab."""

import streamlit as st

from c3dvis.ui.shared.plain_text import plain


def draw_title(title: str) -> None:
    """Draw the title, plain text; must be called before the rest of the page is drawn."""
    st.set_page_config(page_title=f"{title} · c3dvis")
    st.title(plain(title), anchor=False)
