"""The state of one visitor's Explore page: the spec in focus and the spec of the controls.

The address contains the spec in focus, whose clip is shown, and beside it the controls that were moved since. A copied
link contains the spec in focus alone.
"""

from dataclasses import dataclass, field

import streamlit as st

from c3dvis.networks import nearest_spec
from c3dvis.spec import RenderSpec
from c3dvis.ui.explore import spec_controls
from c3dvis.ui.explore.moved_controls import load_moved_controls, moved_controls
from c3dvis.ui.shared import followed_renders, navigation
from c3dvis.ui.shared.navigation import PageState, Query
from c3dvis.ui.shared.server_resources import ServerResources

PICTURE, WIRING = TABS = ("Picture", "Wiring")

CLIP, TEXTURE_AND_MOTION = VIEWS = ("Clip", "Texture and motion")

_TABS = {WIRING: "wiring"}  # names in the address
_VIEWS = {TEXTURE_AND_MOTION: "texture-motion"}
_RENDER_REQUESTED = "render requested"


@dataclass
class ExploreState(PageState):
    """The state of one visitor's page.

    Attributes:
        focus: the spec whose clip, progress or offer to render is shown.
        controls_spec: the spec of the controls when the page ran last.
        tab: the open one of `TABS`.
        view: how the clip is shown, one of `VIEWS`.
        last_shown: the spec whose result was shown last; a render that was cancelled before its first preview leads
            back to it.
        notice: a sentence to show once.
        cancel_refused_for: a spec that this visitor cancelled although others watch its render.
    """

    focus: RenderSpec = field(default_factory=RenderSpec)
    controls_spec: RenderSpec = field(default_factory=RenderSpec)
    tab: str = PICTURE
    view: str = CLIP
    last_shown: RenderSpec | None = None
    notice: str | None = None
    cancel_refused_for: RenderSpec | None = None

    def load(self, query: Query) -> None:
        """Take the state from an address."""
        values = navigation.last_values(query)
        spec, problems = nearest_spec.read_link(values)
        self.set_focus(spec)
        self.link_problems = problems + load_moved_controls(spec, values.get("controls", ""))
        self.controls_spec = spec_controls.loaded_spec()
        self.view = next((view for view, name in _VIEWS.items() if name == values.get("view")), CLIP)
        self.tab = next((title for title, name in _TABS.items() if name == values.get("tab")), PICTURE)

    def query(self) -> dict[str, str]:
        """The query of the address: what `shown_query` has, and the controls that were moved."""
        moved = moved_controls(self.focus)
        return self.shown_query() | ({"controls": moved} if moved else {})

    def shown_query(self) -> dict[str, str]:
        """The query of a link to what is shown: the focus, the open tab and the view."""
        own = {"tab": _TABS.get(self.tab), "view": _VIEWS.get(self.view)}
        return self.focus.to_query() | {name: value for name, value in own.items() if value}

    def drawn(self) -> object:
        """As of `PageState`; the controls are drawn from a spec too."""
        return super().drawn(), spec_controls.loaded_spec()

    def open_tab(self, tab: str | None) -> None:
        """Open one of `TABS`."""
        self.tab = tab if tab in TABS else PICTURE

    def set_focus(self, spec: RenderSpec) -> None:
        """Put another spec into focus, and drop the messages about the previous one."""
        self.focus, self.error, self.link_problems, self.cancel_refused_for = spec, None, [], None

    def submit(self, resources: ServerResources, spec: RenderSpec) -> None:
        """Put a spec into focus and submit it to the queue; a failure sets `error`."""
        self.set_focus(spec)
        self.error = followed_renders.submit(resources, [spec])


def request_render() -> None:
    """Have the next run of the page submit the spec of the controls; the callback of Render."""
    st.session_state[_RENDER_REQUESTED] = True


def take_render_request() -> bool:
    """Whether `request_render` was called since the last call of this function."""
    return st.session_state.pop(_RENDER_REQUESTED, False)
