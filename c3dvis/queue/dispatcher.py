"""`Dispatcher`: the one thread that talks to Dask, with an event loop in which every run is one coroutine.

A run is one render, or a batch of one layer's filters. It goes to Dask only when a device is free for it. Dask could
hold the whole queue itself, but it hands tasks to a busy worker ahead of time, and when one kills that worker it blames
all of them.
"""

import asyncio
import contextlib
import functools
import logging
import math
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from c3dvis.errors import C3dvisError, RenderFailed, WeightsMissing, WorkerLost
from c3dvis.maximize.schedule import batch_size
from c3dvis.networks.registry import NetworkInfo, describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue.outbox import Receipts
from c3dvis.queue.queue_status import DEVICE, METRIC
from c3dvis.queue.render_job import RenderJob
from c3dvis.queue.worker_errors import killed, refused, unreachable, without_devices
from c3dvis.spec import ALGORITHM_VERSION

if TYPE_CHECKING:
    from distributed import Client

    from c3dvis.queue.worker_tasks import Outcome

logger = logging.getLogger(__name__)

_LOOK_EVERY = 0.5  # seconds between looks at the workers
_LONGEST_PAUSE = 30.0  # seconds between attempts to reach a scheduler

NextJobs = Callable[[Collection[RenderJob]], list[RenderJob]]
Deliver = Callable[[RenderJob, "Outcome"], bool]


@dataclass(eq=False)
class _Run:
    """Jobs that are with a worker together, or on their way there or back.

    Attributes:
        jobs: the renders; one, or some of one family.
        task: the coroutine that sees to it.
        returning: no device works on it any more.
    """

    jobs: Sequence[RenderJob]
    task: asyncio.Task[None] | None = None
    returning: bool = False


class Dispatcher:
    """Sends jobs to workers and their reports and outcomes back. Starts at once, in a thread of its own.

    Args:
        scheduler: address of a Dask scheduler, or None for a cluster of our own.
        next_jobs: the job to run next that is not among those given, and after it those that may go in one batch with
            it, in their order; nothing if none waits.
        patient: batches may take as long as they do on a CPU.
        deliver: takes a job's outcome, and says whether the worker may let go of it; called from some thread, may
            block.

    Attributes:
        workers: what the scheduler says of each worker, by address. Replaced as a whole, never changed.
        connected: whether the scheduler answers.
        had_workers: whether there ever was a worker.
        problem: a sentence on what is wrong now, or None.
    """

    def __init__(self, scheduler: str | None, *, next_jobs: NextJobs, deliver: Deliver, patient: bool = False) -> None:
        self.workers: Mapping[str, Mapping[str, Any]] = {}
        self.connected = False
        self.had_workers = False
        self.problem: str | None = None
        self._scheduler = scheduler
        self._next_jobs = next_jobs
        self._deliver = deliver
        self._patient = patient
        self._runs: dict[RenderJob, _Run] = {}
        self._keys: dict[str, _Run] = {}  # by Dask's key
        self._receipts = Receipts()
        self._wake = asyncio.Event()
        self._closing = False
        self._main_task: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="c3dvis-queue", daemon=True)
        self._thread.start()

    @property
    def taken(self) -> tuple[RenderJob, ...]:
        """Jobs that are with a worker, or on their way there or back."""
        return tuple(self._runs)

    def wake(self) -> None:
        """There may be something to do; from any thread."""
        self._in_loop(self._wake.set)

    def stop(self, job: RenderJob) -> None:
        """Take a job that is finished for its callers away from its worker; from any thread.

        A batch goes on for the others that are in it.
        """
        self._in_loop(functools.partial(self._stop, job))

    def _stop(self, job: RenderJob) -> None:
        run = self._runs.get(job)
        if run and run.task and all(other.is_finished for other in run.jobs):
            run.task.cancel()

    def close(self) -> None:
        """Take all jobs from the workers, and end those of our own; returns when that is done."""
        self._closing = True
        self._in_loop(lambda: self._main_task and self._main_task.cancel())
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=20)

    def _in_loop(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to be told
            self._loop.call_soon_threadsafe(function)

    def _run_loop(self) -> None:
        with (
            asyncio.Runner(loop_factory=lambda: self._loop) as runner,
            contextlib.suppress(asyncio.CancelledError),
        ):
            runner.run(self._main())

    async def _main(self) -> None:
        self._main_task = asyncio.current_task()
        pause = 0.5
        while not self._closing:
            try:
                from c3dvis.queue import cluster  # a second of imports, spared to the constructor's caller

                async with cluster.connect(self._scheduler, self._note) as client:
                    pause = 0.5
                    await self._serve(client)
            except Exception as error:
                if not threading.main_thread().is_alive():
                    return  # the interpreter is ending, and nothing can be started any more
                self._note(unreachable(self._scheduler, error))
                logger.warning("%s", self.problem, exc_info=not isinstance(error, OSError))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _note(self, problem: str) -> None:
        self.problem = problem

    async def _serve(self, client: "Client") -> None:
        """Look at the workers and give them jobs, until cancelled or the scheduler is lost."""
        from c3dvis.queue.worker_tasks import TOPIC, WarmUp

        client.subscribe_topic(TOPIC, self._on_event)
        await client.register_plugin(WarmUp())  # type: ignore[misc]  # an asynchronous client's is awaitable
        self.connected, self.problem = True, None
        try:
            while client.status == "running":
                scheduler: Any = client.scheduler
                self._see((await scheduler.identity(n_workers=-1))["workers"])
                self._give_out(client)
                self._receipts.send(client, self.workers)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY)
                self._wake.clear()
            raise ConnectionError("the scheduler closed the connection")
        finally:
            workers, self.connected, self.workers = self.workers, False, {}
            tasks = {run.task: run for run in self._runs.values() if run.task}
            for task, run in tasks.items():
                if self._closing and not run.returning:  # what is done is worth the moment that storing it takes
                    task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            if client.status == "running":
                await self._receipts.finish(client, workers)

    def _see(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        self.workers = workers
        self.had_workers = self.had_workers or bool(workers)
        for job in self._runs:
            if job.worker and job.worker not in workers:
                job.lost_worker()
        if self._scheduler and not self._devices():
            self._note(without_devices(self._scheduler))
        elif any(worker["metrics"].get(METRIC, {}).get("ready") for worker in workers.values()):
            self.problem = None

    def _devices(self) -> int:
        return sum(int(worker["resources"].get(DEVICE, 0)) for worker in self.workers.values())

    def _give_out(self, client: "Client") -> None:
        devices = self._devices()
        # One run per device may be on its way back; more would be lost together if this process were killed.
        while not self._closing:
            runs = set(self._runs.values())
            if len(runs) - min(sum(run.returning for run in runs), devices) >= devices:
                return
            jobs = self._next_jobs(self._runs)
            if not jobs:
                return
            run = _Run(jobs[: self._together(jobs, devices)])
            self._runs.update(dict.fromkeys(run.jobs, run))
            run.task = asyncio.create_task(self._see_to(client, run))
            run.task.add_done_callback(functools.partial(self._run_over, run))

    def _together(self, jobs: Sequence[RenderJob], devices: int) -> int:
        """How many of the jobs that may go in one batch are to: as many as pay on any worker, and no device is idle."""
        reports = [worker["metrics"].get(METRIC, {}) for worker in self.workers.values()]
        kinds = ("GPU", "CPU") if self._patient else ("GPU",)
        if len(jobs) == 1 or not all(report.get("kind") in kinds for report in reports):
            return 1
        spec = jobs[0].spec
        try:
            info = describe(spec.network)
        except C3dvisError:  # the network is gone; each render fails with that sentence
            return 1
        pays = min(batch_size(spec, info, report["kind"], report["precision"]) for report in reports)
        share = math.ceil(len(jobs) / devices)
        while pays > share:
            pays //= 2
        return pays

    def _run_over(self, run: _Run, _: asyncio.Task[None]) -> None:
        for job in run.jobs:
            del self._runs[job]
        self._wake.set()

    async def _see_to(self, client: "Client", run: _Run) -> None:
        """One run from here to the worker and back; again, once a worker that lacks the weights has them."""
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        from c3dvis.queue.worker_tasks import Outcome

        jobs = run.jobs
        try:
            outcomes = await self._run_once(client, run)
            while (wants := outcomes[0].wants) and not all(job.is_finished for job in jobs):
                run.returning = False
                await self._provide(client, outcomes[0].worker, wants)
                outcomes = await self._run_once(client, run)
        except FutureCancelledError:  # the scheduler is lost
            for job in jobs:
                job.requeued()
            return
        except KilledWorker:
            outcomes = [Outcome(error=WorkerLost(killed(job.spec)), unexpected=True) for job in jobs]
        except C3dvisError as error:
            outcomes = [Outcome(error=error)] * len(jobs)
        except Exception as error:
            logger.exception("A worker could not take a render.")
            outcomes = [Outcome(error=RenderFailed(refused(error)))] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            is_held = True
            if outcome.unexpected and len(jobs) > 1:  # by one of them, or by their being many
                job.requeued(alone=True)
            elif not job.is_finished:
                is_held = await asyncio.to_thread(self._deliver, job, outcome)
            if outcome.blob is not None and is_held:
                self._receipts.add(outcome.worker, job.key)

    async def _run_once(self, client: "Client", run: _Run) -> "list[Outcome]":
        from c3dvis.queue.worker_tasks import render

        key = f"c3dvis-{uuid.uuid4().hex}"  # none of Dask's twice: it would hand a cancelled run to the next
        self._keys[key] = run
        specs = [job.spec for job in run.jobs]
        fingerprint = installed_weights.fingerprint(describe(specs[0].network))
        texts = [spec.to_json() for spec in specs]
        future = client.submit(
            render, texts, ALGORITHM_VERSION, fingerprint, key=key, resources={DEVICE: 1}, pure=False
        )
        try:
            await future.exception()  # type: ignore[misc]  # it has ended; what it returned is not here yet
            run.returning = True
            self._give_out(client)  # before that, its device gets the next one
            return await future
        except asyncio.CancelledError:
            await future.cancel()  # type: ignore[misc]
            raise
        finally:
            future.release()
            del self._keys[key]

    async def _provide(self, client: "Client", worker: str, network: str) -> None:
        """Send a worker the weights that it lacks.

        Raises:
            WeightsMissing, WeightsDamaged: this machine has none to send, or they changed on their way.
            FetchFailed: the worker cannot keep them.
        """
        from c3dvis.queue.worker_tasks import receive_weights

        info = describe(network)
        data = await asyncio.to_thread(weights_bytes, info)
        logger.warning("The worker at %s gets the weights of %s (%d MB).", worker, network, len(data) >> 20)
        try:
            said: Any = await client.run(receive_weights, network, data, workers=[worker])  # type: ignore[misc]
        except OSError as error:  # it is gone; the render goes to another
            logger.warning("The worker at %s was lost while it got weights: %s", worker, error)
            return
        for error in said.values():
            if error is not None:
                raise error

    def _on_event(self, event: tuple[float, Mapping[str, Any]]) -> None:
        message = event[1]
        if run := self._keys.get(message["run"]):
            if message["kind"] == "started":
                for job in run.jobs:
                    job.started(message["worker"], len(run.jobs))
            else:
                run.jobs[message["index"]].progressed(message)


def weights_bytes(info: NetworkInfo) -> bytes:
    """The weights file of this machine.

    Raises:
        WeightsMissing: it cannot be read.
    """
    try:
        return info.weights_path.read_bytes()
    except OSError as error:
        raise WeightsMissing(
            f"A worker lacks the weights of {info.name}, and this machine cannot send them: expected a readable "
            f"{info.weights_path} ({error.strerror or error}). Install them on either machine."
        ) from None
