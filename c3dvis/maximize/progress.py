"""What a render reports while it runs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Progress:
    """The state of a render after a step.

    Attributes:
        step: steps done, 0 to `steps`.
        steps: steps in total.
        seconds: since `render()` was called.
        objective: the value that is maximised, without its weight; None before the first step.
        shown_activation: of the clip as it would be shown now; None where it was not measured.
        preview: that clip, (T, H, W, 3) uint8 RGB; None where it was not made.
    """

    step: int
    steps: int
    seconds: float
    objective: float | None
    shown_activation: float | None = None
    preview: np.ndarray | None = None


OnProgress = Callable[[Progress], None]
"""Called after every few steps. It may raise `Cancelled` to stop the render."""
