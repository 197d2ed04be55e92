"""`RenderQueue`: renders specs in worker processes, each key once, however many callers submit it.

The modules in the order in which a render passes through them: `render_queue` accepts a spec and orders the waiting
ones, `render_job` is what the caller gets, `dispatcher` sends jobs to free devices, `cluster` connects to the workers
(this machine's own, or a remote Dask cluster), `worker_process` is such a process, `worker_tasks` is the code it runs,
`preview_image` compresses unfinished clips on their way back, and `outbox` keeps results until the store has them.
`queue_status` describes the queue and its workers, `worker_errors` words what goes wrong with them.

Importing it loads neither TensorFlow nor Dask.
"""

from c3dvis.queue.queue_status import QueueStatus, WorkerStatus
from c3dvis.queue.render_job import JobSnapshot, JobState, RenderJob
from c3dvis.queue.render_queue import RenderQueue

__all__ = ["JobSnapshot", "JobState", "QueueStatus", "RenderJob", "RenderQueue", "WorkerStatus"]
