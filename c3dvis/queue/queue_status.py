"""The state of the queue and its workers at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DEVICE = "device"
"""Name of the Dask resource that a task takes: a worker has one, so it runs one task at a time."""

METRIC = "c3dvis"
"""Name of a worker's own entry among the metrics that it sends to Dask's scheduler."""

QueueState = Literal["asleep", "starting", "warming", "ready", "lost"]


@dataclass(frozen=True)
class WorkerStatus:
    """One worker process.

    Attributes:
        address: of the worker.
        pid: process id on its machine; 0 until it has reported.
        ready: it has loaded TensorFlow and the default network; earlier renders wait for that.
        busy: it runs one of this queue's renders.
        device: that it renders on, one line; empty until it is ready.
        versions: of Python, TensorFlow and the other packages that influence a render; empty until it is ready.
        memory_bytes: its resident memory.
        problem: a sentence if it could not get ready.
    """

    address: str
    pid: int = 0
    ready: bool = False
    busy: bool = False
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class QueueStatus:
    """The queue as a whole.

    Attributes:
        state: `asleep` (no worker runs; one is started for the next render), `starting` (no worker yet), `warming` (no
            worker is ready yet), `ready` (renders start at once if a worker is free), `lost` (all workers have ended,
            or their scheduler does not answer; the queue tries to connect again, and renders wait).
        workers: those connected now.
        queued: number of waiting renders.
        running: number of renders under way.
        finished: number of renders that workers have finished since the program started.
        problem: a sentence about what is wrong, or None.
    """

    state: QueueState
    workers: tuple[WorkerStatus, ...]
    queued: int
    running: int
    finished: int = 0
    problem: str | None = None


def worker_status(address: str, identity: Mapping[str, Any], busy: bool) -> WorkerStatus:
    """One worker, from Dask's description of it; its metrics contain the report of `worker_tasks.WarmUp`."""
    metrics = identity.get("metrics", {})
    report = metrics.get(METRIC, {})
    return WorkerStatus(
        address=address,
        pid=report.get("pid", 0),
        ready=report.get("ready", False),
        busy=busy,
        device=report.get("device", ""),
        versions=report.get("versions", {}),
        memory_bytes=int(metrics.get("memory", 0)),
        problem=report.get("problem"),
    )
