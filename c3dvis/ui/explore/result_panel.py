"""The middle of the Explore page: the player, and beside it the measures, the progress or the Render button.

It is a fragment, which refreshes itself a few times a second while the render is queued or running.
"""

import streamlit as st

from c3dvis.networks import registry
from c3dvis.networks.classes import full_title
from c3dvis.queue import JobSnapshot
from c3dvis.results import RenderResult, Thumbnail
from c3dvis.results.interpretation import activation_curve, dead_filter, early_end, unfinished
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import command, file_stem
from c3dvis.ui.components.curve import step_curve
from c3dvis.ui.components.player import player_message, volume_player
from c3dvis.ui.components.share_link import share_link
from c3dvis.ui.explore import spec_controls
from c3dvis.ui.explore.page_state import TEXTURE_AND_MOTION, ExploreState
from c3dvis.ui.explore.texture_motion_panel import draw_texture_motion
from c3dvis.ui.shared import followed_renders, pins
from c3dvis.ui.shared.downloads import draw_result_downloads
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.measures import draw_measures
from c3dvis.ui.shared.navigation import live_part
from c3dvis.ui.shared.page_links import PageLink, draw_page_links
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, draw_warning
from c3dvis.ui.shared.render_estimate import estimate_sentence
from c3dvis.ui.shared.render_progress import draw_progress
from c3dvis.ui.shared.server_resources import ServerResources
from c3dvis.ui.shared.sweep import Sweep
from c3dvis.ui.shared.weights_notice import cannot_render

_REFRESH = 0.4  # seconds


def draw_result_panel(resources: ServerResources, state: ExploreState, player_only: bool = False) -> None:
    """Draw the spec in focus.

    Args:
        resources: of the server.
        state: of the page.
        player_only: whether to draw nothing but the player, for a page that is embedded in another one.
    """
    busy = resources.is_active(state.focus) or resources.is_taken_apart_now(state.focus)
    live_part(state, lambda: _draw(resources, state, busy, player_only), _REFRESH if busy else None)


def shows_anything(resources: ServerResources, spec: RenderSpec) -> bool:
    """Whether there is more to show of a spec than the offer to render it: a picture, or the progress of its render."""
    job = resources.job(spec)
    if job and (not job.is_finished or job.snapshot().preview is not None):
        return True
    return bool(resources.result(spec) or _starter_picture(resources, spec))


@error_boundary("Explore")
def _draw(resources: ServerResources, state: ExploreState, was_busy: bool, player_only: bool) -> None:
    spec = state.focus
    job = resources.job(spec)
    snapshot = job.snapshot(state.watcher) if job else None
    active = bool(snapshot and not snapshot.finished)
    if active:
        followed_renders.follow(job)
    busy = active or resources.is_taken_apart_now(spec)
    if was_busy and not busy:
        st.rerun()  # the whole page: title and status change with the end of the render, and the refreshing stops
    result = None if active else resources.result(spec)
    picture = None if active or result else _starter_picture(resources, spec)
    if player_only:
        _draw_player(spec, result, snapshot, picture)
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        if not (result and draw_texture_motion(resources, state, result)):
            _draw_player(spec, result, snapshot, picture)
    with right:
        if snapshot and active:
            _draw_active(resources, state, snapshot)
        elif result:
            state.last_shown = spec
            _draw_result(result, snapshot)
        else:
            is_empty = not picture and (snapshot is None or snapshot.preview is None)
            with st.container(key="no picture" if is_empty else "no result"):
                _draw_missing(resources, state, snapshot, picture, followed_renders.failure(job))
    if result and not result.metrics.get("dead"):
        draw_result_downloads(result)
        apart = state.view == TEXTURE_AND_MOTION
        command_line = command(spec, f"{file_stem(spec, short=True)}.gif", texture_motion=apart)
        share_link(state.shown_query(), command_line, key="share")
        _draw_links_to_other_pages(state)
    if busy and not was_busy:
        st.rerun()  # the whole page, after this first drawing: it starts to refresh


def _starter_picture(resources: ServerResources, spec: RenderSpec) -> Thumbnail | None:
    """The picture that comes with the program for some filters whose results do not."""
    key = resources.key(spec)
    return resources.store.thumbnails([key]).get(key) if key else None


def _draw_player(
    spec: RenderSpec, result: RenderResult | None, snapshot: JobSnapshot | None, picture: Thumbnail | None
) -> None:
    active = bool(snapshot and not snapshot.finished)
    clip, placeholder, mark = None, "", ""
    if result and result.metrics.get("dead"):
        clip_key, placeholder = "dead", "A dead filter: no picture."
    elif result:
        clip, clip_key = result.clip, result.key
    elif snapshot and snapshot.preview is not None:
        clip, clip_key = snapshot.preview, f"preview.{snapshot.attempt}.{snapshot.step}"
        mark = "" if active else "unfinished"
    elif picture:
        clip, clip_key = picture.clip(), f"picture.{picture.key}"
    else:
        clip_key = f"empty.{active}"
        placeholder = "The picture forms here in a moment." if active else "There is no picture of this yet."
    shape = (spec.frames, *registry.describe(spec.network).domain.picture_size(spec.height, spec.width))
    message = player_message(
        clip, clip_key=clip_key, label=full_title(spec), shape=shape, live=active, placeholder=placeholder, mark=mark,
    )  # fmt: skip
    volume_player(message, key="player")


def _draw_active(resources: ServerResources, state: ExploreState, snapshot: JobSnapshot) -> None:
    """Draw the progress of a render that is queued or running."""
    watched_by_others = state.cancel_refused_for == state.focus

    def cancel() -> None:
        job = resources.job(state.focus)
        if job and not resources.cancel(job, None if watched_by_others else state.watcher):
            state.cancel_refused_for = state.focus
            return
        state.notice, state.cancel_refused_for = "The render was cancelled.", None
        if state.last_shown and snapshot.preview is None:
            state.focus = state.last_shown

    job = resources.job(state.focus)
    on_cancel = cancel if job and resources.may_cancel(job) else None
    draw_progress(snapshot, resources.queue.status().state, on_cancel, watched_by_others)
    st.caption("You can close this page: the render continues, and the page's address leads back to it.")


def _draw_result(result: RenderResult, snapshot: JobSnapshot | None) -> None:
    spec = result.spec
    if snapshot and snapshot.warning:
        draw_warning(snapshot.warning)
    if result.metrics.get("dead"):
        _draw_dead(spec)
        return
    if why := unfinished(spec, result.metrics):
        draw_warning(why[1], icon=":material/hourglass_bottom:")
    draw_measures(spec, result.metrics, _filters(spec))
    step_curve(activation_curve(result.history), max(1, spec.iterations), "Activation over the steps", key="curve")
    made = result.provenance
    took = f" in {made['seconds']:.1f} s" if isinstance(made.get("seconds"), float) else ""
    sentences = [f"Rendered{took} on {made.get('device', 'a device that was not recorded')}."]
    draw_caption(" ".join(filter(None, [*sentences, early_end(result.history, spec.iterations)])))


def _draw_links_to_other_pages(state: ExploreState) -> None:
    """Draw the pin, and the links to this clip beside others, with other seeds, and among the rest of its layer."""
    spec = state.focus

    def pin() -> None:
        if not pins.pin(spec):
            state.notice = f"Not pinned: {pins.MAX_PINS} are pinned already. Remove one on the Compare page."

    pinned = len(pins.pinned())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Pinned" if spec in pins.pinned() else "Pin to compare", key="pin", icon=":material/push_pin:",
            on_click=pin, disabled=spec in pins.pinned(),
        )  # fmt: skip
        layer = {name: value for name, value in spec.to_query().items() if name != "filter"}
        draw_page_links(
            [
                PageLink("Other seeds", "compare", Sweep.usual(spec, "seed").query(), "The same filter, five seeds"),
                PageLink("This layer", "gallery", layer, "All filters of the layer"),
                *([PageLink(f"See the pinned ({pinned})", "compare", {}, "Side by side")] if pinned else []),
            ]
        )
    if state.notice:
        st.rerun()  # the whole page, whose head shows the notice


def _filters(spec: RenderSpec) -> int:
    return registry.describe(spec.network).output_shape(spec.layer, *spec.size)[3]


def _draw_dead(spec: RenderSpec) -> None:
    filters, number = _filters(spec), spec.filters[0][0]
    draw_warning(
        f"{dead_filter(f'Filter {number} of {spec.layer}')} There is no picture of what it looks for. "
        "Its neighbours may be alive.",
        icon=":material/heart_broken:",
    )
    with st.container(horizontal=True):
        for neighbour in sorted({(number + step) % filters for step in (-2, -1, 1, 2)} - {number}):
            neighbour_spec = spec.replace(filter=neighbour)
            key = f"neighbour.{neighbour}"
            st.button(f"Filter {neighbour}", key=key, on_click=spec_controls.load_spec, args=(neighbour_spec,))


def _draw_missing(
    resources: ServerResources, state: ExploreState, snapshot: JobSnapshot | None, picture: Thumbnail | None,
    failure: str | None,
) -> None:  # fmt: skip
    """Draw the offer to render the focus, why the visitor's attempt failed, and what is known without a result."""
    label = "Render now"
    if state.error:
        draw_error(state.error)
    elif failure:
        draw_error(failure)
        label = "Try again"
    elif snapshot and snapshot.preview is not None:
        step = f"at step {snapshot.step} of {snapshot.steps}"
        st.info(f"Cancelled {step}: the picture is unfinished.", icon=":material/hourglass_disabled:")
    elif picture:
        st.info(
            "This picture comes with the program, compressed. A render here gives its exact pixels and its downloads.",
            icon=":material/inventory_2:",
        )
    else:
        st.info("Not rendered here yet.", icon=":material/hourglass_empty:")

    def render() -> None:
        # Submitted here and not by the page: a press inside a fragment runs the fragment alone.
        spec_controls.load_spec(state.focus)
        state.submit(resources, state.focus)

    st.button(label, key="render focus", type="primary", disabled=cannot_render(state.focus.network), on_click=render)
    if estimate := estimate_sentence(resources, state.focus):
        st.caption(estimate)
    if picture:
        draw_measures(state.focus, picture.metrics, _filters(state.focus))
