"""What happens to renders, for the operator: a log line with the render's key, and the counters of `/metrics`."""

import logging
import time

from prometheus_client import Counter, Histogram

from c3dvis.errors import LimitReached
from c3dvis.queue.render_job import RenderJob

logger = logging.getLogger(__name__)

_SECONDS = (0.5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280)

_queued = Counter("c3dvis_renders_queued", "Renders that were put into the queue")
_finished = Counter("c3dvis_renders_finished", "Renders that have ended", ["outcome"])
_refused = Counter("c3dvis_renders_refused", "Renders that a limit refused", ["limit"])
_wait = Histogram("c3dvis_render_wait_seconds", "Seconds from queueing to the start of a render", buckets=_SECONDS)
_duration = Histogram("c3dvis_render_seconds", "Seconds that finished renders took", buckets=_SECONDS)

for _outcome in ("done", "failed", "cancelled"):  # so that each is there from the start, as 0
    _finished.labels(_outcome)


def queued(job: RenderJob) -> None:
    """A job waits for a worker."""
    _queued.inc()
    logger.info("Render queued: %s", job.spec.title, extra={"render": job.key, "visitor": job.visitors[0]})


def refused(error: LimitReached, visitor: str) -> None:
    """A limit refused a render, or a question about a clip."""
    _refused.labels(error.limit).inc()
    logger.info("Refused: %s", error, extra={"limit": error.limit, "visitor": visitor})


def started(job: RenderJob) -> None:
    """A worker has started a job."""
    waited = time.monotonic() - job.created
    _wait.observe(waited)
    extra = {"render": job.key, "worker": job.worker, "waited_seconds": round(waited, 3)}
    logger.info("Render started: %s", job.spec.title, extra=extra)


def finished(job: RenderJob) -> None:
    """A job that was queued is done, failed or cancelled."""
    snapshot = job.snapshot()
    _finished.labels(job.state).inc()
    if job.state == "done":
        _duration.observe(snapshot.seconds)
    extra = {"render": job.key, "outcome": job.state, "seconds": round(snapshot.seconds, 3)}
    if job.state == "failed":
        logger.warning("Render failed: %s. %s", job.spec.title, job.error, extra=extra)
    else:
        logger.info("Render %s: %s", job.state, job.spec.title, extra=extra)
