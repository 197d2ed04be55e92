"""The sentence on the progress of a render."""

import pytest
from streamlit.testing.v1 import AppTest

from c3dvis.queue import JobSnapshot
from c3dvis.ui.shared.render_progress import progress_text


def snapshot(**changes: object) -> JobSnapshot:
    values: dict[str, object] = {
        "state": "running", "position": None, "step": 0, "steps": 0, "seconds": 1.0,
        "seconds_left": None, "objective": None, "shown_activation": None, "curve": [], "preview": None,
        "error": None, "warning": None,
        "attempt": 1, "batch_size": 1,
    }  # fmt: skip
    return JobSnapshot(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "worker", "expected"),
    [
        ({"state": "queued", "position": 1}, "warming", "The worker is warming up; your render is next."),
        ({"state": "queued", "position": 3}, "warming", "The worker is warming up; 3rd in the queue."),
        ({"state": "queued", "position": None}, "ready", "Starting."),
        ({"state": "queued", "position": 1}, "ready", "Next in the queue."),
        ({"state": "queued", "position": 3}, "ready", "3rd in the queue."),
        ({"state": "queued", "position": 12}, "ready", "12th in the queue."),
        ({"step": 16, "steps": 64, "seconds_left": 12.2}, "ready", "Step 16 of 64, about 12 s left."),
        ({"step": 64, "steps": 64, "seconds_left": 0.0}, "ready", "Measuring the result."),
        ({"step": 1, "steps": 640, "seconds_left": 200.0}, "ready", "Step 1 of 640, about 3 min left."),
    ],
)
def test_progress_of_a_job_in_one_sentence(changes: dict[str, object], worker: str, expected: str) -> None:
    assert progress_text(snapshot(**changes), worker) == expected


def test_a_press_on_cancel_that_arrives_twice_does_not_cancel_for_everyone() -> None:
    """The confirmation is another button, so that the second arrival of the first press finds nothing to press."""

    def page() -> None:
        import streamlit as st

        from c3dvis.ui.shared.render_progress import draw_progress
        from tests.ui.test_render_progress import snapshot

        refused = st.session_state.get("refused", False)

        def cancel() -> None:
            st.session_state["stopped"] = refused
            st.session_state["refused"] = True

        draw_progress(snapshot(), "ready", cancel, refused)

    app = AppTest.from_function(page, default_timeout=600).run()
    first = app.button(key="cancel").click()
    first.run()
    assert [button.label for button in app.button] == ["Cancel for everyone"]
    first.click().run()
    assert app.session_state["stopped"] is False
    app.button(key="cancel for everyone").click().run()
    assert app.session_state["stopped"] is True
