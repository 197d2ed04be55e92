"""Renders a plan into the store, through the queue, and hands each result on as soon as it is there.

What is stored already is not rendered again, so a run that was ended at any moment goes on where it stood.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from c3dvis.errors import C3dvisError, InvalidSpec, QueueClosed, RenderFailed, UnknownLayer, WeightsMissing
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderJob, RenderQueue
from c3dvis.results import RenderResult, ResultStore
from c3dvis.spec import RenderSpec

ATTEMPTS = 3
"""How often a render that fails is tried in all, the last times after all others."""

_AHEAD = 64  # jobs that are with the queue at once: more would fill its memory and keep no device busier
_LOOK_EVERY = 0.2  # seconds
_RATE_OVER = 120.0  # seconds over which the rate is taken
_HOPELESS = (InvalidSpec, UnknownLayer, WeightsMissing, QueueClosed)  # trying again gives the same


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        total: filters of the plan.
        stored: of them, those that were in the store already.
        rendered: those rendered by this run.
        failed: those given up.
        per_minute: filters rendered in a minute, lately; None before the first.
        seconds_left: at that rate; None before the first.
        problem: what keeps the queue from working now, one sentence.
    """

    total: int
    stored: int = 0
    rendered: int = 0
    failed: int = 0
    per_minute: float | None = None
    seconds_left: float | None = None
    problem: str | None = None

    @property
    def done(self) -> int:
        """Filters that need nothing more."""
        return self.stored + self.rendered + self.failed


@dataclass(frozen=True)
class Failure:
    """A filter that was given up, and why."""

    spec: RenderSpec
    error: C3dvisError


class Filling:
    """One run over a plan's specs.

    Args:
        specs: what is to be in the store, in order.
        store: where results are looked for and kept; the queue's own.
        make_queue: called once, when there is something to render: starting workers takes time and memory.
        on_result: gets every result, also those stored before, in the order in which they are there.
        on_standing: hears how far it is, a few times a second.
    """

    def __init__(
        self,
        specs: Sequence[RenderSpec],
        store: ResultStore,
        make_queue: Callable[[], RenderQueue],
        on_result: Callable[[RenderResult], None],
        on_standing: Callable[[Standing], None] = lambda standing: None,
    ) -> None:
        self._specs = specs
        self._store = store
        self._make_queue = make_queue
        self._queue: RenderQueue | None = None
        self._on_result = on_result
        self._on_standing = on_standing
        self._stored = 0
        self._moments: deque[float] = deque()  # when each render was finished, monotonic seconds
        self._rendered = 0
        self._began = 0.0
        self.failures: list[Failure] = []

    def run(self) -> list[Failure]:
        """Go through the plan; returns what did not succeed. An exception stops the renders under way."""
        self._began = time.monotonic()
        stored: deque[RenderSpec] = deque()
        waiting: deque[tuple[RenderSpec, int]] = deque()
        for spec in self._specs:
            if spec.key(installed_weights.fingerprint(describe(spec.network))) in self._store:
                stored.append(spec)
            else:
                waiting.append((spec, 1))
        under_way: deque[tuple[RenderJob, int]] = deque()
        try:
            while stored or waiting or under_way:
                while waiting and len(under_way) < _AHEAD:
                    spec, attempt = waiting.popleft()
                    under_way.append((self._submit(spec), attempt))
                if stored:  # handed on while the workers render
                    self._take_stored(stored.popleft(), waiting)
                else:
                    under_way[0][0].wait(_LOOK_EVERY)
                under_way = self._take_finished(under_way, waiting)
                self._tell()
        finally:
            if self._queue:
                self._queue.close()
        return self.failures

    def _submit(self, spec: RenderSpec) -> RenderJob:
        if self._queue is None:
            self._queue = self._make_queue()
        return self._queue.submit(spec, background=True)

    def _take_stored(self, spec: RenderSpec, waiting: deque[tuple[RenderSpec, int]]) -> None:
        result = self._store.get(spec)
        if result is None:  # it is damaged, or went meanwhile
            waiting.append((spec, 1))
            return
        self._stored += 1
        self._on_result(result)

    def _take_finished(
        self, under_way: deque[tuple[RenderJob, int]], waiting: deque[tuple[RenderSpec, int]]
    ) -> deque[tuple[RenderJob, int]]:
        """Hand on what is finished, have what failed tried again; returns what is still under way."""
        left: deque[tuple[RenderJob, int]] = deque()
        for job, attempt in under_way:
            if not job.is_finished:
                left.append((job, attempt))
            elif error := self._take(job):
                if attempt < ATTEMPTS and not isinstance(error, _HOPELESS):
                    waiting.append((job.spec, attempt + 1))
                else:
                    self.failures.append(Failure(job.spec, error))
            else:
                self._tell()
        return left

    def _take(self, job: RenderJob) -> C3dvisError | None:
        """Hand a finished render on; returns why there is nothing to hand on."""
        try:
            result = job.result()
        except C3dvisError as error:
            return error
        if result is None:
            return job.error or RenderFailed(f"The render of {job.spec.title} ended without a result ({job.state}).")
        self._rendered += 1
        self._moments.append(time.monotonic())
        self._on_result(result)
        return None

    def _tell(self) -> None:
        now = time.monotonic()
        while self._moments and self._moments[0] < now - _RATE_OVER:
            self._moments.popleft()
        done = self._stored + self._rendered + len(self.failures)
        pace = len(self._moments) / min(_RATE_OVER, max(now - self._began, 0.001)) if self._moments else None
        self._on_standing(
            Standing(
                total=len(self._specs),
                stored=self._stored,
                rendered=self._rendered,
                failed=len(self.failures),
                per_minute=60 * pace if pace else None,
                seconds_left=(len(self._specs) - done) / pace if pace else None,
                problem=self._queue.status().problem if self._queue else None,
            )
        )
