"""The address and the state of each page, and switching from one page to another.

Each page keeps its state in the session and writes it into its address. When a visitor opens a link, the address
replaces the session's state. When a visitor returns to a page through the menu, the address has no query, and the page
continues with the session's state.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import streamlit as st

from c3dvis.ui.shared.plain_text import draw_warning

Query = dict[str, list[str]]
"""The parameters of an address, each with all its values."""

_LAG = 2.0  # seconds in which a browser may still send the address from before our last change
_SHOWN_PAGE = "navigation.shown page"
_PAGES = "navigation.pages"
_PENDING_QUERY = "navigation.pending query"


@dataclass
class PageAddress:
    """The query that one page of one session has written into its address.

    Attributes:
        written: the query written last.
        previous: the query written before that.
        written_at: when it changed, monotonic seconds.
    """

    written: Query = field(default_factory=dict)
    previous: Query = field(default_factory=dict)
    written_at: float = 0.0

    def write(self, query: Mapping[str, str | Sequence[str]]) -> None:
        """Put a query into the address bar."""
        wanted = _all_values(query)
        if wanted != current_query():
            self.previous, self.written_at = self.written, time.monotonic()
            st.query_params.from_dict(wanted)
        self.written = wanted


@dataclass(kw_only=True)
class PageState:
    """What the states of the Explore, Gallery and Compare pages have in common.

    Attributes:
        link_problems: one sentence for each part of the opened link that was dropped.
        error: why the last action of the visitor failed, one sentence.
        watcher: name of this session for `RenderJob.cancel`, which spares renders that others watch.
        address: of the page.
    """

    link_problems: list[str] = field(default_factory=list)
    error: str | None = None
    watcher: str = field(default_factory=lambda: secrets.token_hex(8))
    address: PageAddress = field(default_factory=PageAddress)

    def draw_link_problems(self) -> None:
        """Draw a warning for each part of the opened link that was dropped."""
        for sentence in self.link_problems:
            draw_warning(sentence, icon=":material/link_off:")


def current_query() -> Query:
    """The query in the address bar."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def last_values(query: Query) -> dict[str, str]:
    """The last value of each parameter."""
    return {name: values[-1] for name, values in query.items() if values}


def mark_shown(page: str) -> bool:
    """Record that a page is shown; returns whether another page was shown before."""
    before = st.session_state.get(_SHOWN_PAGE, page)
    st.session_state[_SHOWN_PAGE] = page
    return before != page


def incoming_query(page: str, address: PageAddress | None) -> Query | None:
    """The query that a page has to load: from a link that was opened, or from `switch_page`.

    Args:
        page: title of the page, which is marked as shown.
        address: of the page in this session; None when the page runs for the first time.

    Returns:
        The query; None if the page is to continue with the session's state.
    """
    came_from_another_page = mark_shown(page)
    pending: Query | None = st.session_state.pop(_PENDING_QUERY, None)
    if pending is not None:
        return pending
    query = current_query()
    if address is None:
        return query
    lagging = query == address.previous and time.monotonic() - address.written_at < _LAG
    unchanged = query == address.written or lagging or (came_from_another_page and not query)
    return None if unchanged else query


def register_pages(pages: Mapping[str, object]) -> None:
    """Record the `st.Page` of each title, for `switch_page`."""
    st.session_state[_PAGES] = dict(pages)


def switch_page(page: str, query: Mapping[str, str | Sequence[str]]) -> NoReturn:
    """Go to another page, by its title, and have it load a query; must not be called from a callback."""
    # Passed on in the session: st.switch_page would first write the query into the address of the page that is left,
    # and the browser's Back button would lead to that.
    st.session_state[_PENDING_QUERY] = _all_values(query)
    st.switch_page(st.session_state[_PAGES][page])


def _all_values(query: Mapping[str, str | Sequence[str]]) -> Query:
    return {name: [value] if isinstance(value, str) else list(value) for name, value in query.items()}
