"""Tables as HTML: `st.table` would import pandas into the server process. The style is in `page.css`."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from c3dvis.ui.shared.page_links import PageLink


def draw_table(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, numeric: bool = False, total: bool = False,
    empty: str = "",
) -> None:  # fmt: skip
    """Draw a table; its cells are shown as plain text, and a `PageLink` as a link.

    Args:
        heads: titles of the columns.
        rows: cells of each row, whose first cell is the row's title.
        numeric: whether all columns but the first are aligned to the right.
        total: whether the last row is the sum of the others.
        empty: text in place of a table without rows.
    """
    if not rows:
        st.caption(empty)
        return
    head = "".join(f'<th scope="col">{escape(title)}</th>' if title else "<td></td>" for title in heads)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in (rows[:-1] if total else rows))
    foot = f"<tfoot><tr>{_cells(rows[-1])}</tr></tfoot>" if total else ""
    kind = "c3d-table numeric" if numeric else "c3d-table"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"
    st.html(f'<div class="{kind}" tabindex="0">{table}</div>')


def _cells(row: Sequence[object]) -> str:
    title, *others = (cell.html() if isinstance(cell, PageLink) else escape(str(cell)) for cell in row)
    return f'<th scope="row">{title}</th>' + "".join(f"<td>{cell}</td>" for cell in others)
