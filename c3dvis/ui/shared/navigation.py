"""The state of each page and its address, which hold the same.

Each page keeps its state in the session. The state goes into the address, and the address replaces the state when a
visitor opens a link, reloads the page, presses Back, or follows a link of `components/address`. A visitor who comes
through the menu finds the page as it was left: the menu's addresses have no query. The pinned specs are in the address
of every page.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from c3dvis.ui.components.address import address
from c3dvis.ui.shared import pins
from c3dvis.ui.shared.plain_text import draw_warning

Query = dict[str, list[str]]
"""The parameters of an address, each with all its values."""

_SHOWN_PAGE = "navigation.shown page"
_CORRECTION = "navigation.correction"
"""Session key, present from the visitor's arrival at a page until the address is right: the query that corrects it."""


@dataclass(kw_only=True)
class PageState:
    """What the states of the pages have in common.

    Attributes:
        link_problems: one sentence for each part of the opened link that was dropped.
        error: why the last action of the visitor failed, one sentence.
        watcher: name of this session for `RenderJob.cancel`, which spares renders that others watch.
    """

    link_problems: list[str] = field(default_factory=list)
    error: str | None = None
    watcher: str = field(default_factory=lambda: secrets.token_hex(8))

    def load(self, query: Query) -> None:
        """Take the state from an address; `link_problems` names what was dropped."""
        raise NotImplementedError

    def query(self) -> Mapping[str, str | Sequence[str]]:
        """The state as the query of an address. Everything that the page shows follows from it."""
        raise NotImplementedError

    def drawn(self) -> object:
        """A value that changes whenever all of the page has to be drawn anew."""
        return self.query(), list(pins.pinned())

    def draw_link_problems(self) -> None:
        """Draw a warning for each part of the opened link that was dropped."""
        for sentence in self.link_problems:
            draw_warning(sentence, icon=":material/link_off:")


class NothingToChoose(PageState):
    """The state of a page without choices: its address has the pins alone."""

    def load(self, query: Query) -> None:
        """Take nothing from an address."""

    def query(self) -> Mapping[str, str]:
        """An address without a query."""
        return {}


State = TypeVar("State", bound=PageState)


def current_state(page: str, make: Callable[[], State]) -> State:
    """The state of a page, into which the address is loaded if a link was opened or Back was pressed.

    Args:
        page: session key of the state.
        make: creates the state when the session shows the page for the first time.
    """
    session = st.session_state
    before, session[_SHOWN_PAGE] = session.get(_SHOWN_PAGE), page
    link_opened = before is None or went_through_history()
    if before != page or link_opened:
        session[_CORRECTION] = None
    if went_through_history():
        session.pop(_CORRECTION, None)  # Streamlit itself corrects the entry that Back has led to
    state: State | None = session.get(page)
    if state is not None and not link_opened:
        return state
    if state is None:
        state = session[page] = make()
    query = current_query()
    state.link_problems, state.error = [], None
    state.load(query)
    if link_opened:
        specs, problems = pins.read(query)
        pins.replace(specs)
        state.link_problems += problems
    return state


def write_address(state: PageState) -> None:
    """Write the state into the address; called in each full run of a page, as soon as the state is known.

    A change is a new entry in the browser's history, unless the visitor has only just arrived at the page: then the
    address is corrected, so that one press of Back leads to where the visitor came from.
    """
    session = st.session_state
    wanted = _all_values(state.query()) | pins.query()
    shown = current_query()
    correct = shown != wanted and _CORRECTION in session and session[_CORRECTION] in (None, wanted)
    address(shown, wanted if correct else shown)
    if correct:
        session[_CORRECTION] = wanted
        return
    session.pop(_CORRECTION, None)
    if shown != wanted:
        st.query_params.from_dict(wanted)


def live_part(state: PageState, draw: Callable[[], None], refresh: float | None) -> None:
    """Draw a part of a page as a fragment, which a press inside it and a timer run alone.

    If the state is not the one that the rest of the page was drawn from, the whole page runs again instead.

    Args:
        state: of the page.
        draw: draws the part.
        refresh: seconds between two refreshes; None for no refreshes.
    """
    before = state.drawn()

    def part() -> None:
        if state.drawn() != before:
            st.rerun()
        draw()

    st.fragment(part, run_every=refresh)()


def link(page: str, query: Mapping[str, str | Sequence[str]]) -> str:
    """The address of a page from any page of the dashboard, for an anchor with the attribute `data-visit`.

    Args:
        page: last part of its address; empty for the Explore page.
        query: that the page loads.
    """
    return f"./{page}?{urlencode(query, doseq=True)}"


def current_query() -> Query:
    """The query in the address bar, as the browser sent it with this run."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def last_values(query: Query) -> dict[str, str]:
    """The last value of each parameter."""
    return {name: values[-1] for name, values in query.items() if values}


def went_through_history() -> bool:
    """Whether this run was started by Back, Forward or a link within the dashboard."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def _all_values(query: Mapping[str, str | Sequence[str]]) -> Query:
    return {name: [value] if isinstance(value, str) else list(value) for name, value in query.items()}
