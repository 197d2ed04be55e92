"""The centre of the Explore page: the player, and beside it what there is to say of the spec in focus.

A fragment of its own: it looks again a few times a second while a render is on its way, and rests otherwise.
"""

import streamlit as st

from c3dvis.networks import registry
from c3dvis.queue import JobSnapshot
from c3dvis.results import RenderResult
from c3dvis.results.interpretation import dead_filter
from c3dvis.spec import RenderSpec
from c3dvis.ui.compare import page_state as compare_view
from c3dvis.ui.components.curve import step_curve
from c3dvis.ui.components.player import frame_message, volume_player
from c3dvis.ui.explore import downloads
from c3dvis.ui.explore.page_state import View
from c3dvis.ui.shared import measures, navigation, render_progress, spec_controls, weights_notice
from c3dvis.ui.shared.error_boundary import guarded
from c3dvis.ui.shared.services import Services

_POLL = 0.4  # seconds


def draw(shared: Services, seen: View, embedded: bool) -> None:
    """Show the spec in focus: its result, its render under way, or the offer to render it.

    Args:
        embedded: the page stands inside another one, and shows the player alone.
    """
    active = shared.is_active(seen.focus)
    st.fragment(_stage, run_every=_POLL if active else None)(shared, seen, active, embedded)


@guarded("Explore")
def _stage(shared: Services, seen: View, was_active: bool, embedded: bool) -> None:
    spec = seen.focus
    job = shared.job(spec)
    snapshot = job.snapshot(seen.visitor) if job else None
    active = bool(snapshot and not snapshot.finished)
    if was_active and not active:
        st.rerun()  # the whole page: title, downloads and status change with the end of the render
    result = None if active else shared.result(spec)
    if embedded:
        _draw_player(spec, result, snapshot)
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        _draw_player(spec, result, snapshot)
    with right:
        if snapshot and active:
            _draw_job(shared, seen, snapshot)
        elif result:
            seen.shown = spec
            _draw_result(result, snapshot)
        else:
            _draw_absent(shared, seen, snapshot)
    if result and not result.metrics.get("dead"):
        downloads.draw(result)
        _draw_ways_on(seen)
    if active and not was_active:
        st.rerun()  # what was drawn stands already; the page now starts to look again


def _draw_player(spec: RenderSpec, result: RenderResult | None, snapshot: JobSnapshot | None) -> None:
    shape = (spec.frames, spec.height, spec.width)
    active = bool(snapshot and not snapshot.finished)
    if result and result.metrics.get("dead"):
        message = frame_message(None, clip_key="dead", label=spec.title, shape=shape, note="A dead filter: no picture.")
    elif result:
        message = frame_message(result.clip, clip_key=result.key, label=spec.title)
    elif snapshot and active and snapshot.preview is not None:
        clip_key = f"preview.{snapshot.attempt}.{snapshot.step}"
        message = frame_message(snapshot.preview, clip_key=clip_key, label=spec.title, shape=shape, live=True)
    else:
        note = "The picture forms here in a moment." if active else "There is no picture of this yet."
        message = frame_message(None, clip_key=f"empty.{active}", label=spec.title, shape=shape, live=active, note=note)
    volume_player(message, key="player")


def _draw_job(shared: Services, seen: View, snapshot: JobSnapshot) -> None:
    others = seen.insists == seen.focus

    def cancel() -> None:
        job = shared.job(seen.focus)
        if job and not job.cancel(None if others else seen.visitor):
            seen.insists = seen.focus
            return
        seen.notice, seen.insists = "The render was cancelled.", None
        if seen.shown:
            seen.focus = seen.shown

    render_progress.draw(snapshot, shared.queue.status().state, cancel, others)
    st.caption("Closing this page loses nothing: the render goes on, and its address comes back to it.")


def _draw_result(result: RenderResult, snapshot: JobSnapshot | None) -> None:
    spec = result.spec
    size = (spec.frames, spec.height, spec.width)
    filters = registry.describe(spec.network).output_shape(spec.layer, *size)[3]
    if snapshot and snapshot.warning:
        st.warning(snapshot.warning, icon=":material/warning:")
    if result.metrics.get("dead"):
        _draw_dead(spec, filters)
        return
    measures.draw(result.metrics, filters)
    measured = (row for row in result.history if row["shown_activation"] is not None)
    points = [(row["step"], row["shown_activation"]) for row in measured]
    if len(points) > 1:
        step_curve(points, max(1, spec.iterations), "Activation over the steps", key="curve")
    made = result.provenance
    took = f" in {made['seconds']:.1f} s" if isinstance(made.get("seconds"), float) else ""
    st.caption(f"Rendered{took} on {made.get('device', 'a device that was not noted')}.")


def _draw_ways_on(seen: View) -> None:
    """From this picture to its like: beside others, with other seeds, among its layer."""
    spec = seen.focus

    def pin() -> None:
        compared = compare_view.stored()
        fits = compared.pin(spec)
        number = len(compared.pinned)
        seen.notice = f"Pinned: {number} to compare." if fits else f"Not pinned: {compare_view.MOST} are there already."

    def leave(page: str) -> None:
        seen.leaving = page

    with st.container(horizontal=True, gap="small"):
        st.button("Pin to compare", key="pin", icon=":material/push_pin:", on_click=pin)
        st.button("Other seeds", key="seeds", on_click=leave, args=("Compare",), help="The same filter, five seeds")
        st.button("This layer", key="layer", on_click=leave, args=("Gallery",), help="All filters of the layer")
    if seen.leaving == "Compare":
        seen.leaving = None
        compare_view.stored().start_sweep("seed", spec)
        navigation.go("Compare", compare_view.stored().query())
    if seen.leaving == "Gallery":
        seen.leaving = None
        navigation.go("Gallery", {name: value for name, value in spec.to_query().items() if name != "filter"})
    if seen.notice:
        st.rerun()  # the page's head says it


def _draw_dead(spec: RenderSpec, filters: int) -> None:
    number = spec.filters[0][0]
    st.warning(
        f"{dead_filter(f'Filter {number} of {spec.layer}')} There is no picture of what it looks for. "
        "Its neighbours may be alive.",
        icon=":material/heart_broken:",
    )
    with st.container(horizontal=True):
        for neighbour in sorted({(number + step) % filters for step in (-2, -1, 1, 2)} - {number}):
            change = spec.replace(filter=neighbour)
            name = f"neighbour.{neighbour}"
            if st.button(f"Filter {neighbour}", key=name, on_click=spec_controls.load, args=(change,)):
                st.rerun()


def _draw_absent(shared: Services, seen: View, snapshot: JobSnapshot | None) -> None:
    label = "Render now"
    if seen.failed:
        st.error(seen.failed, icon=":material/error:")
    elif snapshot and snapshot.state == "failed":
        st.error(snapshot.error or "The render failed and did not say why.", icon=":material/error:")
        label = "Try again"
    else:
        st.info("Not rendered on this machine yet.", icon=":material/hourglass_empty:")
    st.button(
        label,
        key="render focus",
        type="primary",
        disabled=weights_notice.missing(seen.focus.network),
        on_click=_render,
        args=(shared, seen),
    )


def _render(shared: Services, seen: View) -> None:
    """Render the focus. A press in a fragment runs the fragment alone, so this is done here, not by the page."""
    spec_controls.load(seen.focus)
    seen.submit(shared, seen.focus)
