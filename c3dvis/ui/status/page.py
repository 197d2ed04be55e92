"""What is at work: devices, workers, the queue with its places, the store, versions. A line and a page."""

import platform
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

import c3dvis
from c3dvis.queue import QueueStatus
from c3dvis.ui.shared import navigation, render_progress
from c3dvis.ui.shared.error_boundary import guarded
from c3dvis.ui.shared.markdown_table import table
from c3dvis.ui.shared.services import Services, services

_POLL = 3.0  # seconds
_WORDS = {"starting": "starting", "warming": "warming up", "ready": "ready", "lost": "lost, restarting"}
_COLOURS = {"ready": "green", "lost": "red"}
_PACKAGES = ("streamlit", "distributed", "tensorflow", "keras", "keras-vis", "numpy")


def megabytes(size: float) -> str:
    """Bytes in words."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def installed(package: str) -> str:
    """Version of an installed package, read without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def device_text(queue: QueueStatus) -> str:
    """The devices that render, each once."""
    devices = sorted({worker.device for worker in queue.workers if worker.device})
    return ", ".join(devices) or "device not known yet"


def line(shared: Services) -> None:
    """The status line at the foot of the page; looks again every few seconds."""
    st.fragment(_line, run_every=_POLL)(shared)


@guarded("Status")
def _line(shared: Services) -> None:
    queue = shared.queue.status()
    stored = shared.store.stats()
    waiting = f"{queue.running} running, {queue.queued} waiting" if queue.running or queue.queued else "queue empty"
    colour = _COLOURS.get(queue.state, "orange")
    parts = [
        f":{colour}[●] Worker {_WORDS[queue.state]}",
        device_text(queue),
        waiting,
        f"{stored.count + stored.starters} stored, {megabytes(stored.bytes)}",
        f"c3dvis {c3dvis.__version__}, TensorFlow {installed('tensorflow')}",
    ]
    st.caption(" · ".join(parts))
    if queue.problem:
        st.caption(f":red[{queue.problem}]")


def page() -> None:
    """Draw the page; a failure of ours is shown as its one sentence."""
    with guarded("Status"):
        navigation.enter("Status")
        st.markdown("### Status")
        st.fragment(_details, run_every=_POLL)(services())


@guarded("Status")
def _details(shared: Services) -> None:
    queue = shared.queue.status()
    st.markdown(f"#### Workers: {_WORDS[queue.state]}")
    if queue.problem:
        st.error(queue.problem)
    rows = [
        (
            w.address,
            w.device or "–",
            "rendering" if w.busy else "idle" if w.ready else "warming up",
            megabytes(w.memory_bytes),
        )
        for w in queue.workers
    ]
    table(("Address", "Device", "Doing", "Memory"), rows, "No worker is connected.")
    st.markdown("#### Queue")
    snapshots = [(job, job.snapshot()) for job in shared.queue.jobs()]
    rows = [
        (s.position or "", job.spec.title, render_progress.headline(s, queue.state))
        for job, s in snapshots
        if not s.finished
    ]
    table(("Place", "Render", "State"), rows, "Nothing is waiting.")
    st.markdown("#### Store")
    stored = shared.store.stats()
    asked = stored.hits + stored.misses
    rows = [
        ("Results rendered here", stored.count),
        ("Results that came with the program", stored.starters),
        ("Size", f"{megabytes(stored.bytes)} of at most {megabytes(stored.size_limit)}"),
        ("Set aside as damaged", stored.damaged),
        ("Found when looked for", f"{stored.hits} of {asked} times" if asked else "never looked for"),
        ("Folder", f"`{stored.path}`"),
    ]
    table(("What", "Here"), rows, "")
    st.markdown("#### Versions")
    rows = [
        ("c3dvis", c3dvis.__version__),
        ("Python", platform.python_version()),
        *((name, installed(name)) for name in _PACKAGES),
    ]
    table(("Package", "Version"), rows, "")
