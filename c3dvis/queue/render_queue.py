"""`RenderQueue`: accepts specs, orders them, and hands the workers' results over to `KeptResults`."""

import atexit
import itertools
import logging
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from cachetools import FIFOCache

from c3dvis.errors import C3dvisError, Cancelled, LimitReached, QueueClosed, RenderFailed
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.probe.request import ProbeRequest
from c3dvis.queue import render_events
from c3dvis.queue.dispatcher import Dispatcher
from c3dvis.queue.fair_order import FairOrder
from c3dvis.queue.job_snapshot import JobState
from c3dvis.queue.kept_results import KeptResults
from c3dvis.queue.limits import Admission, Requester
from c3dvis.queue.probe_job import ProbeJob
from c3dvis.queue.queue_status import QueueState, QueueStatus, worker_status
from c3dvis.queue.render_job import MeasurementTime, RenderJob, texture_motion_key
from c3dvis.server_settings import ServerSettings, server_settings
from c3dvis.settings import scheduler_address
from c3dvis.spec import RenderSpec

if TYPE_CHECKING:
    from c3dvis.queue.worker_tasks import RenderReply
    from c3dvis.results import RenderResult, ResultStore

logger = logging.getLogger(__name__)

_FINISHED_JOBS = 256  # latest finished jobs that `job` still returns


class RenderQueue:
    """Renders specs in worker processes, each key once, and keeps the results in one store.

    The constructor returns at once, while the workers start and load TensorFlow and the default network. Every method
    may be called from any thread. The calling process never loads TensorFlow.

    Args:
        store: where results are looked for first and kept.
        scheduler: address of a Dask scheduler; None takes `C3DVIS_SCHEDULER`, and if that is unset too the queue
            starts a cluster of its own on this machine.
        patient: no user waits behind these renders, so background renders of one layer go in batches on a CPU too,
            where a batch takes long but each render in it less. On a GPU they always go in batches.
        settings: limits, and how the workers are run and watched; None takes the settings file's.

    Raises:
        InvalidSettings: the settings file cannot be used.
    """

    def __init__(
        self,
        store: "ResultStore",
        *,
        scheduler: str | None = None,
        patient: bool = False,
        settings: ServerSettings | None = None,
    ) -> None:
        settings = settings or server_settings()
        self._results = KeptResults(store)
        self._lock = threading.RLock()
        # Held while a request is looked up in the store, so that two requests of one spec cannot both miss. It is not
        # `_lock`, so that a slow disk does not delay callers that only read.
        self._submitting = threading.Lock()
        self._active: dict[str, RenderJob] = {}  # queued and running, in order of submission
        self._fair_order = FairOrder()
        self._admission = Admission(settings.limits)
        self._counter = itertools.count()
        self._finished: FIFOCache[str, RenderJob] = FIFOCache(_FINISHED_JOBS)
        self._rendered = 0
        self._measurement_time = MeasurementTime()
        self._closed = False
        self._dispatcher = Dispatcher(
            scheduler or scheduler_address(),
            has_work=self._has_work,
            next_jobs=self._next_jobs,
            deliver=self._deliver,
            patient=patient,
            settings=settings.workers,
        )
        atexit.register(self.close)

    def submit(self, spec: RenderSpec, *, background: bool = False, visitor: Requester | None = None) -> RenderJob:
        """The job of this spec: the one under way, a finished one if its result is stored, or a new one.

        Args:
            background: no user waits for it: it is rendered after all jobs that a user waits for. Submitted again with
                False, it moves before the background jobs.
            visitor: who asks for it. Visitors take turns, and the limits of the settings file hold for them; None is
                the program itself, for which they do not. Nothing that is stored or under way is refused.

        Raises:
            LimitReached: the visitor may not have it rendered now.
            UnknownNetwork, UnknownLayer, InvalidSpec: the network cannot do what the spec asks, or the store lacks the
                clip that it starts from.
            WeightsMissing: the key depends on a weights file that is not on this machine.
            QueueClosed: `close` was called.
        """
        info = describe(spec.network)
        spec = info.sized(spec)
        info.check(spec)
        key = spec.key(installed_weights.fingerprint(info))
        with self._submitting:
            with self._lock:  # a finished job whose result the store refused still has it
                job = self._active.get(key) or (self._finished.get(key) if self._results.is_refused(key) else None)
            if job:
                self._join(job, visitor, background)
                return job
            is_stored = self._results.is_stored(key)
            with self._lock:
                job = self._finished.get(key)
                if job and is_stored and job.state == "done":
                    return job
                if self._closed:
                    raise QueueClosed("The render queue is closed and takes no more work. Start the program again.")
                start_clip = self._results.packed_start_clip(spec) if spec.start_clip and not is_stored else None
                job = self._new_job(key, spec, start_clip=start_clip)
                if is_stored:
                    self._finish(job, "done")
                    return job
                job.background = background
                self._admit(job, visitor)
        self._dispatcher.wake()
        return job

    def take_apart(self, result: "RenderResult", *, visitor: Requester | None = None) -> RenderJob:
        """The job that finds the texture and motion of a result and stores them with it; one per result.

        Args:
            result: that is taken apart.
            visitor: as of `submit`.

        Raises:
            LimitReached: the visitor may not have it done now.
            QueueClosed: `close` was called.
        """
        source = result.to_bytes()
        with self._lock:
            job = self._active.get(texture_motion_key(result.key))
            if job:
                return job
            if self._closed:
                raise QueueClosed("The render queue is closed and takes no more work. Start the program again.")
            job = self._new_job(result.key, result.spec, source)
            self._admit(job, visitor)
        self._dispatcher.wake()
        return job

    def probe(self, request: ProbeRequest, *, visitor: Requester | None = None) -> ProbeJob:
        """Ask a worker about a real clip; it is answered beside the renders, and its answer is not stored.

        Args:
            request: the question.
            visitor: who asks it; as of `submit`.

        Raises:
            LimitReached: the visitor may not ask it now.
            QueueClosed: `close` was called.
        """
        job = ProbeJob(request, self._dispatcher.stop_probe, visitor.name if visitor else "")
        with self._lock:
            if visitor:
                try:
                    self._admission.admit_probe(visitor, self._dispatcher.probes.unanswered(visitor.name))
                except LimitReached as error:
                    render_events.refused(error, visitor.name)
                    raise
            self._dispatcher.probes.add(job)
        self._dispatcher.wake()
        return job

    def _new_job(
        self, result_key: str, spec: RenderSpec, source: bytes | None = None, start_clip: bytes | None = None
    ) -> RenderJob:
        return RenderJob(
            result_key,
            spec,
            next(self._counter),
            position=self._position,
            stop=self._stop,
            fetch=lambda job: self._results.get(job.result_key),
            measurement_time=self._measurement_time,
            source=source,
            start_clip=start_clip,
        )

    def _admit(self, job: RenderJob, visitor: Requester | None) -> None:
        """Let a new job wait. Raises LimitReached if the visitor may not have it."""
        if visitor:
            try:
                self._admission.check(job.spec, visitor, self._active.values())
            except LimitReached as error:
                render_events.refused(error, visitor.name)
                raise
            self._admission.count(visitor)
            job.visitors = (visitor.name,)
        self._fair_order.join(job.visitors[0])
        self._active[job.key] = job
        render_events.queued(job)

    def job(self, key: str) -> RenderJob | None:
        """The job of that key, if it is under way or among the latest 256 finished.

        Args:
            key: of a result, for its render; `texture_motion_key` of it, for the job that takes it apart.
        """
        with self._lock:
            return self._active.get(key) or self._finished.get(key)

    def jobs(self) -> list[RenderJob]:
        """Jobs under way in the order in which they are rendered, then finished ones, latest first."""
        with self._lock:
            waiting = self._places(self._dispatcher.assigned)
            started = [job for job in self._active.values() if job not in waiting]
            return [*started, *waiting, *reversed(list(self._finished.values()))]

    def status(self) -> QueueStatus:
        """The state of the queue and its workers."""
        dispatcher = self._dispatcher
        with self._lock:
            active = list(self._active.values())
        busy = {job.worker for job in active}
        workers = tuple(
            worker_status(address, identity, address in busy) for address, identity in dispatcher.workers.items()
        )
        state: QueueState = "starting"
        if any(worker.ready for worker in workers):
            state = "ready"
        elif dispatcher.asleep:
            state = "asleep"
        elif workers:
            state = "warming"
        elif dispatcher.had_workers or (dispatcher.problem and not dispatcher.connected):
            state = "lost"
        states = [job.state for job in active]
        return QueueStatus(
            state=state,
            workers=workers,
            queued=states.count("queued"),
            running=states.count("running"),
            finished=self._rendered,
            problem=dispatcher.problem or next((worker.problem for worker in workers if worker.problem), None),
        )

    def close(self) -> None:
        """Stop every render and the own cluster; may be called again. Stored results stay."""
        with self._lock:
            self._closed = True
        self._dispatcher.close()
        with self._lock:
            left = list(self._active.values())
        for job in left:
            self._finish(job, "failed", QueueClosed("The program was closed before this render was finished."))
        atexit.unregister(self.close)

    def _position(self, job: RenderJob) -> int | None:
        assigned = self._dispatcher.assigned
        starting = [other for other in assigned if other.state == "queued"]  # a worker takes them next
        if job in starting:
            return starting.index(job) + 1
        with self._lock:
            place = self._places(assigned).get(job)
        return None if place is None else len(starting) + place + 1

    def _places(self, assigned: Collection[RenderJob]) -> dict[RenderJob, int]:
        """The place of each waiting job, from 0, in the order in which they are rendered."""
        return self._fair_order.places(self._active.values(), tuple(assigned))

    def _has_work(self) -> bool:
        return bool(self._active)

    def _next_jobs(self, assigned: Collection[RenderJob]) -> list[RenderJob]:
        """The next job, then the background jobs of its family, which may be rendered in one batch with it.

        A variant waits while the search for another variant of its spec runs, which finds it too.
        """
        searches = {search for job in assigned if (search := job.search_for_variants)}
        with self._lock:
            waiting = [job for job in self._places(assigned) if not (searches and job.search_for_variants in searches)]
            if not waiting:
                return []
            first = waiting[0]
            self._fair_order.serve(first)
            if first.alone or not (first.background and first.family):
                return [first]
            return [job for job in waiting if job.background and not job.alone and job.family == first.family]

    def _join(self, job: RenderJob, visitor: Requester | None, background: bool) -> None:
        """One more visitor asks for a job; a background job that a user waits for becomes the last of those."""
        name = visitor.name if visitor else ""
        with self._lock:
            if job.state != "queued" or self._active.get(job.key) is not job:
                return
            if name not in job.visitors:
                job.visitors += (name,)
            if job.background and not background:
                job.background, job.number = False, next(self._counter)
            self._fair_order.join(name)

    def _stop(self, job: RenderJob) -> None:
        if self._finish(job, "cancelled"):
            self._dispatcher.stop(job)

    def _deliver(self, job: RenderJob, reply: "RenderReply") -> bool:
        """Finish a job with a worker's reply; called in a thread of its own, since the store writes to disk.

        Returns:
            Whether the worker may delete the result; not if the store refused it.
        """
        try:
            if reply.details:
                logger.error("Rendering %s failed.\n%s", job.spec.to_json(), reply.details)
            kept = self._results.keep(job.result_key, reply)
            self._finish_variants(kept.variants)
            self._finish(job, "done", warning=kept.refusal)
            return kept.refusal is None
        except Cancelled:
            self._finish(job, "cancelled")
        except C3dvisError as error:
            self._finish(job, "failed", error)
        except Exception as error:
            logger.exception("The result of %s could not be taken.", job.spec.title)
            reason = f"{type(error).__name__}: {error}"
            sentence = f"The result could not be taken ({reason}). The program's log has details."
            self._finish(job, "failed", RenderFailed(sentence))
        return True

    def _finish_variants(self, keys: Collection[str]) -> None:
        """The jobs that wait for other variants of a spec, whose results are stored, are done with that."""
        for key in keys:
            with self._lock:
                waiting = self._active.get(key)
            if waiting and self._finish(waiting, "done"):
                self._dispatcher.stop(waiting)

    def _finish(
        self, job: RenderJob, state: JobState, error: C3dvisError | None = None, warning: str | None = None
    ) -> bool:
        """Move a job to the finished ones; returns False if it was finished before."""
        with self._lock:
            if not job.finish(state, error, warning):
                return False
            if self._active.get(job.key) is job:
                del self._active[job.key]
                render_events.finished(job)
                self._rendered += job.state == "done"
                self._fair_order.forget_all_but({name for other in self._active.values() for name in other.visitors})
            self._finished.pop(job.key, None)
            self._finished[job.key] = job
            return True
