"""The status line at the foot of a page: state of the workers, device, queue, store and versions."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

import c3dvis
from c3dvis.files import byte_size
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.plain_text import plain
from c3dvis.ui.shared.server_resources import ServerResources

STATE_TEXT = {
    "asleep": "starts with the next render",
    "starting": "starting",
    "warming": "warming up",
    "ready": "ready",
    "lost": "lost, restarting",
}
"""`QueueStatus.state` in words."""

REFRESH = 3.0
"""Seconds between two refreshes of the status."""

_STATE_COLOURS = {"ready": "green", "asleep": "green", "lost": "red"}


@cache
def package_version(package: str) -> str:
    """Version of an installed package, read without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def draw_status_line(resources: ServerResources) -> None:
    """Draw the status line, which refreshes itself every few seconds."""
    st.fragment(_status_line, run_every=REFRESH)(resources)


@error_boundary("Status")
def _status_line(resources: ServerResources) -> None:
    queue = resources.queue.status()
    stored = resources.store.stats()
    renders = f"{queue.running} running, {queue.queued} waiting" if queue.running or queue.queued else "queue empty"
    devices = sorted({worker.device for worker in queue.workers if worker.device})
    parts = [
        f":{_STATE_COLOURS.get(queue.state, 'orange')}[●] Worker {STATE_TEXT[queue.state]}",
        plain(", ".join(devices)) or "device not known yet",
        renders,
        f"{stored.count + stored.starters} stored, {byte_size(stored.bytes)}",
        plain(f"c3dvis {c3dvis.__version__}, TensorFlow {package_version('tensorflow')}"),
    ]
    st.caption(" · ".join(parts))
    if queue.problem:
        st.caption(f":red[●] {plain(queue.problem)}")
