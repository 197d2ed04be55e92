"""The middle of the Probe page: the clip with the heat map of one target, and beside it classes and responses."""

from html import escape

import streamlit as st

from c3dvis.media.overlay import css_gradient, key_texts
from c3dvis.networks.classes import class_name, target_title
from c3dvis.probe import ProbeResult, Target
from c3dvis.ui.components.player import player_message, volume_player
from c3dvis.ui.components.wall import Cell, clip_pixels, wall
from c3dvis.ui.probe.looking import Looking
from c3dvis.ui.probe.page_state import VIEWS, ProbeState, picture_spec, target_query
from c3dvis.ui.shared import followed_renders, navigation
from c3dvis.ui.shared.control import bound
from c3dvis.ui.shared.navigation import live_part
from c3dvis.ui.shared.page_links import PageLink
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, plain
from c3dvis.ui.shared.render_progress import progress_text
from c3dvis.ui.shared.server_resources import ServerResources
from c3dvis.ui.shared.table import draw_table

_CLASSES = 5
_REFRESH = 0.6  # seconds between two refreshes while the target's own picture is rendered
_WHAT = {
    "feature_map": "response of the filter at each place and moment",
    "saliency": "how much the response changes with each pixel",
    "grad_cam": "share of each place in the response",
    "integrated_gradients": "what each pixel adds to the response (red) or takes from it (blue)",
}


def draw_target(resources: ServerResources, state: ProbeState, looking: Looking) -> None:
    """Draw the player, the classes, the target's responses, and its own picture."""

    def choose_view(view: str | None) -> None:
        state.view = view or state.view

    st.segmented_control(
        "Over the clip", list(VIEWS), default=state.view, format_func=VIEWS.__getitem__, required=True,
        **bound("p.view", state.view, choose_view, VIEWS),
    )  # fmt: skip
    left, right = st.columns([3, 2], gap="large")
    with left:
        heat = looking.heat
        mark = "" if heat or state.view == "clip" else "looking …"
        volume_player(
            player_message(looking.shown, clip_key=looking.key, label=looking.title, mark=mark), key="p.player"
        )
        _draw_key(looking)
    with right:
        with st.container(key="probe classes"):
            _draw_classes(state, looking.found)
        with st.container(key="probe target"):
            _draw_responses(state, looking)
            if looking.target:
                _draw_own_picture(resources, state, looking.target)


def _draw_key(looking: Looking) -> None:
    heat = looking.heat
    low, high = key_texts(heat.strongest, heat.signed) if heat else ("", "")
    signed = bool(heat and heat.signed)
    what = _WHAT.get(looking.state.view, "")
    if heat and not heat.strongest:
        what = "nothing: it does not respond to this clip"
    bar = f'<i style="background:{css_gradient(signed)}"></i>' if what else "<i></i>"
    st.html(f'<p class="c3d-key"><span>{low}</span>{bar}<span>{high}</span> {escape(what)}</p>')


def _draw_classes(state: ProbeState, found: ProbeResult | None) -> None:
    st.markdown("## What the network takes it for")
    if found is None:
        st.caption("In a moment.")
        return
    if found.no_classes:
        draw_caption(found.no_classes)
        return
    last = state.info.layers[-1]
    rows = []
    for one in found.classes[:_CLASSES]:
        query = target_query(state, Target(last, one.number)) | {"view": "grad_cam"}
        where = PageLink(one.name, "probe", query, "Where it looks for this class")
        rows.append((where, f"{100 * one.probability:.1f} %", f"{one.score:.3g}"))
    draw_table(("Class", "Probability", "Score"), rows, numeric=True)


def _draw_responses(state: ProbeState, looking: Looking) -> None:
    target, found = looking.target, looking.found
    if target is None or found is None:
        st.markdown("## The filter")
        st.caption("In a moment.")
        return
    if target.layer not in found.means:
        st.markdown("## The filter")
        draw_caption(f"{target.layer} needs a larger clip than this.")
        return
    scores = found.standardised[target.layer]
    own = picture_spec(state, target)
    st.markdown(f"## {plain(target_title(own) if own else f'{target.layer} · filter {target.filter}')}")

    def choose(number: int) -> None:
        state.filter = number

    is_class = bool(own and class_name(own))
    st.number_input(
        "Class number" if is_class else f"Filter of {plain(target.layer)}", 0, len(scores) - 1, target.filter,
        **bound("p.filter", target.filter, choose),
    )  # fmt: skip
    mean, score = float(found.means[target.layer][target.filter]), float(scores[target.filter])
    rank = 1 + int((scores > score).sum())
    draw_caption(
        f"Mean response {mean:.3g}, {score:+.1f} standard deviations from its response to noise: rank {rank} of "
        f"{len(scores)} in the layer."
    )


def _draw_own_picture(resources: ServerResources, state: ProbeState, target: Target) -> None:
    spec = picture_spec(state, target)
    if spec is None:
        return
    busy = resources.is_active(spec)

    def draw() -> None:
        if resources.is_active(spec) != busy:  # a press in this part makes it refresh
            st.rerun()
        result = resources.result(spec)
        thumbnail = (
            None if result else resources.store.thumbnails([key]).get(key) if (key := resources.key(spec)) else None
        )
        clip = result.clip if result else thumbnail.clip() if thumbnail else None
        if clip is not None:
            pixels = clip_pixels(clip, result.key if result else "thumbnail")
            cell = Cell(
                "own",
                "What it looks for",
                "its synthetic volume",
                "stored",
                navigation.link("", spec.to_query()),
                pixels,
            )
            wall([cell], key="p.own", label="The target's synthetic volume", side=200)
            return
        job = resources.job(spec)
        snapshot = job.snapshot(state.watcher) if job else None
        if snapshot and not snapshot.finished:
            followed_renders.follow(job)
            st.progress(
                min(1.0, snapshot.step / max(1, snapshot.steps)),
                text=progress_text(snapshot, resources.queue.status().state),
            )
            return
        if why := followed_renders.failure(job):
            draw_error(why)

        def render() -> None:
            state.error = followed_renders.submit(resources, [spec])

        st.button("Render what it looks for", key="p.render", icon=":material/play_arrow:", on_click=render)

    live_part(state, draw, _REFRESH if busy else None)
