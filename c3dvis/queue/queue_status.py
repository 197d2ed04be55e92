"""What can be said of the queue and its workers at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DEVICE = "device"
"""Name of the Dask resource that a run takes: a worker has one, so it has one run at a time."""

METRIC = "c3dvis"
"""Name under which a worker's report on itself stands among the metrics that Dask's scheduler has of it."""

QueueState = Literal["starting", "warming", "ready", "lost"]


@dataclass(frozen=True)
class WorkerStatus:
    """One worker process.

    Attributes:
        address: where it listens.
        pid: its process on its own machine; 0 until it has reported.
        ready: it has loaded TensorFlow and the default network; a render sent earlier waits for that.
        busy: it is on one of this queue's renders.
        device: what it renders on, one line; empty until it is ready.
        versions: of Python, TensorFlow and what else decides the numbers; empty until it is ready.
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
        state: `starting` (no worker yet), `warming` (none is ready yet), `ready` (renders start at once if a
            worker is free), `lost` (there were workers and there are none now, or their scheduler does not
            answer; the queue goes on trying, and renders wait).
        workers: those connected now.
        queued: number of renders waiting.
        running: number of renders under way.
        problem: a sentence on what is wrong, if something is.
    """

    state: QueueState
    workers: tuple[WorkerStatus, ...]
    queued: int
    running: int
    problem: str | None = None


def worker_status(address: str, identity: Mapping[str, Any], busy: bool) -> WorkerStatus:
    """One worker, from what Dask's scheduler says of it, which holds what it reports itself (`task.WarmUp`)."""
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
