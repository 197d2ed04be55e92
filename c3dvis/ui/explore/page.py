"""The Explore page: one filter. Controls in the sidebar, the volume and what it means in the centre."""

import streamlit as st

from c3dvis.networks import registry
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import differences
from c3dvis.ui.explore import page_state as view
from c3dvis.ui.explore import picture
from c3dvis.ui.explore.page_state import View
from c3dvis.ui.shared import spec_controls, weights_notice
from c3dvis.ui.shared.error_boundary import guarded
from c3dvis.ui.shared.services import Services, services
from c3dvis.ui.status import page as status


def page() -> None:
    """Draw the page; a failure of ours is shown as its one sentence."""
    with guarded("Explore"):
        shared = services()
        seen = view.current()
        embedded = bool(st.context.is_embedded)
        if embedded:
            picture.draw(shared, seen, embedded)
            return
        asked, problem = spec_controls.read()
        _follow(shared, seen, asked)
        _draw_head(shared, seen, problem)
        picture.draw(shared, seen, embedded)
        status.line(shared)
        with st.sidebar:  # last: the picture comes first, and these many widgets after it
            _draw_sidebar(asked, problem)
        seen.write_address()


def _draw_sidebar(asked: RenderSpec, problem: str | None) -> None:
    spec_controls.draw()
    blocked = problem or weights_notice.missing(asked.network)
    with st.container(key="render bar"):
        if problem:
            st.error(problem)
        st.button(
            "Render", key="render", type="primary", width="stretch", disabled=bool(blocked),
            on_click=view.ask, icon=":material/play_arrow:",
        )  # fmt: skip


def _follow(shared: Services, seen: View, asked: RenderSpec) -> None:
    """Let the centre follow the controls: at once where there is something to show, else on Render."""
    if view.was_asked():
        seen.submit(shared, asked)
    elif asked != seen.asked and (shared.result(asked) or shared.is_active(asked)):
        seen.turn_to(asked)
    seen.asked = asked


def _draw_head(shared: Services, seen: View, problem: str | None) -> None:
    spec = seen.focus
    st.markdown(f"### {spec.layer} · {spec.target}")
    where = registry.describe(spec.network).title
    size = f"{spec.frames} frames of {spec.width} × {spec.height}"
    st.caption(f"What excites it in {where}: {size}, engine {spec.engine}, seed {spec.seed}")
    for sentence in seen.problems:
        st.warning(sentence, icon=":material/link_off:")
    if seen.notice:
        st.toast(seen.notice)
        seen.notice = None
    weights_notice.draw(shared, seen.asked.network)
    if seen.asked != seen.focus and not problem:
        _draw_difference(shared, seen)


def _draw_difference(shared: Services, seen: View) -> None:
    changed = differences(seen.focus, seen.asked)
    listed = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
    what = "picture" if shared.result(seen.focus) else "render"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="difference"):
        st.markdown(f"The controls differ from this {what}: **{listed}**.", width="stretch")
        blocked = bool(weights_notice.missing(seen.asked.network))
        st.button("Render this", key="render this", type="primary", on_click=view.ask, disabled=blocked)
        st.button(
            "Undo",
            key="undo",
            help=f"Set the controls to this {what}",
            on_click=spec_controls.load,
            args=(seen.focus,),
        )
