"""The Status page: the workers and their devices, the queue, the store, the versions of the packages."""

import platform

import streamlit as st

import c3dvis
from c3dvis.access.sign_in import current_may
from c3dvis.files import byte_size
from c3dvis.networks.classes import full_title
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.navigation import NothingToChoose, current_state, write_address
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.plain_text import draw_error
from c3dvis.ui.shared.render_progress import progress_text
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.status_line import REFRESH, STATE_TEXT, package_version
from c3dvis.ui.shared.table import draw_table
from c3dvis.ui.status.curves import draw_curves

_PACKAGES = ("streamlit", "distributed", "tensorflow", "keras", "keras-vis", "numpy")


def page() -> None:
    """Draw the page."""
    with error_boundary("Status"):
        state = current_state("status", NothingToChoose)
        write_address(state)
        draw_title("Status")
        state.draw_link_problems()
        st.fragment(_details, run_every=REFRESH)(server_resources())


@error_boundary("Status")
def _details(resources: ServerResources) -> None:
    queue, sees_machine = resources.queue.status(), current_may("see the machine")
    st.markdown(f"## Workers: {STATE_TEXT[queue.state]}")
    if queue.problem:
        draw_error(queue.problem)
    rows = [
        (
            worker.address if sees_machine else str(number),
            worker.device or "–",
            "rendering" if worker.busy else "idle" if worker.ready else "warming up",
            byte_size(worker.memory_bytes),
        )
        for number, worker in enumerate(queue.workers, 1)
    ]
    draw_table(
        ("Address" if sees_machine else "Worker", "Device", "Activity", "Memory"), rows, empty="No worker is connected."
    )
    st.markdown("## The last hour")
    draw_curves(resources.history.samples())
    st.markdown("## Queue")
    snapshots = [(job, job.snapshot()) for job in resources.queue.jobs()]
    rows = [
        (snapshot.position or "", full_title(job.spec), progress_text(snapshot, queue.state))
        for job, snapshot in snapshots
        if not snapshot.finished
    ]
    draw_table(("Position", "Render", "State"), rows, empty="Nothing is waiting.")
    st.markdown("## Store")
    stored = resources.store.stats()
    lookups = stored.hits + stored.misses
    rows = [
        ("Results rendered here", stored.count),
        ("Results shipped with the program", stored.starters),
        ("Size", f"{byte_size(stored.bytes)} of at most {byte_size(stored.size_limit)}"),
        ("Set aside as damaged", stored.damaged),
        ("Found when asked for", f"{stored.hits} of {lookups} times" if lookups else "never asked"),
    ]
    if sees_machine:
        rows.append(("Folder", stored.path))
    draw_table(("Property", "Value"), rows)
    st.markdown("## Versions")
    rows = [
        ("c3dvis", c3dvis.__version__),
        ("Python", platform.python_version()),
        *((package, package_version(package)) for package in _PACKAGES),
    ]
    draw_table(("Package", "Version"), rows)
