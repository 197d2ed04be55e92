"""The Probe page: a real clip, what it excites, and where the network looks."""

import streamlit as st

from c3dvis.access.sign_in import current_may
from c3dvis.queue import ProbeJob
from c3dvis.ui.probe import film
from c3dvis.ui.probe.answers import Questions
from c3dvis.ui.probe.dream_panel import draw_dream
from c3dvis.ui.probe.filters_panel import draw_filters
from c3dvis.ui.probe.looking import Looking
from c3dvis.ui.probe.page_state import ProbeState
from c3dvis.ui.probe.probe_downloads import draw_downloads
from c3dvis.ui.probe.target_panel import draw_target
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.navigation import current_state, write_address
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.plain_text import draw_caption, draw_error
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.status_line import draw_status_line
from c3dvis.ui.shared.weights_notice import draw_proof_notice, draw_weights_notice, weights_missing

_REFRESH = 0.4  # seconds between two looks at unanswered questions


def page() -> None:
    """Draw the page."""
    with error_boundary("Probe"):
        resources = server_resources()
        state = current_state("probe", ProbeState)
        write_address(state)
        draw_title(f"Probe: {state.file or 'sample clip'}")
        draw_caption("What a real clip excites in the network, what it takes the clip for, and where it looks.")
        state.draw_link_problems()
        draw_weights_notice(resources, state.network)
        draw_proof_notice(state.network)
        film.draw_choice(state)
        _draw_clip(resources, state)
        draw_status_line(resources)


def _draw_clip(resources: ServerResources, state: ProbeState) -> None:
    file = film.current_file(state)
    clip = film.draw_window(state, file) if file else None
    if file is None or clip is None or weights_missing(state.network):
        return
    if not current_may("render"):
        st.caption("To have the network look at the clip, sign in.")
        return
    questions = Questions(resources, state, clip, shared=not file.name)
    progress = st.container(key="probe progress")
    looking = Looking(questions)
    waiting = looking.waiting
    if state.error:
        draw_error(state.error)
    if problem := looking.problem:
        draw_error(problem)
    draw_target(resources, state, looking)
    draw_filters(resources, state, looking)
    draw_downloads(state, looking)
    draw_dream(resources, state, looking)
    with progress:
        _draw_progress(waiting)


def _draw_progress(waiting: list[ProbeJob]) -> None:
    """Draw what is being computed, and run the page again when something is answered."""
    before = [False] * len(waiting)

    def part() -> None:
        if [job.is_finished for job in waiting] != before and _is_worth_drawing(waiting, before):
            st.rerun()
        st.progress(*_progress(waiting))

    if waiting:
        st.fragment(part, run_every=_REFRESH)()
    else:
        st.caption("All questions about this clip are answered.")


def _is_worth_drawing(waiting: list[ProbeJob], before: list[bool]) -> bool:
    """Whether the first question or the last is answered: the page is not drawn for each between them."""
    finished = [job.is_finished for job in waiting]
    return all(finished) or finished[0] != before[0]


def _progress(waiting: list[ProbeJob]) -> tuple[float, str]:
    job = next((job for job in waiting if not job.is_finished), waiting[-1])
    done, total = job.progress or (0, 0)
    share = done / total if total else 0.0
    match job.request.question:
        case "probe":
            text = "The network looks at the clip"
            text = f"{text}, and at noise to compare with: {done} of {total}" if total else text
        case "integrated_gradients":
            text = f"Gradients from grey to the clip: {done}" + (f" of {total}" if total else "")
        case "feature_map":
            finished = sum(other.is_finished for other in waiting)
            share, text = finished / len(waiting), "Feature maps"
        case _:
            text = "Where the network looks"
    return min(1.0, share), f"{text} …"
