"""`Looking`: what the page shows of a clip, as far as the workers have answered."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from c3dvis.errors import Cancelled
from c3dvis.media.overlay import overlay, scale_of
from c3dvis.networks.classes import full_title
from c3dvis.probe import Attribution, FilterResponse, ProbeResult, Target
from c3dvis.queue import ProbeJob
from c3dvis.spec import RenderSpec
from c3dvis.ui.probe.answers import Questions
from c3dvis.ui.probe.page_state import VIEWS

SHOWN_FILTERS = 6
"""Filters of a layer that are shown with their feature maps."""


@dataclass(frozen=True, eq=False)
class Heat:
    """A heat map over the clip.

    Attributes:
        values: (t, h, w) float32.
        signed: whether values below 0 mean something.
        name: what it is.
    """

    values: np.ndarray
    signed: bool
    name: str

    @property
    def strongest(self) -> float:
        """The value of the strongest colour."""
        return scale_of(self.values)


class Looking:
    """The questions that the page's state asks, and their answers.

    What is answered is looked at once: an answer that comes while the page is drawn is drawn by its next run.

    Args:
        questions: about the clip.

    Attributes:
        clip: the window as it is shown, (T, H, W, 3) uint8.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions, self.state = questions, questions.state
        domain, clip = self.state.info.domain, questions.clip
        self.clip = (
            clip
            if clip.shape[-1] == 3 and domain.channels == 3
            else domain.picture(domain.to_clip(domain.to_network(clip)))
        )
        self._answered: dict[ProbeJob, bool] = {}
        self.probe_job = questions.ask("probe")

    def is_answered(self, job: ProbeJob) -> bool:
        """Whether a question was answered, or failed, when it was first looked at."""
        return self._answered.setdefault(job, job.is_finished)

    def answer(self, job: ProbeJob | None) -> Any:
        """The answer to a question, or None without one."""
        return job.result() if job and self.is_answered(job) and not job.error else None

    @property
    def found(self) -> ProbeResult | None:
        """Classes and responses."""
        return self.answer(self.probe_job)

    @cached_property
    def target(self) -> Target | None:
        """The chosen filter, or the one of the layer that responds most; None while that is not known."""
        if self.state.filter is not None:
            return Target(self.state.layer, self.state.filter)
        best = self.strongest_filters
        return Target(best[0].layer, best[0].filter) if best else None

    @property
    def strongest_filters(self) -> tuple[FilterResponse, ...]:
        """The filters of the layer that respond most; none while that is not known."""
        return self.found.layers.get(self.state.layer, ())[:SHOWN_FILTERS] if self.found else ()

    @cached_property
    def view_job(self) -> ProbeJob | None:
        """The question that the view asks about the target."""
        if self.target is None or self.state.view == "clip":
            return None
        return self._questions.ask(self.state.view, self.target)

    @cached_property
    def map_jobs(self) -> list[ProbeJob]:
        """The feature maps of the `strongest_filters`."""
        return [self._questions.ask("feature_map", Target(one.layer, one.filter)) for one in self.strongest_filters]

    @cached_property
    def heat(self) -> Heat | None:
        """The heat map of the view; None until it is there."""
        answer = self.answer(self.view_job)
        if answer is None:
            return None
        name = VIEWS[self.state.view]
        if isinstance(answer, Attribution):
            return Heat(answer.values, answer.method == "integrated_gradients", name)
        return Heat(answer, False, name)

    @cached_property
    def shown(self) -> np.ndarray:
        """The clip with the heat map of the view, (T, H, W, 3) uint8; without one the clip alone."""
        heat = self.heat
        return self.clip if heat is None else overlay(self.clip, heat.values, signed=heat.signed)

    @property
    def title(self) -> str:
        """What the view shows."""
        target = self.target
        if target is None:
            return "The clip"
        spec = RenderSpec(network=self.state.network, layer=target.layer, filter=target.filter)
        return f"{VIEWS[self.state.view]} of {full_title(spec)}"

    @property
    def waiting(self) -> list[ProbeJob]:
        """The questions without an answer, in their order."""
        jobs = [self.probe_job, *([self.view_job] if self.view_job else []), *self.map_jobs]
        return [job for job in dict.fromkeys(jobs) if not self.is_answered(job)]

    @property
    def problem(self) -> str:
        """Why a question has no answer, one sentence; empty if there is no such."""
        for job in (self.probe_job, self.view_job, *self.map_jobs):
            if job and self.is_answered(job) and job.error and not isinstance(job.error, Cancelled):
                return job.error.message
        return ""

    @cached_property
    def key_of_clip(self) -> str:
        """Identifies the clip."""
        return hashlib.sha256(self.clip.tobytes()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """Identifies what the player shows."""
        target = self.target
        shown = f"{target.layer}.{target.filter}.{self.state.view}" if target and self.heat else "alone"
        return f"{self.key_of_clip}.{shown}"
