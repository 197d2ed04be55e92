"""Renders the specs of an atlas through the queue into the store, and passes each stored result to the caller.

A stored result is not rendered again, so a run that was killed at any moment continues where it stopped.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from c3dvis.durations import seconds_left, seconds_per_unit
from c3dvis.errors import C3dvisError, InvalidSpec, QueueClosed, RenderFailed, UnknownLayer, WeightsMissing
from c3dvis.queue import RenderJob, RenderQueue
from c3dvis.results import RenderResult, ResultStore, result_key
from c3dvis.spec import RenderSpec

ATTEMPTS = 3
"""How often a failing render is tried in all; the further attempts come after all other renders."""

_AHEAD = 64  # jobs in the queue at once: more would fill its memory and keep no device busier
_POLL = 0.2  # seconds
_RATE_WINDOW = 120.0  # seconds over which the rate is averaged
_FINAL_ERRORS = (InvalidSpec, UnknownLayer, WeightsMissing, QueueClosed)  # another attempt would fail the same way


@dataclass(frozen=True)
class AtlasProgress:
    """How far the renders of an atlas are.

    Attributes:
        total: filters of the plan.
        stored: filters whose results were in the store before.
        rendered: filters rendered by this run.
        failed: filters given up.
        per_minute: filters rendered per minute over the last two minutes; None before the first.
        seconds_left: an estimate from that rate; None before the first.
        problem: why the queue cannot render now, one sentence.
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
        """Filters that need no more work."""
        return self.stored + self.rendered + self.failed


@dataclass(frozen=True)
class FailedRender:
    """A filter that was given up, and why."""

    spec: RenderSpec
    error: C3dvisError


class AtlasRenderer:
    """Renders a plan's specs once.

    Args:
        specs: to be in the store afterwards, in order.
        store: where results are looked for and kept; the queue's own.
        make_queue: called once, with the first render: starting workers takes time and memory.
        on_result: called with every result, also those stored before, as soon as each is there.
        on_progress: called a few times a second.

    Attributes:
        progress: the one that `on_progress` received last.
    """

    def __init__(
        self,
        specs: Sequence[RenderSpec],
        store: ResultStore,
        make_queue: Callable[[], RenderQueue],
        on_result: Callable[[RenderResult], None],
        on_progress: Callable[[AtlasProgress], None],
    ) -> None:
        self.progress = AtlasProgress(len(specs))
        self._specs = specs
        self._store = store
        self._make_queue = make_queue
        self._queue: RenderQueue | None = None
        self._on_result = on_result
        self._on_progress = on_progress
        self._stored = 0
        self._rendered = 0
        self._reports: deque[tuple[int, float]] = deque()  # (filters rendered, monotonic seconds)
        self._failures: list[FailedRender] = []

    def run(self) -> list[FailedRender]:
        """Render all; returns what did not succeed. An exception stops the renders under way."""
        self._reports.append((0, time.monotonic()))
        stored: deque[RenderSpec] = deque()
        waiting: deque[tuple[RenderSpec, int]] = deque()  # with the number of the attempt
        for spec in self._specs:
            if result_key(spec) in self._store:
                stored.append(spec)
            else:
                waiting.append((spec, 1))
        under_way: deque[tuple[RenderJob, int]] = deque()
        try:
            while stored or waiting or under_way:
                while waiting and len(under_way) < _AHEAD:
                    spec, attempt = waiting.popleft()
                    under_way.append((self._submit(spec), attempt))
                if stored:  # passed on while the workers render
                    self._take_stored(stored.popleft(), waiting)
                else:
                    under_way[0][0].wait(_POLL)
                under_way = self._take_finished(under_way, waiting)
                self._report()
        finally:
            if self._queue:
                self._queue.close()
        return self._failures

    def _submit(self, spec: RenderSpec) -> RenderJob:
        if self._queue is None:
            self._queue = self._make_queue()
        return self._queue.submit(spec, background=True)

    def _take_stored(self, spec: RenderSpec, waiting: deque[tuple[RenderSpec, int]]) -> None:
        result = self._store.get(spec)
        if result is None:  # it is damaged, or was removed meanwhile
            waiting.append((spec, 1))
            return
        self._stored += 1
        self._on_result(result)

    def _take_finished(
        self, under_way: deque[tuple[RenderJob, int]], waiting: deque[tuple[RenderSpec, int]]
    ) -> deque[tuple[RenderJob, int]]:
        """Pass finished results on and queue failed ones again; returns the jobs still under way."""
        left: deque[tuple[RenderJob, int]] = deque()
        for job, attempt in under_way:
            if not job.is_finished:
                left.append((job, attempt))
            elif error := self._take(job):
                if attempt < ATTEMPTS and not isinstance(error, _FINAL_ERRORS):
                    waiting.append((job.spec, attempt + 1))
                else:
                    self._failures.append(FailedRender(job.spec, error))
            else:
                self._report()
        return left

    def _take(self, job: RenderJob) -> C3dvisError | None:
        """Pass the result of a finished job on; returns why it has none."""
        try:
            result = job.result()
        except C3dvisError as error:
            return error
        if result is None:
            return job.error or RenderFailed(f"The render of {job.spec.title} ended without a result ({job.state}).")
        self._rendered += 1
        self._reports.append((self._rendered, time.monotonic()))
        self._on_result(result)
        return None

    def _report(self) -> None:
        now = time.monotonic()
        while len(self._reports) > 1 and self._reports[1][1] < now - _RATE_WINDOW:
            self._reports.popleft()
        done = self._stored + self._rendered + len(self._failures)
        pace = seconds_per_unit([self._reports[0], (self._rendered, now)])
        self.progress = AtlasProgress(
            total=len(self._specs),
            stored=self._stored,
            rendered=self._rendered,
            failed=len(self._failures),
            per_minute=60 / pace if pace else None,
            seconds_left=seconds_left(pace, len(self._specs) - done),
            problem=self._queue.status().problem if self._queue else None,
        )
        self._on_progress(self.progress)
