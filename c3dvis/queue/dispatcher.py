"""`Dispatcher`: the one thread that communicates with Dask; each batch is one coroutine in its event loop.

A batch is one render, or several filters of one layer. It is submitted to Dask only when a device is free. Dask could
hold the whole queue itself, but it assigns tasks to a busy worker ahead of time. If one of them kills the worker, Dask
counts this as a failure of all of them.
"""

import asyncio
import contextlib
import functools
import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from c3dvis.errors import C3dvisError, RenderFailed, WorkerLost
from c3dvis.maximize.schedule import batch_size
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import render_events
from c3dvis.queue.batch import Batch
from c3dvis.queue.outbox import Confirmations
from c3dvis.queue.probe_dispatch import ProbeDispatch
from c3dvis.queue.probe_job import ProbeJob
from c3dvis.queue.queue_status import DEVICE, METRIC
from c3dvis.queue.render_job import RenderJob
from c3dvis.queue.weights_transfer import send_weights
from c3dvis.queue.worker_errors import no_devices, render_refused, scheduler_unreachable, workers_killed
from c3dvis.server_settings import Workers
from c3dvis.spec import ALGORITHM_VERSION

if TYPE_CHECKING:
    from distributed import Client

    from c3dvis.queue.own_workers import OwnWorkers
    from c3dvis.queue.worker_tasks import RenderReply

logger = logging.getLogger(__name__)

_POLL = 0.5  # seconds between two queries of the workers
_LONGEST_PAUSE = 30.0  # seconds between attempts to reach a scheduler

NextJobs = Callable[[Collection[RenderJob]], list[RenderJob]]
Deliver = Callable[[RenderJob, "RenderReply"], bool]


class Dispatcher:
    """Sends jobs to workers and passes their reports and replies back. Starts at once, in a thread of its own.

    Args:
        scheduler: address of a Dask scheduler, or None for an own cluster.
        has_work: whether a job waits or is under way.
        next_jobs: returns the next job that is not among those given, then the jobs that may be rendered in one batch
            with it, in their order; nothing if none waits.
        deliver: takes the reply to a job, and returns whether the worker may delete the result; called from any
            thread, may block.
        settings: how the workers are run and watched.
        patient: allow batches on a CPU, where they take long.

    Attributes:
        workers: Dask's description of each worker, by address. Replaced as a whole, never changed.
        connected: whether the scheduler answers.
        asleep: the own workers are not started, since there is nothing to render.
        had_workers: whether there has been a worker at any time.
        problem: a sentence about what is wrong now, or None.
        probes: the questions about clips.
    """

    def __init__(
        self,
        scheduler: str | None,
        *,
        has_work: Callable[[], bool],
        next_jobs: NextJobs,
        deliver: Deliver,
        settings: Workers,
        patient: bool = False,
    ) -> None:
        self.workers: Mapping[str, Mapping[str, Any]] = {}
        self.connected = False
        self.asleep = False
        self.had_workers = False
        self.problem: str | None = None
        self.probes = ProbeDispatch(send_weights)
        self._scheduler = scheduler
        self._has_work = has_work
        self._next_jobs = next_jobs
        self._deliver = deliver
        self._patient = patient
        self._settings = settings
        self._busy = time.monotonic()  # when there was last something to render
        self._batches: dict[RenderJob, Batch] = {}
        self._submitted: dict[str, Batch] = {}  # by the key of the Dask task
        self._confirmations = Confirmations()
        self._wake = asyncio.Event()
        self._closing = False
        self._main_task: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="c3dvis-queue", daemon=True)
        self._thread.start()

    @property
    def assigned(self) -> tuple[RenderJob, ...]:
        """Jobs that are assigned to a device and whose results are not stored yet."""
        return tuple(self._batches)

    def wake(self) -> None:
        """Look for new jobs now; from any thread."""
        self._in_loop(self._wake.set)

    def stop(self, job: RenderJob) -> None:
        """Cancel the render of a job that is finished for its callers; from any thread.

        A batch continues for its other jobs.
        """
        self._in_loop(functools.partial(self._stop, job))

    def stop_probe(self, job: ProbeJob) -> None:
        """Cancel a question about a clip; from any thread."""
        self._in_loop(functools.partial(self.probes.stop, job))

    def _stop(self, job: RenderJob) -> None:
        batch = self._batches.get(job)
        if batch and batch.task and all(other.is_finished for other in batch.jobs):
            batch.task.cancel()

    def close(self) -> None:
        """Cancel all renders and end the workers of the own cluster; returns when that is done."""
        self._closing = True
        self._in_loop(lambda: self._main_task and self._main_task.cancel())
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=20)
        self.probes.close()

    def _in_loop(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it everything that the call could change
            self._loop.call_soon_threadsafe(function)

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, contextlib.suppress(asyncio.CancelledError):
            runner.run(self._main())

    async def _main(self) -> None:
        self._main_task = asyncio.current_task()
        pause = 0.5
        while not self._closing:
            try:
                from c3dvis.queue import cluster  # takes a second; the constructor's caller need not wait for it

                async with cluster.connect(self._scheduler, self._set_problem) as (client, own):
                    pause = 0.5
                    await self._serve(client, own)
            except Exception as error:
                if not threading.main_thread().is_alive():
                    return  # the interpreter is shutting down and can start nothing any more
                self._set_problem(scheduler_unreachable(self._scheduler, error))
                logger.warning("%s", self.problem, exc_info=not isinstance(error, OSError))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _start_or_stop(self, own: "OwnWorkers") -> None:
        """Start the own workers, in the profile `low` only when they are needed; stop them when they are not."""
        if self._batches or self._has_work() or self.probes.has_work:
            self._busy = time.monotonic()
        elif self._settings.profile == "low":
            idle_seconds = time.monotonic() - self._busy
            if not own.started or idle_seconds > 60 * self._settings.idle_minutes:
                self.asleep, self.had_workers = True, False
                await own.stop()
                return
        self.asleep = False
        await own.start()

    def _set_problem(self, problem: str) -> None:
        self.problem = problem

    async def _serve(self, client: "Client", own: "OwnWorkers | None") -> None:
        """Query the workers and assign jobs to them, until cancelled or the scheduler is lost."""
        from c3dvis.queue.watch import Watch
        from c3dvis.queue.worker_tasks import TOPIC, WarmUp

        client.subscribe_topic(TOPIC, self._on_event)
        await client.register_plugin(WarmUp())  # type: ignore[misc]  # awaitable, since the client is asynchronous
        self.connected, self.problem = True, None
        watch = Watch(client, own, self._settings)
        try:
            while client.status == "running":
                scheduler: Any = client.scheduler
                if own:
                    await self._start_or_stop(own)
                self._update_workers((await scheduler.identity(n_workers=-1))["workers"])
                if await watch.end_hung(set(self._batches.values()), self.workers):
                    continue
                self._assign(client)
                self.probes.start(client)
                self._confirmations.send(client, self.workers)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _POLL)
                self._wake.clear()
            raise ConnectionError("the scheduler closed the connection")
        finally:
            workers, self.connected, self.workers = self.workers, False, {}
            await self.probes.lost()
            tasks = {batch.task: batch for batch in self._batches.values() if batch.task}
            for task, batch in tasks.items():
                if self._closing and not batch.returning:  # finished results are still stored
                    task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            if client.status == "running":
                await self._confirmations.finish(client, workers)

    def _update_workers(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        self.workers = workers
        self.had_workers = self.had_workers or bool(workers)
        for job in self._batches:
            if job.worker and job.worker not in workers:
                job.lost_worker()
        if self._scheduler and not self._devices():
            self._set_problem(no_devices(self._scheduler))
        elif any(worker["metrics"].get(METRIC, {}).get("ready") for worker in workers.values()):
            self.problem = None

    def _devices(self) -> int:
        return sum(int(worker["resources"].get(DEVICE, 0)) for worker in self.workers.values())

    def _assign(self, client: "Client") -> None:
        devices = self._devices()
        # One returning batch per device does not count: more would be lost together if this process were killed.
        while not self._closing:
            batches = set(self._batches.values())
            if len(batches) - min(sum(batch.returning for batch in batches), devices) >= devices:
                return
            jobs = self._next_jobs(self._batches)
            if not jobs:
                return
            batch = Batch(jobs[: self._batch_size(jobs, devices)])
            self._batches.update(dict.fromkeys(batch.jobs, batch))
            batch.task = asyncio.create_task(self._run_batch(client, batch))
            batch.task.add_done_callback(functools.partial(self._remove_batch, batch))

    def _batch_size(self, jobs: Sequence[RenderJob], devices: int) -> int:
        """The number of jobs in the next batch: as many as every worker gains from, so few that no device is idle."""
        reports = [worker["metrics"].get(METRIC, {}) for worker in self.workers.values()]
        kinds = ("GPU", "CPU") if self._patient else ("GPU",)
        if len(jobs) == 1 or not all(report.get("kind") in kinds for report in reports):
            return 1
        spec = jobs[0].spec
        try:
            info = describe(spec.network)
        except C3dvisError:  # the network was removed; each render fails with that error
            return 1
        size = min(batch_size(spec, info, report["kind"], report["precision"]) for report in reports)
        share = math.ceil(len(jobs) / devices)
        while size > share:
            size //= 2
        return size

    def _remove_batch(self, batch: Batch, _: asyncio.Task[None]) -> None:
        for job in batch.jobs:
            del self._batches[job]
        self._wake.set()

    async def _run_batch(self, client: "Client", batch: Batch) -> None:
        """Send a batch to a worker and deliver its replies; a worker that lacks the weights gets them first."""
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        from c3dvis.queue.worker_tasks import RenderReply

        jobs = batch.jobs
        try:
            replies = await self._submit(client, batch)
            while (network := replies[0].missing_weights) and not all(job.is_finished for job in jobs):
                batch.returning = False
                await send_weights(client, replies[0].worker, network)
                replies = await self._submit(client, batch)
        except asyncio.CancelledError:
            if batch.given_up is None:
                raise
            replies = [RenderReply(error=batch.given_up, unexpected=True)] * len(jobs)
        except FutureCancelledError:  # the scheduler is lost
            for job in jobs:
                job.requeued()
            return
        except KilledWorker:
            replies = [RenderReply(error=WorkerLost(workers_killed(job.spec)), unexpected=True) for job in jobs]
        except C3dvisError as error:
            replies = [RenderReply(error=error)] * len(jobs)
        except Exception as error:
            logger.exception("A worker could not take a render.")
            replies = [RenderReply(error=RenderFailed(render_refused(error)))] * len(jobs)
        for job, reply in zip(jobs, replies, strict=True):
            is_stored = True
            if reply.unexpected and len(jobs) > 1:  # caused by one of them, or by the size of the batch
                job.requeued(alone=True)
            elif not job.is_finished:
                is_stored = await asyncio.to_thread(self._deliver, job, reply)
            if reply.blob is not None and is_stored and job.source is None:
                self._confirmations.add(reply.worker, job.key)

    async def _submit(self, client: "Client", batch: Batch) -> "list[RenderReply]":
        """Run a batch as one Dask task; a task that is cancelled here is cancelled on its worker too."""
        from c3dvis.queue.worker_tasks import render, take_apart

        key = f"c3dvis-{uuid.uuid4().hex}"  # used once: with a known key Dask would return the cancelled task
        self._submitted[key] = batch
        batch.key, batch.submitted = key, time.monotonic()
        specs = [job.spec for job in batch.jobs]
        fingerprint = installed_weights.fingerprint(describe(specs[0].network))
        texts = [spec.to_json() for spec in specs]
        source, start_clip = batch.jobs[0].source, batch.jobs[0].start_clip
        task, what = (render, texts) if source is None else (take_apart, source)
        start = [] if start_clip is None else [start_clip]
        future = client.submit(
            task, what, ALGORITHM_VERSION, fingerprint, *start, key=key, resources={DEVICE: 1}, pure=False
        )
        try:
            await future.exception()  # type: ignore[misc]  # the task has ended; its value is not here yet
            batch.returning = True
            self._assign(client)  # the device gets its next batch before the value is fetched
            return await future
        except asyncio.CancelledError:
            await future.cancel()  # type: ignore[misc]
            raise
        finally:
            future.release()
            del self._submitted[key]

    def _on_event(self, event: tuple[float, Mapping[str, Any]]) -> None:
        message = event[1]
        if message["kind"] == "probe":
            self.probes.on_event(message)
        elif batch := self._submitted.get(message["task"]):
            if message["kind"] == "started":
                for job in batch.jobs:
                    job.started(message["worker"], len(batch.jobs))
                    render_events.started(job)
            else:
                batch.jobs[message["index"]].progressed(message)
