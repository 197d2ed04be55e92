"""What one visitor's page is about: the spec in focus, the spec last shown, and the address that says so.

The address is that of the picture, not of the controls: what a visitor sees is what a copied link shows.
"""

import secrets
from dataclasses import dataclass, field

import streamlit as st

from c3dvis.errors import C3dvisError
from c3dvis.networks import fit
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared import navigation, spec_controls
from c3dvis.ui.shared.navigation import Place
from c3dvis.ui.shared.services import Services


@dataclass
class View:
    """One visitor's page.

    Attributes:
        focus: what the centre shows, renders or offers to render.
        shown: the last spec whose result was shown, to come back to after a cancelled render.
        asked: what the controls stood for at the last run of the page.
        problems: what an opened link lost, one sentence each.
        failed: why the last request could not even start.
        notice: what just happened, said once.
        insists: the render that this visitor wants stopped although others watch it.
        opened: the spec of the opened link, while it is still the focus.
        leaving: the page that was asked for.
        visitor: who looks, so that one visitor's Cancel does not take a render away from another.
    """

    focus: RenderSpec
    asked: RenderSpec
    shown: RenderSpec | None = None
    problems: list[str] = field(default_factory=list)
    failed: str | None = None
    notice: str | None = None
    visitor: str = field(default_factory=lambda: secrets.token_hex(8))
    insists: RenderSpec | None = None
    opened: RenderSpec | None = None
    leaving: str | None = None
    place: Place = field(default_factory=Place)

    def turn_to(self, spec: RenderSpec) -> None:
        """Put another spec into focus; what was said of the last one goes."""
        self.focus, self.failed, self.problems, self.insists = spec, None, [], None

    def submit(self, shared: Services, spec: RenderSpec) -> None:
        """Put a spec into focus and have it rendered, or note why it cannot be."""
        self.turn_to(spec)
        try:
            shared.queue.submit(spec)
        except C3dvisError as error:
            self.failed = str(error)

    def write_address(self) -> None:
        """Put the focus into the address once it moves; an opened link stays as it came, so that Back leads back."""
        if self.focus == self.opened:
            return
        self.opened = None
        self.place.write(self.focus.to_query())


def current() -> View:
    """This session's view: made from the address on the first run, or when another link was opened."""
    view: View | None = st.session_state.get("view")
    query = navigation.opened("Explore", view.place if view else None)
    if view and query is None:
        if view.place.written != navigation.current_query():  # back from another page: the address is to be written
            view.opened = None
        return view
    spec, problems = fit.read_link(navigation.single(query or {}))
    here = navigation.current_query()
    opened = spec if query == here else None
    view = View(focus=spec, asked=spec, problems=problems, opened=opened, place=Place(here))
    st.session_state["view"] = view
    spec_controls.load(spec)
    return view


def ask() -> None:
    """A press on Render: the run of the page that follows submits what the controls stand for."""
    st.session_state["render asked"] = True


def was_asked() -> bool:
    """Whether Render was pressed since this was last called."""
    return st.session_state.pop("render asked", False)
