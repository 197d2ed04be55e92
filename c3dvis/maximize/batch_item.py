"""One of the clips that the engine `fast` optimises together, and how far it is."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from c3dvis.errors import C3dvisError, RenderFailed
from c3dvis.maximize.engine_result import EngineResult
from c3dvis.maximize.progress import OnProgress
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.schedule import has_levelled
from c3dvis.spec import RenderSpec


@dataclass(eq=False)
class BatchItem:
    """One of the clips of a batch.

    Attributes:
        spec: what to render.
        measures: of its target.
        on_progress: called every few steps.
        steps: in total; fewer than the spec's once the shown activation has levelled off.
        climb_steps: steps at full size before the learning rate falls.
        rivalry: factor of the weight of its rivalry.
        history: as in `EngineResult`.
        error: why there is no result.
        outcome: the result.
    """

    spec: RenderSpec
    measures: Quality
    on_progress: OnProgress | None = None
    steps: int = 0
    climb_steps: int = 0
    rivalry: float = 1.0
    history: list[dict[str, Any]] = field(default_factory=list)
    error: C3dvisError | None = None
    outcome: EngineResult | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has a result or an error."""
        return self.error is not None or self.outcome is not None

    def result(self) -> EngineResult:
        """The result; raises the error if there is none."""
        if self.outcome is None:
            raise self.error or RenderFailed(f"The optimisation of {self.spec.title} ended without a clip.")
        return self.outcome

    def noise(self) -> np.ndarray | None:
        """(2, filters) for `rivalry.rivalry`; None if the energy has no rivalry term."""
        spec = self.spec
        if not spec.selectivity_weight or spec.objective == "layer" or not isinstance(spec.filter, int):
            return None
        noise = self.measures.noise_scale()
        return noise if noise[1, spec.filter] else None  # a target that is silent on noise has no standardised response

    def has_levelled(self) -> bool:
        """Whether the latest measurements of the shown activation brought no rise."""
        return has_levelled([row["shown_activation"] for row in self.history if row["shown_activation"] is not None])
