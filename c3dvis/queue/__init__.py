"""`RenderQueue`: renders specs in worker processes, each key once, however many callers submit it.

The modules in the order in which a render passes through them: `render_queue` accepts specs, within the `limits` of
visitors, and keeps those that wait in a `fair_order`. `render_job` is the handle that the caller receives. `dispatcher`
sends jobs to free devices, several as one `batch`, and `watch` ends those that hang. `cluster` connects to the workers:
this machine's own (`own_workers`), or a remote Dask cluster. `worker_process` is the program of a worker on this
machine, `worker_tasks` is the code it runs, `weights_transfer` sends it weights, `preview_image` compresses the
previews that workers send, and `outbox` keeps results until they are stored. `probe_job`, `probe_dispatch` and
`probe_tasks` are the same way for a question about a real clip. `worker_errors` has the error messages,
`render_events` the log and the counters. `queue_status` describes the queue and its workers.

Importing it loads neither TensorFlow nor Dask.
"""

from c3dvis.queue.job_snapshot import JobSnapshot, JobState
from c3dvis.queue.limits import Requester
from c3dvis.queue.probe_job import ProbeJob
from c3dvis.queue.queue_status import QueueStatus, WorkerStatus
from c3dvis.queue.render_job import RenderJob, texture_motion_key
from c3dvis.queue.render_queue import RenderQueue

__all__ = [
    "JobSnapshot",
    "JobState",
    "ProbeJob",
    "QueueStatus",
    "RenderJob",
    "RenderQueue",
    "Requester",
    "WorkerStatus",
    "texture_motion_key",
]
