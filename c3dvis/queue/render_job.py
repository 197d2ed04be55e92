"""`RenderJob`: the handle of one render; all callers that submit the same spec get the same job."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from c3dvis.durations import seconds_left, seconds_per_unit
from c3dvis.errors import C3dvisError
from c3dvis.maximize.schedule import Schedule, family
from c3dvis.networks.registry import describe
from c3dvis.queue.job_snapshot import JobSnapshot, JobState
from c3dvis.spec import RenderSpec

if TYPE_CHECKING:
    from c3dvis.results import RenderResult

_WATCH_DURATION = 20.0  # seconds for which a watcher counts after its latest snapshot
_COLUMNS: tuple[str, ...] = ("step", "seconds", "objective", "shown_activation")
_PACE_REPORTS = 16  # latest reports from which the pace is estimated


def texture_motion_key(result_key: str) -> str:
    """The key of the job that takes a result apart."""
    return f"{result_key}.texture_motion"


class MeasurementTime:
    """How long renders take to measure their result after the last step, learned from earlier renders.

    Attributes:
        steps: that time, in steps of the same render at full size, since both grow with the network and the clip.
    """

    def __init__(self) -> None:
        self.steps = 0.0

    def learn(self, steps: float) -> None:
        """Update the mean with one more render; the latest has the largest weight."""
        self.steps = (self.steps + steps) / 2 if self.steps else steps


class RenderJob:
    """One render, queued, running or finished. Made by `RenderQueue`; safe to use from any thread.

    Attributes:
        key: of the job; of a render, it is the address of the result.
        result_key: address of the result.
        source: a finished result that is to be taken apart, packed; None for a render.
        start_clip: the clip that a render starts from, as of `start_clips.pack_clip`; None where it starts from noise.
        spec: of the render.
        number: jobs that are equally urgent are rendered in the order of their numbers.
        background: no user waits for it, so jobs that a user waits for go first.
        visitors: names of the visitors who asked for it, the first first; an empty name is the program itself.
        alone: it must not be rendered in a batch.
        created: monotonic seconds.
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
        measurement_time: MeasurementTime,
        source: bytes | None = None,
        start_clip: bytes | None = None,
    ) -> None:
        self.result_key = key
        self.source = source
        self.start_clip = start_clip
        self.key = key if source is None else texture_motion_key(key)
        self.spec = spec
        self.number = number
        self.background = False
        self.created = time.monotonic()
        self.visitors: tuple[str, ...] = ("",)
        self.alone = source is not None
        self._position = position
        self._stop = stop
        self._fetch = fetch
        self._measurement_time = measurement_time
        self._lock = threading.RLock()
        self._finished = threading.Event()
        self._watchers: dict[str, float] = {}  # monotonic seconds of each watcher's latest snapshot
        self._state: JobState = "queued"
        self._error: C3dvisError | None = None
        self._warning: str | None = None
        self._attempt = 0
        self._batch_size = 1
        self._worker = ""
        self._preview: tuple[int, bytes] | None = None
        self._reset_progress()

    def __repr__(self) -> str:
        return f"<RenderJob {self.spec.title}: {self._state}>"

    @property
    def search_for_variants(self) -> RenderSpec | None:
        """What renders of variants of one spec have in common; None for other jobs."""
        return self.spec.replace(variant=0) if self.spec.variants > 1 and self.source is None else None

    def snapshot(self, watcher: str | None = None) -> JobSnapshot:
        """The state now.

        Args:
            watcher: a name of the caller, such as a session's; it protects the render from `cancel` by another watcher.
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
                error=self._error.message if self._error else None,
                warning=self._warning,
                attempt=max(1, self._attempt),
                batch_size=self._batch_size,
            )

    @property
    def error(self) -> C3dvisError | None:
        """The error of a failed render."""
        return self._error

    def cancel(self, watcher: str | None = None) -> bool:
        """Stop this render, unless another watcher needs it; it can be submitted again at once.

        Args:
            watcher: who cancels. The render goes on while any other watcher has looked at it within the last twenty
                seconds. None stops it for everyone.

        Returns:
            Whether it was stopped (or was finished already).
        """
        with self._lock:
            if watcher is not None:
                self._watchers.pop(watcher, None)
                if self._recent_watchers():
                    return False
        self._stop(self)
        return True

    def result(self) -> "RenderResult | None":
        """The result of a successful render, or None.

        It is also None if the store has refused or evicted the result and it is no longer in memory: submit the spec
        again.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._fetch(self) if self._state == "done" else None

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is finished, at most for `timeout` seconds; returns whether it is finished."""
        return self._finished.wait(timeout)

    @property
    def rank(self) -> tuple[bool, int]:
        """Sort key of the waiting jobs of one visitor: the smallest is next."""
        return self.background, self.number

    # The methods below are for RenderQueue and Dispatcher, which call them when the job's state changes.

    @property
    def is_finished(self) -> bool:
        """Whether the state is final."""
        return self._finished.is_set()

    @property
    def state(self) -> JobState:
        """`queued`, `running`, `done`, `failed` or `cancelled`."""
        return self._state

    @property
    def worker(self) -> str:
        """Address of its worker; empty unless it is running."""
        return self._worker if self._state == "running" else ""

    @property
    def silent_seconds(self) -> float:
        """Seconds since a worker started it or last reported progress; 0 unless it is running."""
        with self._lock:
            latest = max(self._began, self._reported)
            return time.monotonic() - latest if self._state == "running" else 0.0

    @property
    def steps_evenly(self) -> bool:
        """Whether its next report is due soon: it neither builds the computation of its steps nor measures."""
        with self._lock:
            small, large = self._reports()
            return len(large or small) > 1 and (self._curve[-1]["step"] or 0) not in (
                self._schedule.sketch,
                self._steps,
            )

    @property
    def batch_size(self) -> int:
        """Renders of its batch, itself included."""
        return self._batch_size

    def started(self, worker: str, batch_size: int = 1) -> None:
        """A worker has started it, for the first time or again after another was lost."""
        with self._lock:
            if self._finished.is_set():
                return
            if self._attempt:
                self._warning = "The worker process was lost; the render started again on a new one."
            self._reset_progress()
            self._state, self._worker, self._batch_size = "running", worker, batch_size
            self._attempt += 1
            self._began = time.monotonic()

    def lost_worker(self) -> None:
        """Its worker was lost; Dask gives the render to another as soon as there is one."""
        with self._lock:
            if self._state == "running":
                self._worker = ""
                self._warning = "The worker process was lost; the render starts again on a new one."

    def requeued(self, alone: bool = False) -> None:
        """It waits again: the scheduler was lost, or its batch failed and it is to be rendered `alone`."""
        with self._lock:
            self.alone = self.alone or alone
            if not self._finished.is_set():
                self._state = "queued"
                self._reset_progress()

    def progressed(self, message: Mapping[str, Any]) -> None:
        """A report of `worker_tasks.ProgressReporter` has arrived."""
        with self._lock:
            if self._state != "running":
                return
            self._steps = message["steps"]
            self._curve += [dict(zip(_COLUMNS, point, strict=True)) for point in message["points"]]
            self._reported = time.monotonic()
            if "preview" in message:
                self._preview, self._decoded = (message["frames"], message["preview"]), None

    def finish(self, state: JobState, error: C3dvisError | None = None, warning: str | None = None) -> bool:
        """It is done, failed or cancelled; returns False if it was finished before."""
        with self._lock:
            if self._finished.is_set():
                return False
            pace = self._pace()
            if state == "done" and pace and self.source is None:
                self._measurement_time.learn((time.monotonic() - self._reported) / pace)
            self._state, self._error = state, error
            self._warning = warning or self._warning
            self._ended = time.monotonic()
            if state != "cancelled":
                self._preview = self._decoded = None
            self._watchers.clear()
            self._finished.set()
            return True

    def _recent_watchers(self) -> dict[str, float]:
        since = time.monotonic() - _WATCH_DURATION
        return {watcher: seen for watcher, seen in self._watchers.items() if seen > since}

    def _reset_progress(self) -> None:
        self._steps = 0
        self._curve: list[dict[str, float | None]] = []
        self._decoded: np.ndarray | None = None
        self._began = self._ended = self._reported = 0.0

    def _seconds(self) -> float:
        return (self._ended or time.monotonic()) - self._began if self._began else 0.0

    @cached_property
    def family(self) -> str | None:
        """Jobs of one family can be rendered in one batch; None if this one cannot."""
        return family(self.spec)

    @cached_property
    def _schedule(self) -> Schedule:
        return Schedule.of(self.spec, describe(self.spec.network))

    def _pace(self) -> float | None:
        """Seconds per step at full size, from the latest reports.

        Reports of the small canvas and of the full size are separate, because the first report of each includes the
        time to build the computation. Until the full size has two reports, the estimate is the smaller of two that are
        both rather too large: the pace of the small canvas, and the pace from its last report to the first of the full
        size.
        """
        small, large = self._reports()
        parts = [large] if len(large) > 1 else [small, small[-1:] + large]
        paces = [pace for part in parts if (pace := seconds_per_unit(part[-_PACE_REPORTS:])) is not None]
        return min(paces, default=None)

    def _reports(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """(cost, seconds) of each report of the small canvas, and of each at full size."""
        points = [(self._schedule.cost(row["step"] or 0), row["seconds"] or 0) for row in self._curve]
        sketched = sum((row["step"] or 0) <= self._schedule.sketch for row in self._curve)
        return points[:sketched], points[sketched:]

    def _seconds_left(self) -> float | None:
        pace = self._pace()
        if self._state != "running" or pace is None or self.source is not None:
            return None
        cost = self._schedule.cost
        steps = cost(self._steps) - cost(self._curve[-1]["step"] or 0) + self._measurement_time.steps
        return seconds_left(pace, steps, time.monotonic() - self._reported)

    def _decoded_preview(self) -> np.ndarray | None:
        if self._decoded is None and self._preview is not None:
            from c3dvis.queue.preview_image import decode

            self._decoded = decode(*self._preview)
        return self._decoded
