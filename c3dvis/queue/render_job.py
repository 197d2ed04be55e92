"""`RenderJob`: one render on its way, as its callers hold it.

It belongs to the spec, not to who asked: everyone who submits the same spec holds the same job.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from c3dvis.errors import C3dvisError
from c3dvis.maximize.schedule import Schedule, family
from c3dvis.networks.registry import describe
from c3dvis.spec import RenderSpec

if TYPE_CHECKING:
    from c3dvis.results import RenderResult

JobState = Literal["queued", "running", "done", "failed", "cancelled"]

_WATCHED_FOR = 20.0  # seconds after its last look during which a watcher still counts
_POINT: tuple[str, ...] = ("step", "seconds", "objective", "shown_activation")
_RATE_POINTS = 16  # latest reports from which the time left is estimated


@dataclass(frozen=True, eq=False)
class JobSnapshot:
    """A render at one moment.

    Attributes:
        state: `queued`, `running`, `done`, `failed` or `cancelled`; the last three are final.
        position: place in the queue, 1 is next; None unless queued.
        step, steps: of the optimiser; both 0 until the first report.
        seconds: since a worker took it up; of a finished render, how long it took.
        seconds_left: an estimate from the pace of the latest steps, and from how long earlier renders took after
            their last; None while there is none.
        objective, shown_activation: at the latest step that has them.
        curve: per step a dict of step, seconds, objective, shown_activation, like `RenderResult.history`.
        preview: the clip as it forms, (t, h, w, 3) uint8 RGB, small and read-only; None before the first, and
            once the render is finished.
        error: of a failed render, a sentence.
        warning: something to know about a render that is not failed, a sentence.
        attempt: 1, or more once a worker was lost and the render started again.
        together: renders in the batch that it is or was in, itself included; its seconds are those of the batch.
    """

    state: JobState
    position: int | None
    step: int
    steps: int
    seconds: float
    seconds_left: float | None
    objective: float | None
    shown_activation: float | None
    curve: list[dict[str, float | None]]
    preview: np.ndarray | None
    error: str | None
    warning: str | None
    attempt: int
    together: int

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("done", "failed", "cancelled")


class AfterSteps:
    """How long renders take after their last step, for measuring what came out, learned from earlier ones.

    Attributes:
        steps: that time, in steps of the same render at full size, since both grow with the network and the clip.
    """

    def __init__(self) -> None:
        self.steps = 0.0

    def learn(self, steps: float) -> None:
        """Take one more render into account, the latest counting most."""
        self.steps = (self.steps + steps) / 2 if self.steps else steps


class RenderJob:
    """One render, queued, running or finished. Made by `RenderQueue.submit`; safe to use from any thread.

    Attributes:
        key: address of the result.
        spec: what is rendered.
        number: of the request for it, counted by the queue.
        background: nobody waits for it at a page, so those that someone waits for go first.
        alone: it is to go in no batch.
    """

    def __init__(
        self,
        key: str,
        spec: RenderSpec,
        number: int,
        *,
        position: Callable[["RenderJob"], int | None],
        stop: Callable[["RenderJob"], None],
        fetch: Callable[["RenderJob"], "RenderResult | None"],
        after_steps: AfterSteps,
    ) -> None:
        self.key = key
        self.spec = spec
        self.number = number
        self.background = False
        self.alone = False
        self._position = position
        self._stop = stop
        self._fetch = fetch
        self._after_steps = after_steps
        self._lock = threading.RLock()
        self._finished = threading.Event()
        self._watchers: dict[str, float] = {}  # who -> when last seen, monotonic seconds
        self._state: JobState = "queued"
        self._error: C3dvisError | None = None
        self._warning: str | None = None
        self._attempt = 0
        self._together = 1
        self._worker = ""
        self._preview: tuple[int, bytes] | None = None
        self._forget_progress()

    def __repr__(self) -> str:
        return f"<RenderJob {self.spec.title}: {self._state}>"

    def snapshot(self, watcher: str | None = None) -> JobSnapshot:
        """How it stands now.

        Args:
            watcher: a name for who looks (a session's, say), so that `cancel` by another does not take it away.
        """
        position = self._position(self)
        with self._lock:
            if watcher is not None and not self._finished.is_set():
                self._watchers = self._recent_watchers() | {watcher: time.monotonic()}
            latest = self._curve[-1] if self._curve else {}
            shown = (p["shown_activation"] for p in reversed(self._curve) if p["shown_activation"] is not None)
            return JobSnapshot(
                state=self._state,
                position=position if self._state == "queued" else None,
                step=int(latest.get("step") or 0),
                steps=self._steps,
                seconds=self._seconds(),
                seconds_left=self._seconds_left(),
                objective=latest.get("objective"),
                shown_activation=next(shown, None),
                curve=list(self._curve),
                preview=self._decoded_preview(),
                error=str(self._error) if self._error else None,
                warning=self._warning,
                attempt=max(1, self._attempt),
                together=self._together,
            )

    @property
    def error(self) -> C3dvisError | None:
        """What a failed render failed with; its class tells failures apart."""
        return self._error

    def cancel(self, watcher: str | None = None) -> bool:
        """Stop this render, unless someone else is watching it; it can be submitted again at once.

        Args:
            watcher: who cancels. The render goes on while any other watcher has looked at it within the last twenty
                seconds. None stops it for everyone.

        Returns:
            Whether it has stopped (or was finished already).
        """
        with self._lock:
            if watcher is not None:
                self._watchers.pop(watcher, None)
                if self._recent_watchers():
                    return False
        self._stop(self)
        return True

    def result(self) -> "RenderResult | None":
        """The result of a render that is done, or None.

        None also when a result that the store had refused, or has dropped since, is no longer in memory:
        submit the spec again.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._fetch(self) if self._state == "done" else None

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is finished, or for `timeout` seconds; returns whether it is finished."""
        return self._finished.wait(timeout)

    @property
    def rank(self) -> tuple[bool, int]:
        """Its place among those that wait: the smallest is next."""
        return self.background, self.number

    # What follows is for RenderQueue: each call tells the job what happened to it.

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return self._finished.is_set()

    @property
    def state(self) -> JobState:
        """`queued`, `running`, `done`, `failed` or `cancelled`."""
        return self._state

    @property
    def worker(self) -> str:
        """Address of the worker that renders it; empty unless it is running."""
        return self._worker if self._state == "running" else ""

    def started(self, worker: str, together: int = 1) -> None:
        """A worker has taken it up, for the first time or again after another was lost, as one of so many."""
        with self._lock:
            if self._finished.is_set():
                return
            if self._attempt:
                self._warning = "The worker process was lost; the render started again on a new one."
            self._forget_progress()
            self._state, self._worker, self._together = "running", worker, together
            self._attempt += 1
            self._began = time.monotonic()

    def lost_worker(self) -> None:
        """Its worker is gone; Dask gives the render to another as soon as there is one."""
        with self._lock:
            if self._state == "running":
                self._worker = ""
                self._warning = "The worker process was lost; the render starts again on a new one."

    def requeued(self, alone: bool = False) -> None:
        """The scheduler was lost, or its batch failed and it is to go `alone`; it waits for another turn."""
        with self._lock:
            self.alone = self.alone or alone
            if not self._finished.is_set():
                self._state = "queued"
                self._forget_progress()

    def progressed(self, message: Mapping[str, Any]) -> None:
        """A report of `task.Reporter` has arrived."""
        with self._lock:
            if self._state != "running":
                return
            self._steps = message["steps"]
            self._curve += [dict(zip(_POINT, point, strict=True)) for point in message["points"]]
            self._reported = time.monotonic()
            if "preview" in message:
                self._preview, self._decoded = (message["frames"], message["preview"]), None

    def finish(self, state: JobState, error: C3dvisError | None = None, warning: str | None = None) -> bool:
        """It is done, failed or cancelled; returns False if it already was finished."""
        with self._lock:
            if self._finished.is_set():
                return False
            pace = self._pace()
            if state == "done" and pace:
                self._after_steps.learn((time.monotonic() - self._reported) / pace)
            self._state, self._error = state, error
            self._warning = warning or self._warning
            self._ended = time.monotonic()
            self._preview = self._decoded = None
            self._watchers.clear()
            self._finished.set()
            return True

    def _recent_watchers(self) -> dict[str, float]:
        since = time.monotonic() - _WATCHED_FOR
        return {watcher: seen for watcher, seen in self._watchers.items() if seen > since}

    def _forget_progress(self) -> None:
        self._steps = 0
        self._curve: list[dict[str, float | None]] = []
        self._decoded: np.ndarray | None = None
        self._began = self._ended = self._reported = 0.0

    def _seconds(self) -> float:
        return (self._ended or time.monotonic()) - self._began if self._began else 0.0

    @cached_property
    def family(self) -> str | None:
        """Those of one family can be rendered in one batch; None if it goes alone."""
        return family(self.spec)

    @cached_property
    def _schedule(self) -> Schedule:
        return Schedule.of(self.spec, describe(self.spec.network))

    def _pace(self) -> float | None:
        """Seconds per step at full size, over the latest reports.

        The first report of each canvas is left out, since it waited for building. Until there are two of the full size
        it counts all the same, beside those of the small canvas, if it says less: either alone says rather too much.
        """
        points = [(self._schedule.cost(row["step"] or 0), row["seconds"] or 0) for row in self._curve]
        sketched = sum((row["step"] or 0) <= self._schedule.sketch for row in self._curve)
        small, large = points[:sketched], points[sketched:]
        parts = [large] if len(large) > 1 else [small, small[-1:] + large]
        paces = [pace for part in parts if (pace := _slope(part[-_RATE_POINTS:])) is not None]
        return min(paces, default=None)

    def _seconds_left(self) -> float | None:
        pace = self._pace()
        if self._state != "running" or pace is None:
            return None
        cost = self._schedule.cost
        left = cost(self._steps) - cost(self._curve[-1]["step"] or 0) + self._after_steps.steps
        return max(0.0, pace * left - (time.monotonic() - self._reported))

    def _decoded_preview(self) -> np.ndarray | None:
        if self._decoded is None and self._preview is not None:
            from c3dvis.queue.preview import decode

            self._decoded = decode(*self._preview)
        return self._decoded


def _slope(points: list[tuple[float, float]]) -> float | None:
    """Seconds per step over points (steps, seconds); None where they do not tell."""
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return None
    return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])
