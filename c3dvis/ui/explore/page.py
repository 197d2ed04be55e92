"""The Explore page: the controls of one spec in the sidebar, its clip and measures beside them."""

import streamlit as st

from c3dvis.networks import registry
from c3dvis.networks.classes import target_title
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import changed_settings, differences, size_text
from c3dvis.ui.components.introduction import introduction
from c3dvis.ui.explore import spec_controls
from c3dvis.ui.explore.class_picker import draw_class_picker
from c3dvis.ui.explore.page_state import TABS, WIRING, ExploreState, request_render, take_render_request
from c3dvis.ui.explore.result_panel import draw_result_panel, shows_anything
from c3dvis.ui.explore.wiring_panel import draw_wiring_panel
from c3dvis.ui.method import page as method
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.control import bound_beside_default
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.navigation import current_state, write_address
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, plain
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.status_line import draw_status_line
from c3dvis.ui.shared.weights_notice import cannot_render, draw_proof_notice, draw_weights_notice


def page() -> None:
    """Draw the page; embedded in another page, it is the player alone."""
    with error_boundary("Explore"):
        resources = server_resources()
        state = current_state("explore", ExploreState)
        if st.context.is_embedded:
            draw_title(target_title(state.focus))
            draw_result_panel(resources, state, player_only=True)
            st.link_button("Open in c3dvis", navigation.link("", state.shown_query()), type="tertiary")
            return
        sidebar = st.sidebar.container()  # first, since the rest of the page moves aside when it appears
        spec, problem = spec_controls.read_spec()
        _update_focus(resources, state, spec)
        write_address(state)
        _draw_head(resources, state, problem)
        picture, wires = st.tabs(
            TABS, **bound_beside_default("explore tab", state.tab, state.open_tab, default=TABS[0], among=TABS)
        )
        if picture.open:
            with picture:
                draw_result_panel(resources, state)
        if wires.open:
            with wires:
                draw_wiring_panel(resources, state)
        draw_status_line(resources)
        with sidebar:  # last, so that the browser gets the clip before these many widgets
            _draw_sidebar(spec, problem)


def _draw_sidebar(spec: RenderSpec, problem: spec_controls.Problem | None) -> None:
    spec_controls.draw_controls()
    with st.container(key="render bar"):
        if problem:
            draw_error(problem.reason)
            st.button(plain(problem.offer), key="remedy", width="stretch", on_click=spec_controls.take_remedy)
        st.button(
            "Render", key="render", type="primary", width="stretch", icon=":material/play_arrow:",
            disabled=bool(problem) or cannot_render(spec.network), on_click=request_render,
        )  # fmt: skip


def _update_focus(resources: ServerResources, state: ExploreState, spec: RenderSpec) -> None:
    """Show the spec of the controls: on Render, or at once if there is a picture of it or its render is under way.

    The wiring needs no render, and always shows it at once. Where nothing is shown there is nothing to keep either.
    """
    if take_render_request():
        state.submit(resources, spec)
    elif spec != state.controls_spec and (
        state.tab == WIRING or not shows_anything(resources, state.focus) or shows_anything(resources, spec)
    ):
        state.set_focus(spec)
    state.controls_spec = spec


def _draw_head(resources: ServerResources, state: ExploreState, problem: spec_controls.Problem | None) -> None:
    spec = state.focus
    head = st.container(key="introduction")  # filled after the title, which the sidebar waits for
    draw_title(target_title(spec))
    with head:
        introduction(method.PATH, key="introduction component")
    network = registry.describe(spec.network).title
    made = ", ".join(
        filter(None, [size_text(spec.size), f"engine {spec.engine}, seed {spec.seed}", changed_settings(spec)])
    )
    draw_caption(f"What excites it in {network}: {made}")
    state.draw_link_problems()
    if state.notice:
        st.toast(plain(state.notice))
        state.notice = None
    draw_class_picker(state)
    draw_weights_notice(resources, state.controls_spec.network)
    draw_proof_notice(state.controls_spec.network)
    if state.controls_spec != state.focus and not problem:
        _draw_differences(resources, state)


def _draw_differences(resources: ServerResources, state: ExploreState) -> None:
    """Name the fields in which the controls differ from the focus."""
    changed = differences(state.focus, state.controls_spec)
    listed = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
    what = "picture" if resources.result(state.focus) else "render"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="difference"):
        st.markdown(f"The controls differ from this {what}: **{plain(listed)}**.", width="stretch")
        blocked = cannot_render(state.controls_spec.network)
        st.button("Render this", key="render this", type="primary", on_click=request_render, disabled=blocked)
        st.button(
            "Undo", key="undo", help=f"Set the controls to this {what}",
            on_click=lambda: spec_controls.load_spec(state.focus),
        )  # fmt: skip
