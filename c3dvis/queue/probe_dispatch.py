"""`ProbeDispatch`: sends questions about clips to workers, beside the renders, in the dispatcher's event loop.

A question takes a second or a few, and somebody waits for it. So it does not queue behind renders: a worker of this
program answers it while it renders, and a remote worker with one thread as its next task.
"""

import asyncio
import contextlib
import logging
import threading
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from c3dvis.errors import C3dvisError, QueueClosed, RenderFailed, WorkerLost
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue.probe_job import ProbeJob

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_PRIORITY = 1_000_000  # above that of renders, 0, however many of a visitor's questions go before

SendWeights = Callable[["Client", str, str], Awaitable[None]]
"""Sends a worker, by its address, the weights of a network."""


class ProbeDispatch:
    """The questions that wait or are being answered.

    Args:
        send_weights: of the dispatcher.
    """

    def __init__(self, send_weights: SendWeights) -> None:
        self._send_weights = send_weights
        self._waiting: deque[ProbeJob] = deque()
        self._tasks: dict[ProbeJob, asyncio.Task[None]] = {}
        self._priorities: dict[ProbeJob, int] = {}
        self._keys: dict[str, ProbeJob] = {}
        self._lock = threading.Lock()
        self._closed = False

    def add(self, job: ProbeJob) -> None:
        """Take a question; from any thread.

        Raises:
            QueueClosed: `close` was called.
        """
        with self._lock:
            if self._closed:
                raise QueueClosed("The render queue is closed and takes no more work. Start the program again.")
            self._waiting.append(job)

    @property
    def has_work(self) -> bool:
        """Whether a question waits or is being answered."""
        return bool(self._waiting or self._tasks)

    def unanswered(self, visitor: str) -> int:
        """How many questions of a visitor wait or are being answered; from any thread."""
        with self._lock:
            jobs = {*self._waiting, *self._tasks}
        return sum(job.visitor == visitor and not job.is_finished for job in jobs)

    def start(self, client: "Client") -> None:
        """Send what waits; called in the event loop.

        Visitors take turns: a worker takes the task of the highest priority, which is the lower, the more questions of
        the same visitor go before.
        """
        with self._lock:
            jobs = [job for job in self._waiting if not job.is_finished]
            self._waiting.clear()
            for job in jobs:
                before = [self._priorities[other] for other in self._tasks if other.visitor == job.visitor]
                self._priorities[job] = min(before, default=_PRIORITY + 1) - 1
                task = self._tasks[job] = asyncio.create_task(self._answer(client, job))
                task.add_done_callback(lambda _, job=job: self._ended(job))

    def _ended(self, job: ProbeJob) -> None:
        with self._lock:
            self._tasks.pop(job, None)
            self._priorities.pop(job, None)

    def stop(self, job: ProbeJob) -> None:
        """Cancel a question; called in the event loop."""
        if task := self._tasks.get(job):
            task.cancel()

    async def lost(self) -> None:
        """The connection ends: what is under way waits for the next one; called in the event loop."""
        tasks = dict(self._tasks)
        for task in tasks.values():
            task.cancel()
        if tasks:
            await asyncio.wait(tasks.values())
        with self._lock:
            self._waiting.extendleft(job for job in tasks if not job.is_finished)

    def close(self) -> None:
        """End all questions; from any thread, after the connection has ended."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
        for job in left:
            job.finish(None, QueueClosed("The program was closed before this probe was finished."))

    def on_event(self, message: Mapping[str, Any]) -> None:
        """Take a worker's report."""
        if job := self._keys.get(message["task"]):
            job.progress = message["done"], message["total"]

    async def _answer(self, client: "Client", job: ProbeJob) -> None:
        from distributed.scheduler import KilledWorker

        try:
            fingerprint = installed_weights.fingerprint(describe(job.request.network))
            reply = await self._submit(client, job, fingerprint)
            while reply.missing_weights:
                await self._send_weights(client, reply.worker, reply.missing_weights)
                reply = await self._submit(client, job, fingerprint)
            if reply.details:
                logger.error("A probe of %s failed.\n%s", job.request.network, reply.details)
            job.finish(reply.value, reply.error)
        except KilledWorker:
            job.finish(None, WorkerLost("The worker process ended during the probe: memory may have run out."))
        except C3dvisError as error:
            job.finish(None, error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.exception("A worker could not take a probe.")
            job.finish(None, RenderFailed(f"A worker could not take the probe ({type(error).__name__}: {error})."))

    async def _submit(self, client: "Client", job: ProbeJob, fingerprint: str) -> Any:
        from c3dvis.queue.probe_tasks import answer

        key = f"c3dvis-probe-{uuid.uuid4().hex}"
        self._keys[key] = job
        future = client.submit(answer, job.request, fingerprint, key=key, priority=self._priorities[job], pure=False)
        try:
            return await future
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):  # the connection may be the reason
                await future.cancel()  # type: ignore[misc]
            raise
        finally:
            future.release()
            del self._keys[key]
