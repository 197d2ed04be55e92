"""A render on its way: place in the queue, steps, seconds left, the curve so far, Cancel."""

from collections.abc import Callable

import streamlit as st

from c3dvis.durations import time_left
from c3dvis.queue import JobSnapshot
from c3dvis.ui.components.curve import step_curve


def place_text(number: int) -> str:
    """1st, 2nd, 3rd, 4th … in the queue."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending} in the queue"


def headline(snapshot: JobSnapshot, worker_state: str) -> str:
    """One line that says where the job stands."""
    if snapshot.state == "queued":
        if worker_state in ("starting", "warming"):
            place = "your render is next" if snapshot.position in (None, 1) else place_text(snapshot.position)
            return f"The worker is warming up; {place}."
        if worker_state == "lost":
            return "The worker was lost; a new one is starting and takes your render."
        if snapshot.position is None:
            return "Starting."
        return f"{place_text(snapshot.position)}." if snapshot.position > 1 else "Next in the queue."
    if not snapshot.step:
        return "Preparing the network for this layer."
    if snapshot.steps and snapshot.step >= snapshot.steps:
        return "Measuring the result."
    parts = (f"Step {snapshot.step} of {snapshot.steps}", time_left(snapshot.seconds_left))
    return f"{', '.join(filter(None, parts))}."


def draw(snapshot: JobSnapshot, worker_state: str, on_cancel: Callable[[], None], others: bool) -> None:
    """Show the state of a job that is queued or running; `others`: a Cancel was refused because others watch it."""
    done = snapshot.step / snapshot.steps if snapshot.steps and snapshot.step else 0.0
    st.progress(min(1.0, done), text=headline(snapshot, worker_state))
    if others:
        st.info("Another page is watching this render too.", icon=":material/group:")
    label = "Cancel for everyone" if others else "Cancel"
    st.button(label, key="cancel", icon=":material/close:", on_click=on_cancel)
    if snapshot.warning:
        st.warning(snapshot.warning, icon=":material/warning:")
    rows = [(int(row["step"] or 0), row["shown_activation"]) for row in snapshot.curve]
    points = [(step, value) for step, value in rows if value is not None]
    if len(points) > 1:
        step_curve(points, snapshot.steps, "Activation so far", key="curve")
