"""The `fast` engine: from specs to the clips that are shown.

Volumes that are searched together are the *members* of one search: the variants of one clip, which are to differ, or
several filters of one layer, which share the network's pass and know nothing of each other.
"""

import contextlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from c3dvis.errors import C3dvisError, Cancelled, RenderFailed
from c3dvis.maximize.compiled import Run, parametrization_of, search_of
from c3dvis.maximize.loop import Energy, Search
from c3dvis.maximize.objectives import LEAK, filter_weights, positions
from c3dvis.maximize.parametrization import Size, spread
from c3dvis.maximize.progress import OnProgress, Progress
from c3dvis.maximize.schedule import SKETCH_RATE, Schedule, full_views, has_levelled, settling_rates, sketch_views
from c3dvis.networks.compute.device import resolve_precision
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.receptive_window import Window, window
from c3dvis.spec import RenderSpec

STEPS_AT_ONCE = 8
"""Steps between two looks at the volume at full size; a sketch is looked at after each step."""

MEASURE_EVERY = 2
"""Looks between two measures of the shown activation, which cost a pass through the network each."""

_FAMILIES_KEPT = 2
_families: OrderedDict[tuple[str, str], list["Outcome"]] = OrderedDict()
"""Variants that were looked for together, so that each is not looked for again when its turn comes."""
_lock = threading.Lock()


class Measures(Protocol):
    """What a search wants to know on its way; `quality.Quality` does."""

    def shown_activation(self, clip: np.ndarray) -> float:
        """The target's mean response to a clip (T, H, W, 3) uint8."""
        ...

    def noise_scale(self) -> np.ndarray:
        """(2, filters) float32 for `objectives.rivalry`."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What an engine found.

    Attributes:
        clip: (T, H, W, 3) uint8 RGB, as shown.
        history: {step, seconds, objective, shown_activation} along the way.
        precision: of the network's arithmetic.
    """

    clip: np.ndarray
    history: list[dict[str, Any]]
    precision: str


def maximize(
    network: Network, spec: RenderSpec, measures: Measures, on_progress: OnProgress | None, began: float
) -> Outcome:
    """Search the volume that a spec asks for.

    Args:
        on_progress: called every few steps; what it raises ends the search.
        began: `time.perf_counter()` when the render began.

    Raises:
        RenderFailed: the numbers overflowed.
    """
    if spec.variants == 1:
        member = Member(spec, measures, on_progress)
        _Search(network, [member], began).run()
        return member.result()
    key = (network.fingerprint, spec.replace(variant=0).to_json())
    with _lock:
        found = _families.get(key)
    if found is None:
        members = [Member(spec.replace(variant=variant), measures) for variant in range(spec.variants)]
        members[spec.variant].on_progress = on_progress
        _Search(network, members, began).run()
        found = [member.result() for member in members]
        with _lock:
            _families[key] = found
            while len(_families) > _FAMILIES_KEPT:
                _families.popitem(last=False)
    return found[spec.variant]


def maximize_together(network: Network, members: Sequence["Member"], began: float) -> None:
    """Search the volumes of specs that differ in their filter alone, as one batch.

    Each member has its `result` after that: what `maximize` would have found for it, or an error. A member whose
    `on_progress` raises `Cancelled` is left out, and the others go on.
    """
    searches: dict[bool, list[Member]] = {}
    for member in members:  # whether it takes part in a race decides which terms its energy has
        searches.setdefault(member.noise() is not None, []).append(member)
    for together in searches.values():
        _Search(network, together, began).run()


@dataclass(eq=False)
class Member:
    """One of the volumes that are searched together.

    Attributes:
        spec: what it is to be.
        measures: of its target.
        on_progress: called every few steps.
        steps: it takes in all; fewer than the spec's once it has levelled.
        climbs: steps at full size after which it settles.
        history: as in `Outcome`.
        error: why it came to nothing.
        outcome: what was found.
    """

    spec: RenderSpec
    measures: Measures
    on_progress: OnProgress | None = None
    steps: int = 0
    climbs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    error: C3dvisError | None = None
    outcome: Outcome | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done for it."""
        return self.error is not None or self.outcome is not None

    def result(self) -> Outcome:
        """What was found; raises the error if there is one."""
        if self.outcome is None:
            raise self.error or RenderFailed(f"The search for {self.spec.title} ended without a clip.")
        return self.outcome

    def noise(self) -> np.ndarray | None:
        """(2, filters) for `objectives.rivalry`; None for what does not race against the layer's other filters."""
        spec = self.spec
        if not spec.selectivity_weight or spec.objective == "layer" or not isinstance(spec.filter, int):
            return None
        noise = self.measures.noise_scale()
        return noise if noise[1, spec.filter] else None  # noise leaves it silent, and a race needs its runner

    def has_levelled(self) -> bool:
        """Whether the latest looks at its shown activation brought nothing more."""
        return has_levelled([row["shown_activation"] for row in self.history if row["shown_activation"] is not None])


class _Search:
    """One search under way; `run` leaves in each member what was found for it."""

    def __init__(self, network: Network, members: Sequence[Member], began: float) -> None:
        self._network = network
        self._members = members
        self._spec = spec = members[0].spec  # for all that they have in common
        self._began = began
        self._precision = resolve_precision(spec.precision)
        self._schedule = Schedule.of(spec, network.info)
        self._size = (spec.frames, spec.height, spec.width)
        self._window = _neurons_window(network, spec)
        self._step = 0
        for member in members:
            member.steps, member.climbs = spec.iterations, self._schedule.climb

    def run(self) -> None:
        """Sketch on the small canvas, climb at full size, settle."""
        with contextlib.suppress(_NothingLeft):
            self._run()

    def _run(self) -> None:
        plan, spec = self._schedule, self._spec
        start = self._sketch() if plan.canvas else None
        canvas = self._window.size if self._window else self._size
        energy = self._energy(canvas)
        search = search_of(self._network, spec, canvas, self._precision, energy)
        run = Run(search, self._start(search) if start is None else start, energy)
        views = full_views(spec, plan.climb + plan.settle)
        if not plan.climb:
            self._look(run)
        while run.steps < len(views):
            left = [member for member in self._members if not member.is_over]
            climbing = any(run.steps < member.climbs for member in left)
            last = plan.climb if climbing else max(member.climbs for member in left) + plan.settle
            part = slice(run.steps, min(run.steps + STEPS_AT_ONCE, last))
            self._advance(run, views[part], np.stack([self._rates(member)[part] for member in self._members], axis=1))
            self._look_at_full_size(run)
        for i, member in enumerate(self._members):  # where there is not one step at full size
            if not member.is_over:
                member.outcome = Outcome(self._shown(run, i), member.history, self._precision)

    def _rates(self, member: Member) -> np.ndarray:
        """Its learning rate at each step at full size: 0 once it is over."""
        plan, rate = self._schedule, self._spec.learning_rate
        rates = np.zeros(plan.climb + plan.settle, np.float32)
        rates[: member.climbs] = rate
        rates[member.climbs : member.climbs + plan.settle] = settling_rates(rate, plan.settle)
        return rates

    def _start(self, search: Search) -> np.ndarray:
        """Numbers (count, *shape) that a search starts from: filters from the same, variants from different ones."""
        seeds = [self._spec.seed] * len(self._members)
        if self._spec.variants > 1:  # the first is that of a search for one clip
            seeds[1:] = [
                np.random.SeedSequence([self._spec.seed, i]).generate_state(1)[0] for i in range(1, len(seeds))
            ]
        return np.stack([search.parametrization.start(int(seed)) for seed in seeds])

    def _sketch(self) -> np.ndarray:
        """Numbers that lay the full canvas with what was found on the small one."""
        spec, canvas, steps = self._spec, self._schedule.canvas, self._schedule.sketch
        assert canvas
        energy = self._energy(canvas, sketch=True)
        search = search_of(self._network, spec, canvas, self._precision, energy)
        run = Run(search, self._start(search), energy, one_by_one=True)
        views = sketch_views(spec, steps)
        rates = np.full((steps, len(self._members)), SKETCH_RATE * spec.learning_rate, np.float32)
        alone = len(self._members) == spec.variants
        at_once = 1 if alone else steps  # someone waits for the first picture of one filter
        for i in range(0, steps, at_once):
            self._advance(run, views[i : i + at_once], rates[i : i + at_once])
            self._look(run)
        large = parametrization_of(self._network, spec, self._size)
        return np.stack([spread(search.parametrization, one, large, spec.seed) for one in run.numbers.numpy()])

    def _advance(self, run: Run, views: np.ndarray, rates: np.ndarray) -> None:
        run.advance(views, rates)
        self._step += len(rates)
        for member, log in zip(self._members, np.moveaxis(run.log, 2, 0), strict=True):
            if not member.is_over and not np.isfinite(log).all():
                member.error = RenderFailed(
                    f"The search left the range of {self._precision} numbers at step {self._step} of "
                    f"{self._spec.iterations}. Lower the learning rate ({self._spec.learning_rate:g}) or the weights."
                )

    def _look(self, run: Run) -> None:
        for i, member in enumerate(self._members):
            if not member.is_over:
                self._tell(run, i, measured=False)
        self._go_on_with_the_rest()

    def _look_at_full_size(self, run: Run) -> None:
        """Also end the members that have settled, and let those settle that have levelled."""
        settle = self._schedule.settle
        looks = math.ceil(run.steps / STEPS_AT_ONCE)
        for i, member in enumerate(self._members):
            if member.is_over:
                continue
            ends = run.steps >= member.climbs + settle
            weighs = run.steps <= member.climbs and looks % MEASURE_EVERY == 0 and self._spec.variants == 1
            clip = self._tell(run, i, measured=ends or weighs)
            if ends:
                member.outcome = Outcome(clip, member.history, self._precision)
            elif weighs and member.has_levelled():
                member.climbs, member.steps = run.steps, self._step + settle
        self._go_on_with_the_rest()

    def _go_on_with_the_rest(self) -> None:
        if all(member.is_over for member in self._members):
            raise _NothingLeft

    def _tell(self, run: Run, index: int, measured: bool) -> np.ndarray:
        """Note where a member stands, tell whoever listens, and return its clip as it would be shown now."""
        member = self._members[index]
        clip = self._shown(run, index)
        seconds = time.perf_counter() - self._began
        objective = float(run.log[-1, 0, index])
        step = min(self._step, member.steps)
        shown = member.measures.shown_activation(clip) if measured else None
        if step:
            row = {"step": step, "seconds": seconds, "objective": objective, "shown_activation": shown}
            member.history.append(row)
        if member.on_progress:
            try:
                member.on_progress(Progress(step, member.steps, seconds, objective, shown, clip))
            except Cancelled as error:
                member.error = error
        return clip

    def _shown(self, run: Run, index: int) -> np.ndarray:
        """The clip as it would be shown now: a small canvas is repeated, a neuron's window stands in grey."""
        clip = run.shown(index)
        if self._window:
            whole = np.full((*self._size, 3), 128, np.uint8)
            box = zip(self._window.start, self._window.size, strict=True)
            whole[tuple(slice(start, start + length) for start, length in box)] = clip
            return whole
        for axis, length in enumerate(self._size):
            if clip.shape[axis] < length:
                clip = np.take(clip, np.arange(length) % clip.shape[axis], axis=axis)
        return clip

    def _energy(self, canvas: Size, sketch: bool = False) -> Energy:
        """The members' energy on a canvas; a sketch follows the objective alone."""
        spec = self._spec
        shape = self._network.info.output_shape(spec.layer, *canvas)
        target = spec.replace(position=self._window.position) if self._window else spec
        filters = np.stack([filter_weights(member.spec, shape) for member in self._members])
        energy = Energy(
            positions(target, shape), filters, np.zeros((2, shape[3]), np.float32),
            spec.activation_weight, spec.lp_weight, spec.lp_p, spec.tv_space_weight, spec.tv_time_weight, spec.tv_beta,
            0.0, LEAK,
        )  # fmt: skip
        if sketch:
            return replace(energy, lp_weight=0.0, tv_space_weight=0.0, tv_time_weight=0.0)
        noise = self._members[0].noise()  # the same for all, since it is of the layer
        return energy if noise is None else replace(energy, noise=noise, selectivity_weight=spec.selectivity_weight)


class _NothingLeft(Exception):
    """Every member of a search is over."""


def _neurons_window(network: Network, spec: RenderSpec) -> Window | None:
    """The part of the clip that a neuron sees, where that is less than half of it."""
    if spec.objective != "neuron" or network.input_domain.mean_image is not None:  # which differs from place to place
        return None
    size = (spec.frames, spec.height, spec.width)
    t, h, w, _ = network.info.output_shape(spec.layer, *size)
    box = window(network.architecture, spec.layer, spec.position or (t // 2, h // 2, w // 2), size)
    return box if 2 * np.prod(box.size) <= np.prod(size) else None
