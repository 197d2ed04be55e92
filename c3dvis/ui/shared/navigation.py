"""How pages and addresses belong together: which page is shown, what its address was, and the way to another.

Each page keeps what it is about in the session, and its address says so. A link that is opened wins over the session;
coming back from another page, by the menu, brings no address, and then the session wins.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import streamlit as st

from c3dvis.errors import C3dvisError

Query = dict[str, list[str]]

_LAG = 2.0  # seconds in which a browser may still send the address from before our last change
_SHOWN = "places.shown"
_PAGES = "places.pages"
_HANDED = "places.handed"


@dataclass
class Place:
    """The address of one page in one session: what it is, and what it was before the last change of ours."""

    written: Query = field(default_factory=dict)
    before: Query = field(default_factory=dict)
    written_at: float = 0.0

    def write(self, query: Mapping[str, str | Sequence[str]]) -> None:
        """Make this the address."""
        wanted = _listed(query)
        if wanted != current_query():
            self.before, self.written_at = self.written, time.monotonic()
            st.query_params.from_dict(wanted)
        self.written = wanted


def current_query() -> Query:
    """The address's parameters, each with all its values."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def single(query: Query) -> dict[str, str]:
    """An address's parameters, each with its last value alone."""
    return {name: values[-1] for name, values in query.items() if values}


def enter(page: str) -> bool:
    """Note that a page is shown now; returns whether another one was before."""
    before = st.session_state.get(_SHOWN, page)
    st.session_state[_SHOWN] = page
    return before != page


def opened(page: str, place: Place | None) -> Query | None:
    """The address that a page is to turn to: of a link that was opened, or handed over by `go`; else None.

    Args:
        place: of the page in this session; None on its first run.
    """
    arrived = enter(page)
    handed: Query | None = st.session_state.pop(_HANDED, None)
    query = current_query()
    if handed is not None or place is None:
        return query if handed is None else handed
    lagging = query == place.before and time.monotonic() - place.written_at < _LAG
    return None if query == place.written or lagging or (arrived and not query) else query


def remember(pages: Mapping[str, object]) -> None:
    """The pages that there are, by name, so that `go` finds them."""
    st.session_state[_PAGES] = dict(pages)


def go(page: str, query: Mapping[str, str | Sequence[str]]) -> NoReturn:
    """Leave for another page, at an address; not from a callback.

    Raises:
        C3dvisError: there is no such page.
    """
    pages = st.session_state.get(_PAGES, {})
    if page not in pages:
        raise C3dvisError(f"There is no page {page!r} to go to: expected one of {', '.join(pages)}.")
    # By the session: Streamlit would first write the address to the page that is left, and Back would lead there.
    st.session_state[_HANDED] = _listed(query)
    st.switch_page(pages[page])


def _listed(query: Mapping[str, str | Sequence[str]]) -> Query:
    return {name: [value] if isinstance(value, str) else list(value) for name, value in query.items()}
