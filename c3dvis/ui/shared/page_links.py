"""Links from one page of the dashboard to another, drawn as buttons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from c3dvis.ui.shared import navigation


@dataclass(frozen=True)
class PageLink:
    """One link.

    Args:
        label: plain text.
        page: as of `navigation.link`.
        query: that the page loads.
        help: shown beside the pointer.
    """

    label: str
    page: str
    query: Mapping[str, str | Sequence[str]]
    help: str = ""

    def html(self) -> str:
        """The anchor, which `components/address` follows."""
        address = escape(navigation.link(self.page, self.query))
        return f'<a data-visit href="{address}" title="{escape(self.help)}">{escape(self.label)}</a>'


def draw_page_links(links: Sequence[PageLink]) -> None:
    """Draw links in a row; the style is in `page.css`."""
    st.html(f'<nav class="c3d-links">{"".join(link.html() for link in links)}</nav>', width="content")
