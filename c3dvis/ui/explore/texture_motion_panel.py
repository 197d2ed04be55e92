"""The view *Texture and motion* of the Explore page: the clip as one still texture and its motion."""

import streamlit as st

from c3dvis.access.sign_in import current_may
from c3dvis.networks.classes import full_title
from c3dvis.results import RenderResult
from c3dvis.results.interpretation import share_sentences
from c3dvis.ui.components.texture_motion import texture_motion_message, texture_motion_view
from c3dvis.ui.explore.page_state import CLIP, TEXTURE_AND_MOTION, VIEWS, ExploreState
from c3dvis.ui.shared import followed_renders
from c3dvis.ui.shared.control import bound
from c3dvis.ui.shared.plain_text import draw_error
from c3dvis.ui.shared.server_resources import ServerResources


def draw_texture_motion(resources: ServerResources, state: ExploreState, result: RenderResult) -> bool:
    """Draw the choice between the views, and the texture and motion if they are chosen.

    Args:
        resources: of the server.
        state: of the page.
        result: in focus; nothing is drawn for a dead filter, or for a network of more than three channels.

    Returns:
        Whether the view was drawn, and takes the player's place.
    """
    if result.metrics.get("dead") or result.channels is not None:
        return False

    def choose(view: str | None) -> None:
        state.view = view or CLIP

    st.segmented_control(
        "View",
        VIEWS,
        default=state.view,
        required=True,
        label_visibility="collapsed",
        **bound("view", state.view, choose, VIEWS),
    )
    if state.view != TEXTURE_AND_MOTION:
        return False
    if result.texture_motion:
        sentences = share_sentences(result.metrics)
        message = texture_motion_message(
            result.texture_motion, key=result.key, label=full_title(result.spec), sentences=sentences
        )
        texture_motion_view(message, key="texture and motion")
        return True
    _draw_offer(resources, result)
    return True


def _draw_offer(resources: ServerResources, result: RenderResult) -> None:
    """Draw the button that has the texture and motion found, or how far that is."""
    job = resources.texture_motion_job(result.spec)
    snapshot = job.snapshot() if job else None
    if snapshot and not snapshot.finished:
        followed_renders.follow(job)
        waiting = snapshot.state == "queued"
        text = "Waiting for the worker." if waiting else "Finding the texture and its motion."
        st.progress(min(1.0, snapshot.step / max(1, snapshot.steps)), text=text)
        return
    st.markdown(
        "This clip can be taken apart into **one still texture** and **the motion** that moves it. That shows how much "
        "of the response each of them keeps: whether the filter looks for a pattern, a movement, or both together."
    )
    if why := followed_renders.failure(job):
        draw_error(why)

    def take_apart() -> None:
        if problem := resources.take_apart(result):
            st.session_state["texture and motion problem"] = problem
        followed_renders.follow(resources.texture_motion_job(result.spec))

    if problem := st.session_state.pop("texture and motion problem", None):
        draw_error(problem)
    st.button(
        "Take apart", key="take apart", type="primary", icon=":material/call_split:", on_click=take_apart,
        disabled=not current_may("render"),
        help="Takes a few seconds. The texture and motion are stored with the picture.",
    )  # fmt: skip
