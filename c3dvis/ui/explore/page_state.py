"""The state of one visitor's Explore page: the spec in focus and the spec of the controls.

The address contains the spec in focus, whose clip is shown, not the spec of the controls: a copied link shows what its
sender saw.
"""

from dataclasses import dataclass

import streamlit as st

from c3dvis.networks import nearest_spec
from c3dvis.spec import RenderSpec
from c3dvis.ui.explore import spec_controls
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.navigation import PageAddress, PageState
from c3dvis.ui.shared.server_resources import ServerResources

TAB = "explore tab"
"""Session key of the open tab: `Picture` or `Wiring`."""

_TABS = {"Wiring": "wiring"}  # names in the address
_RENDER_REQUESTED = "render requested"


@dataclass
class ExploreState(PageState):
    """The state of one visitor's page.

    Attributes:
        focus: the spec whose clip, progress or offer to render is shown.
        controls_spec: the spec of the controls when the page ran last.
        last_shown: the spec whose result was shown last; a cancelled render leads back to it.
        notice: a sentence to show once.
        cancel_refused_for: a spec that this visitor cancelled although others watch its render.
        linked_spec: the spec of the opened link, while it is still in focus.
        linked_tab: the tab of that link.
        next_page: title of the page to switch to.
    """

    focus: RenderSpec
    controls_spec: RenderSpec
    last_shown: RenderSpec | None = None
    notice: str | None = None
    cancel_refused_for: RenderSpec | None = None
    linked_spec: RenderSpec | None = None
    linked_tab: str = ""
    next_page: str | None = None

    def set_focus(self, spec: RenderSpec) -> None:
        """Put another spec into focus, and drop the messages about the previous one."""
        self.focus, self.error, self.link_problems, self.cancel_refused_for = spec, None, [], None

    def submit(self, resources: ServerResources, spec: RenderSpec) -> None:
        """Put a spec into focus and submit it to the queue; a failure sets `error`."""
        self.set_focus(spec)
        self.error = resources.submit([spec])

    def write_address(self) -> None:
        """Write the focus and the open tab into the address.

        The address of an opened link stays as it is until one of them changes, so that the browser's Back button works.
        """
        tab = _TABS.get(st.session_state.get(TAB) or "", "")
        if self.focus == self.linked_spec and tab == self.linked_tab:
            return
        self.linked_spec = None
        self.address.write(self.focus.to_query() | ({"tab": tab} if tab else {}))


def current_state() -> ExploreState:
    """The state to show: from the address on the first run or when a link was opened, else the session's."""
    state: ExploreState | None = st.session_state.get("explore")
    query = navigation.incoming_query("Explore", state.address if state else None)
    here = navigation.current_query()
    if state and query is None:
        if state.address.written != here:  # the visitor came from another page: the address has to be written again
            state.linked_spec = None
        return state
    values = navigation.last_values(query or {})
    spec, problems = nearest_spec.read_link(values)
    tab = next((title for title, name in _TABS.items() if name == values.get("tab")), "Picture")
    if state or tab != "Picture":  # else the tabs open on the first by themselves
        st.session_state[TAB] = tab
    state = ExploreState(
        focus=spec,
        controls_spec=spec,
        link_problems=problems,
        linked_spec=spec if query == here else None,
        linked_tab=_TABS.get(tab, ""),
        address=PageAddress(here),
    )
    st.session_state["explore"] = state
    spec_controls.load_spec(spec)
    return state


def request_render() -> None:
    """Have the next run of the page submit the spec of the controls; the callback of Render."""
    st.session_state[_RENDER_REQUESTED] = True


def take_render_request() -> bool:
    """Whether `request_render` was called since the last call of this function."""
    return st.session_state.pop(_RENDER_REQUESTED, False)
