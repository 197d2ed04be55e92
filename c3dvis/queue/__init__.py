"""`RenderQueue`: renders run in worker processes, once per key, however many people ask.

The room in the order in which a render passes through it: `render_queue` takes a spec and keeps its place, `job`
is what the caller holds meanwhile, `dispatcher` sends it off when a device is free, `cluster` connects to the
workers (this machine's own, or a Dask cluster elsewhere), `worker` is such a process, `task` is what it runs,
`preview` is how a forming clip travels back. `status` is what can be said of it all.

Importing it loads neither TensorFlow nor Dask. It knows nothing of pixels.
"""

from c3dvis.queue.queue_status import QueueStatus, WorkerStatus
from c3dvis.queue.render_job import JobSnapshot, JobState, RenderJob
from c3dvis.queue.render_queue import RenderQueue

__all__ = ["JobSnapshot", "JobState", "QueueStatus", "RenderJob", "RenderQueue", "WorkerStatus"]
