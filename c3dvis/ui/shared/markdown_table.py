"""Tables in Markdown: `st.table` would load pandas into the page's process."""

from collections.abc import Sequence

import streamlit as st


def table(heads: tuple[str, ...], rows: Sequence[tuple[object, ...]], empty: str) -> None:
    """Draw a table, or say why there is none."""
    if not rows:
        st.caption(empty)
        return
    cells = [heads, tuple("---" for _ in heads), *rows]
    st.markdown("\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells))
