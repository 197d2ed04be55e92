"""Ends renders that hang or need too much memory, and workers that do not answer.

A step takes seconds at most, so a render that makes none for a minute has hung. Three times it is silent for longer: it
loads and compiles the network before the first step, compiles it once more at full size, and measures the result after
the last step. Large clips get more time, in proportion to the multiplications of a step.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from distributed.system import MEMORY_LIMIT

from c3dvis.errors import C3dvisError, RenderFailed, WorkerLost
from c3dvis.maximize.schedule import total_work
from c3dvis.networks.registry import describe
from c3dvis.queue.batch import Batch
from c3dvis.queue.queue_status import METRIC
from c3dvis.queue.render_job import RenderJob
from c3dvis.queue.worker_errors import render_hangs, too_much_memory, worker_silent
from c3dvis.server_settings import Workers

if TYPE_CHECKING:
    from distributed import Client

    from c3dvis.queue.own_workers import OwnWorkers

logger = logging.getLogger(__name__)

Descriptions = Mapping[str, Mapping[str, Any]]

_END_TIMEOUT = 3.0  # seconds to wait for the end of a worker

_SECONDS_PER_MULTIPLICATION = 1.2e-9
"""A hundred times as long as two cores of a server's processor take for a step (`render_estimate.TWO_CORES`), since a
report comes every eight steps and machines differ."""

_SHARE_OF_MACHINE = 0.9
"""Of the machine's memory that a worker may fill; beyond it, the system would end some process, perhaps another."""


class Watch:
    """Watches the renders of one queue, and the workers.

    Args:
        client: of their scheduler.
        own: this machine's workers; None if they are another cluster's. Those end themselves when they are told to, and
            whatever started them there starts others.
        settings: how long is too long, and how much memory is too much.
    """

    def __init__(self, client: "Client", own: "OwnWorkers | None", settings: Workers) -> None:
        self._client = client
        self._own = own
        self._settings = settings
        self._memory_limit = min(settings.memory_gb * 1e9, _SHARE_OF_MACHINE * MEMORY_LIMIT)
        self._heartbeats: dict[str, tuple[float, float]] = {}  # by worker: time of the latest, and when we saw it first

    async def end_hung(self, batches: Collection[Batch], workers: Descriptions) -> bool:
        """Give up batches that hang or need too much memory, with their workers, and end workers that do not answer.

        Args:
            batches: that are under way.
            workers: Dask's description of each, by address.

        Returns:
            Whether a worker was ended; the scheduler then knows that it is gone.
        """
        self._note_heartbeats(workers)
        ended: set[str] = set()
        for batch in batches:
            job = next((job for job in batch.jobs if not job.is_finished), None)
            if not job or not batch.task or not batch.key or batch.returning:
                continue
            if worker := job.worker:
                batch.given_up = self._verdict(job, workers.get(worker, {}))
                if batch.given_up:
                    logger.warning("%s", batch.given_up)
                    batch.task.cancel()
                    ended.add(worker)
            elif not workers:
                batch.submitted = time.monotonic()  # it waits for a worker that is being started
            elif self._own and self._is_blocked(job, batch):
                batch.submitted = time.monotonic()
                ended |= await self._workers_of(batch)
        if self._own:
            ended |= {worker for worker in workers if self._is_silent(worker)}
        for worker in ended:
            logger.warning("The worker at %s is replaced.", worker)
            await self._end(worker, workers)
        return bool(ended)

    def _note_heartbeats(self, workers: Descriptions) -> None:
        now = time.monotonic()  # the scheduler's own times follow the clock, which may be set
        seen = {address: float(worker["last_seen"]) for address, worker in workers.items()}
        before = self._heartbeats
        self._heartbeats = {
            address: before[address] if address in before and before[address][0] == latest else (latest, now)
            for address, latest in seen.items()
        }

    def _is_silent(self, worker: str) -> bool:
        """Whether a connected worker sends no heartbeats any more, as a stopped process does not."""
        _, since = self._heartbeats.get(worker, (0.0, time.monotonic()))
        return time.monotonic() - since > self._settings.step_seconds

    def _verdict(self, job: RenderJob, worker: Mapping[str, Any]) -> C3dvisError | None:
        """Why a running render is given up, or None."""
        memory = self._own.memory(_pid(worker)) if self._own else 0
        if memory > self._memory_limit:
            return RenderFailed(too_much_memory(job.spec, memory, self._memory_limit))
        if self._is_silent(job.worker):
            return WorkerLost(worker_silent(job.spec, self._settings.step_seconds))
        limit = self._settings.step_seconds if job.steps_evenly else self._settings.first_step_seconds
        seconds = job.silent_seconds
        if seconds <= limit + _slack(job):
            return None
        snapshot = job.snapshot()
        return WorkerLost(render_hangs(job.spec, seconds, snapshot.step, snapshot.steps))

    def _is_blocked(self, job: RenderJob, batch: Batch) -> bool:
        """Whether a worker should have started a job long ago: it does not end an earlier, cancelled render."""
        return time.monotonic() - batch.submitted > self._settings.first_step_seconds + _slack(job)

    async def _workers_of(self, batch: Batch) -> set[str]:
        """The workers to which Dask has given a batch."""
        processing: Any = await self._client.processing()  # type: ignore[misc]
        return {worker for worker, keys in processing.items() if batch.key in keys}

    async def _end(self, worker: str, workers: Descriptions) -> None:
        """End a worker process, and wait until the scheduler knows, at most a few seconds."""
        from c3dvis.queue.worker_tasks import end_process

        if self._own:
            self._own.kill(_pid(workers.get(worker, {})))
        else:
            with contextlib.suppress(OSError, TimeoutError):
                call: Any = self._client.run(end_process, workers=[worker], on_error="ignore")
                await asyncio.wait_for(call, _END_TIMEOUT)
        scheduler: Any = self._client.scheduler
        deadline = time.monotonic() + _END_TIMEOUT
        while worker in (await scheduler.identity(n_workers=-1))["workers"] and time.monotonic() < deadline:
            await asyncio.sleep(0.05)


def _pid(worker: Mapping[str, Any]) -> int:
    """Process id of a worker on its machine; 0 if it has not reported it."""
    return worker.get("metrics", {}).get(METRIC, {}).get("pid", 0)


def _slack(job: RenderJob) -> float:
    """Seconds that a large render may be silent for longer than the settings say."""
    try:
        a_step = total_work(job.spec, describe(job.spec.network)) / max(1, job.spec.iterations)
    except C3dvisError:  # the network was removed; the render fails with that error
        return 0.0
    return a_step * job.batch_size * _SECONDS_PER_MULTIPLICATION
