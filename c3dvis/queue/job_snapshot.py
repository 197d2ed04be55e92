"""`JobSnapshot`: the state of a render at one moment."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, eq=False)
class JobSnapshot:
    """The state of a render at one moment.

    Attributes:
        state: `queued`, `running`, `done`, `failed` or `cancelled`; the last three are final.
        position: place in the queue, 1 is next; None unless queued.
        step, steps: latest step and number of steps of the optimiser; both 0 until the first report.
        seconds: since a worker started it; of a finished render, its duration.
        seconds_left: an estimate from the pace of the latest steps and from how long earlier renders took to measure
            the result; None while there is no estimate.
        objective, shown_activation: at the latest step that has them.
        curve: a row per step, as in `RenderResult.history`.
        preview: the unfinished clip, (t, h, w, 3) uint8 RGB, reduced and read-only; None before the first one and
            after a render that was not cancelled.
        error: why the render failed, a sentence.
        warning: a sentence about a render that has not failed, or None.
        attempt: 1, or more if a worker was lost and the render started again.
        batch_size: renders of its batch, itself included; `seconds` are those of the whole batch.
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
    batch_size: int

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state in ("done", "failed", "cancelled")
