"""Tables as HTML: `st.table` would import pandas into the server process. The style is in `page.css`.

In a narrow window the cells of a row stand below its title, each behind the title of its column. They are named as
parts of a table, since a browser takes what is laid out otherwise for none.
"""

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
    head = "".join(
        f'<th scope="col" role="columnheader">{escape(title)}</th>' if title else "<td></td>" for title in heads
    )
    body, foot = (rows[:-1], rows[-1:]) if total else (rows, [])
    kind = "c3d-table" + (" numeric" if numeric else "") + (" wide" if len(heads) > 2 else "")
    parts = [
        f'<{part} role="rowgroup">{"".join(lines)}</{part}>'
        for part, lines in (
            ("thead", [f'<tr role="row">{head}</tr>']),
            ("tbody", [_line(heads, row) for row in body]),
            ("tfoot", [_line(heads, row) for row in foot]),
        )
        if lines
    ]
    st.html(f'<div class="{kind}" tabindex="0"><table role="table">{"".join(parts)}</table></div>')


def _line(heads: Sequence[str], row: Sequence[object]) -> str:
    title, *others = (cell.html() if isinstance(cell, PageLink) else escape(str(cell)) for cell in row)
    cells = "".join(
        f'<td role="cell" data-head="{escape(head)}">{cell}</td>' for head, cell in zip(heads[1:], others, strict=True)
    )
    return f'<tr role="row"><th scope="row" role="rowheader">{title}</th>{cells}</tr>'
