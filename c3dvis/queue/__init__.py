"""`RenderQueue`: renders specs in worker processes, each key once, however many callers submit it.

The modules in the order in which a render passes through them: `render_queue` accepts specs and orders those that wait,
`render_job` is the handle that the caller receives, `dispatcher` sends jobs to free devices, `cluster` connects to the
workers (this machine's own, or a remote Dask cluster), `worker_process` is the program of a worker on this machine,
`worker_tasks` is the code it runs, `preview_image` compresses the previews that workers send, and `outbox` keeps
results until they are stored. `probe_job`, `probe_dispatch` and `probe_tasks` are the same way for a question about a
real clip. `worker_errors` has the error messages. `queue_status` describes the queue and its
workers.

Importing it loads neither TensorFlow nor Dask.
"""

from c3dvis.queue.probe_job import ProbeJob
from c3dvis.queue.queue_status import QueueStatus, WorkerStatus
from c3dvis.queue.render_job import JobSnapshot, JobState, RenderJob, texture_motion_key
from c3dvis.queue.render_queue import RenderQueue

__all__ = [
    "JobSnapshot",
    "JobState",
    "ProbeJob",
    "QueueStatus",
    "RenderJob",
    "RenderQueue",
    "WorkerStatus",
    "texture_motion_key",
]
