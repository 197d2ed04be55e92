"""The progress of a render that is queued or running: queue position, steps, time left, activation curve, Cancel."""

from collections.abc import Callable

import streamlit as st

from c3dvis.durations import time_left
from c3dvis.queue import JobSnapshot
from c3dvis.results.interpretation import activation_curve
from c3dvis.ui.components.curve import step_curve
from c3dvis.ui.shared.plain_text import draw_warning


def progress_text(snapshot: JobSnapshot, queue_state: str) -> str:
    """One sentence on the progress of a job.

    Args:
        snapshot: of the job.
        queue_state: `QueueStatus.state`.
    """
    if snapshot.state == "queued":
        if queue_state in ("asleep", "starting", "warming"):
            position = "your render is next" if snapshot.position in (None, 1) else _position_text(snapshot.position)
            return f"The worker is warming up; {position}."
        if queue_state == "lost":
            return "The worker was lost; a new one is starting and takes your render."
        if snapshot.position is None:
            return "Starting."
        return f"{_position_text(snapshot.position)}." if snapshot.position > 1 else "Next in the queue."
    if not snapshot.step:
        return "Preparing the network for this layer."
    if snapshot.steps and snapshot.step >= snapshot.steps:
        return "Measuring the result."
    parts = (f"Step {snapshot.step} of {snapshot.steps}", time_left(snapshot.seconds_left))
    return f"{', '.join(filter(None, parts))}."


def draw_progress(
    snapshot: JobSnapshot, queue_state: str, on_cancel: Callable[[], None] | None, watched_by_others: bool
) -> None:
    """Draw the progress of a job that is queued or running.

    Args:
        snapshot: of the job.
        queue_state: `QueueStatus.state`.
        on_cancel: called when Cancel is pressed; None draws no Cancel.
        watched_by_others: a Cancel was refused because others watch the render; the next one stops it for everyone.
    """
    st.progress(min(1.0, snapshot.step / max(1, snapshot.steps)), text=progress_text(snapshot, queue_state))
    if on_cancel:
        if watched_by_others:
            st.info("Another page is watching this render too.", icon=":material/group:")
        label = "Cancel for everyone" if watched_by_others else "Cancel"
        # A key of its own: a press on Cancel that the browser sends twice must not confirm the cancel for everyone.
        st.button(
            label,
            key="cancel for everyone" if watched_by_others else "cancel",
            icon=":material/close:",
            on_click=on_cancel,
        )
    if snapshot.warning:
        draw_warning(snapshot.warning)
    step_curve(activation_curve(snapshot.curve), snapshot.steps, "Activation so far", key="curve")


def _position_text(position: int) -> str:
    """A position in the queue as `1st in the queue`, `2nd in the queue` and so on."""
    ending = "th" if 10 <= position % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{ending} in the queue"
