"""`Dispatcher`: the one thread that talks to Dask, with an event loop in which every render is one coroutine.

A render goes to Dask only when a device is free for it. Dask could hold the whole queue itself, but it hands
tasks to a busy worker ahead of time, and when one kills that worker it blames all of them.
"""

import asyncio
import contextlib
import functools
import logging
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from c3dvis.errors import C3dvisError, RenderFailed, WeightsMissing, WorkerLost
from c3dvis.networks.registry import NetworkInfo, describe
from c3dvis.queue.job import RenderJob
from c3dvis.queue.status import DEVICE, METRIC
from c3dvis.spec import ALGORITHM_VERSION

if TYPE_CHECKING:
    from distributed import Client

    from c3dvis.queue.task import Outcome

logger = logging.getLogger(__name__)

_LOOK_EVERY = 0.5  # seconds between looks at the workers
_LONGEST_PAUSE = 30.0  # seconds between attempts to reach a scheduler

NextJob = Callable[[Collection[RenderJob]], RenderJob | None]
Deliver = Callable[[RenderJob, "Outcome"], None]


class Dispatcher:
    """Sends jobs to workers and their reports and outcomes back. Starts at once, in a thread of its own.

    Args:
        scheduler: address of a Dask scheduler, or None for a cluster of our own.
        next_job: the job to run next that is not among those given.
        deliver: takes a job's outcome; called from some thread, may block.

    Attributes:
        workers: what the scheduler says of each worker, by address. Replaced as a whole, never changed.
        connected: whether the scheduler answers.
        had_workers: whether there ever was a worker.
        problem: a sentence on what is wrong now, or None.
    """

    def __init__(self, scheduler: str | None, *, next_job: NextJob, deliver: Deliver) -> None:
        self.workers: Mapping[str, Mapping[str, Any]] = {}
        self.connected = False
        self.had_workers = False
        self.problem: str | None = None
        self._scheduler = scheduler
        self._next_job = next_job
        self._deliver = deliver
        self._runs: dict[str, RenderJob] = {}  # Dask's key of a run -> its job
        self._tasks: dict[RenderJob, asyncio.Task[None]] = {}
        self._returning: set[RenderJob] = set()  # of those, the ones that no device works on any more
        self._wake = asyncio.Event()
        self._closing = False
        self._main_task: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="c3dvis-queue", daemon=True)
        self._thread.start()

    @property
    def taken(self) -> tuple[RenderJob, ...]:
        """Jobs that are with a worker, or on their way there or back."""
        return tuple(self._tasks)

    def wake(self) -> None:
        """There may be something to do; from any thread."""
        self._in_loop(self._wake.set)

    def stop(self, job: RenderJob) -> None:
        """Take a job that is finished for its callers away from its worker; from any thread."""
        self._in_loop(lambda: job in self._tasks and self._tasks[job].cancel())

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
                self._note(self._unreachable(error))
                logger.warning("%s", self.problem, exc_info=not isinstance(error, OSError))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _note(self, problem: str) -> None:
        self.problem = problem

    def _unreachable(self, error: Exception) -> str:
        reason = f"{type(error).__name__}: {error}"
        if self._scheduler is None:
            return f"This machine's workers could not be started ({reason}). It is tried again; renders wait."
        return (
            f"The Dask scheduler at {self._scheduler} cannot be used ({reason}). It is tried again, and renders "
            "wait; check that it runs, that C3DVIS_SCHEDULER is its address and that its workers have c3dvis."
        )

    async def _serve(self, client: "Client") -> None:
        """Look at the workers and give them jobs, until cancelled or the scheduler is lost."""
        from c3dvis.queue.task import TOPIC, WarmUp

        client.subscribe_topic(TOPIC, self._on_event)
        await client.register_plugin(WarmUp())  # type: ignore[misc]  # an asynchronous client's is awaitable
        self.connected, self.problem = True, None
        try:
            while client.status == "running":
                scheduler: Any = client.scheduler
                self._see((await scheduler.identity(n_workers=-1))["workers"])
                self._give_out(client)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY)
                self._wake.clear()
            raise ConnectionError("the scheduler closed the connection")
        finally:
            self.connected, self.workers = False, {}
            if self._closing:
                for task in self._tasks.values():
                    task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks.values())

    def _see(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        self.workers = workers
        self.had_workers = self.had_workers or bool(workers)
        for job in self._tasks:
            if job.worker and job.worker not in workers:
                job.lost_worker()
        if self._scheduler and not self._devices():
            self._note(
                f"The Dask scheduler at {self._scheduler} has no worker with a device. Start one: "
                f"dask worker {self._scheduler} --nthreads 1 --memory-limit 0 --resources {DEVICE}=1"
            )
        elif any(worker["metrics"].get(METRIC, {}).get("ready") for worker in workers.values()):
            self.problem = None

    def _devices(self) -> int:
        return sum(int(worker["resources"].get(DEVICE, 0)) for worker in self.workers.values())

    def _give_out(self, client: "Client") -> None:
        devices = self._devices()
        # One result per device may be on its way back; more would be lost together if this process were killed.
        while len(self._tasks) - min(len(self._returning), devices) < devices:
            job = self._next_job(self._tasks)
            if job is None:
                return
            task = self._tasks[job] = asyncio.create_task(self._run(client, job))
            task.add_done_callback(functools.partial(self._run_over, job))

    def _run_over(self, job: RenderJob, _: asyncio.Task[None]) -> None:
        del self._tasks[job]
        self._returning.discard(job)
        self._wake.set()

    async def _run(self, client: "Client", job: RenderJob) -> None:
        """One job from here to the worker and back; again, once a worker that lacks the weights has them."""
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        from c3dvis.queue.task import Outcome

        try:
            outcome = await self._run_once(client, job)
            while outcome.wants and not job.is_finished:
                await self._provide(client, outcome.worker, outcome.wants)
                self._returning.discard(job)
                outcome = await self._run_once(client, job)
        except FutureCancelledError:  # the scheduler is lost
            job.requeued()
        except KilledWorker:
            await self._hand_over(job, Outcome(error=WorkerLost(_killed(job))))
        except C3dvisError as error:
            await self._hand_over(job, Outcome(error=error))
        except Exception as error:
            logger.exception("A worker could not take a render.")
            await self._hand_over(job, Outcome(error=RenderFailed(_refused(error))))
        else:
            await self._hand_over(job, outcome)

    async def _run_once(self, client: "Client", job: RenderJob) -> "Outcome":
        from c3dvis.queue.task import render

        run = f"c3dvis-{uuid.uuid4().hex}"  # no key of Dask's twice: it would hand a cancelled run to the next
        self._runs[run] = job
        fingerprint = describe(job.spec.network).fingerprint()
        future = client.submit(
            render, job.spec.to_json(), ALGORITHM_VERSION, fingerprint, key=run, resources={DEVICE: 1}, pure=False
        )
        try:
            await future.exception()  # type: ignore[misc]  # it has ended; what it returned is not here yet
            self._returning.add(job)
            self._give_out(client)  # before that, its device gets the next one
            return await future
        except asyncio.CancelledError:
            await future.cancel()  # type: ignore[misc]
            raise
        finally:
            future.release()
            del self._runs[run]

    async def _provide(self, client: "Client", worker: str, network: str) -> None:
        """Send a worker the weights that it lacks.

        Raises:
            WeightsMissing, WeightsDamaged: this machine has none to send, or they changed on their way.
            FetchFailed: the worker cannot keep them.
        """
        from c3dvis.queue.task import receive_weights

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

    async def _hand_over(self, job: RenderJob, outcome: "Outcome") -> None:
        await asyncio.to_thread(self._deliver, job, outcome)

    def _on_event(self, event: tuple[float, Mapping[str, Any]]) -> None:
        message = event[1]
        if job := self._runs.get(message["run"]):
            if message["kind"] == "started":
                job.started(message["worker"])
            else:
                job.progressed(message)


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


def _killed(job: RenderJob) -> str:
    spec = job.spec
    return (
        f"The worker process ended twice while rendering {spec.title} at {spec.frames} × {spec.height} × "
        f"{spec.width}, so the render was given up; most often memory ran out. Make frames, height or width "
        "smaller, and see the program's log for how the process ended."
    )


def _refused(error: Exception) -> str:
    return (
        f"The worker could not take the render ({type(error).__name__}: {error}). A worker needs the same "
        "c3dvis as the program that asks; the program's log has the details."
    )
