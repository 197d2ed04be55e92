"""`Batch`: the jobs that one Dask task renders."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from c3dvis.errors import C3dvisError
from c3dvis.queue.render_job import RenderJob


@dataclass(eq=False)
class Batch:
    """Jobs that one Dask task renders, from their assignment until their results are stored.

    Attributes:
        jobs: one, or several of one family.
        task: the coroutine that sends the batch and receives the replies.
        key: of the Dask task; empty until it is submitted.
        submitted: monotonic seconds when it was submitted, or when there was a worker for it, if that was later.
        returning: the worker has finished; the replies are on their way.
        given_up: why the watch has ended it, or None.
    """

    jobs: Sequence[RenderJob]
    task: asyncio.Task[None] | None = None
    key: str = ""
    submitted: float = 0.0
    returning: bool = False
    given_up: C3dvisError | None = None
