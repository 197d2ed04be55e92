"""Tables written as Markdown, since `st.table` would import pandas into the server process."""

from collections.abc import Sequence

import streamlit as st


def markdown_table(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, numeric: bool = False, empty: str = ""
) -> None:
    """Draw a table.

    Args:
        heads: titles of the columns.
        rows: cells of each row.
        numeric: whether all columns but the first are aligned to the right.
        empty: text in place of a table without rows.
    """
    if not rows:
        st.caption(empty)
        return
    rule = ["---", *["---:" if numeric else "---"] * (len(heads) - 1)]
    lines = (" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in (heads, rule, *rows))
    st.markdown("\n".join(f"| {line} |" for line in lines))
