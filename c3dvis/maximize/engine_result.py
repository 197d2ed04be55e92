"""`EngineResult`: what an engine returns for one clip."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class EngineResult:
    """The clip that an engine found.

    Attributes:
        clip: (T, H, W, planes) uint8: RGB, or a value for each of more than three channels.
        history: a dict of step, seconds, objective and shown_activation for each report along the way.
        precision: of the network's arithmetic, `float32` or `bfloat16`.
    """

    clip: np.ndarray
    history: list[dict[str, Any]]
    precision: str
