"""The engine `fast`, c3dvis's own: optimises the clips of specs.

The clips of a batch are optimised together. They are either variants, clips of one filter that are optimised to differ
from each other, or clips of several filters of one layer. These share the network's forward and backward pass, but do
not influence each other.
"""

import math
import threading
import time
from collections.abc import Sequence

import numpy as np
from cachetools import LRUCache, cached

from c3dvis.errors import Cancelled, RenderFailed
from c3dvis.maximize.batch_item import BatchItem
from c3dvis.maximize.energy.energy import Energy
from c3dvis.maximize.energy.objectives import LEAK, filter_weights, position_weights
from c3dvis.maximize.engine_result import EngineResult
from c3dvis.maximize.loop import shown_clip
from c3dvis.maximize.optimization import Optimization, compiled_steps, parametrization_of
from c3dvis.maximize.preferred_motion import let_move
from c3dvis.maximize.progress import OnProgress, Progress
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.schedule import (
    EARLY,
    EARLY_RIVALRY,
    SKETCH_RATE,
    Schedule,
    first_shapes,
    full_views,
    next_rivalry,
    settling_rates,
    sketch_views,
)
from c3dvis.maximize.volume.canvas import tile_canvas
from c3dvis.maximize.volume.parametrization import FourierVolume, Parametrization, Size
from c3dvis.maximize.volume.pixel_volume import PixelVolume
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.neuron_window import Window, window
from c3dvis.spec import RenderSpec

REPORT_EVERY = 8
"""Steps at full size between two reports. On the small canvas each step is reported."""

MEASURE_EVERY = 2
"""Reports between two measurements of the shown activation, which cost a forward pass each."""

EARLY_REPORTS = (1, 2, 4, 12)
"""Steps at which a search without a small canvas reports too, so that a person sees a first picture soon. About the
twelfth step shows shapes."""


def maximize(
    network: Network, spec: RenderSpec, measures: Quality, on_progress: OnProgress | None, began: float,
    start_clip: np.ndarray | None = None,
) -> EngineResult:  # fmt: skip
    """Optimise the clip that a spec asks for.

    Args:
        start_clip: (T, H, W, 3) uint8 of a spec that has one.
        on_progress: called every few steps. An error that it raises ends the optimisation.
        began: `time.perf_counter()` when the render began.

    Raises:
        RenderFailed: a value overflowed.
        Cancelled: raised by `on_progress`.
    """
    if spec.variants > 1:
        return maximize_variants(network, spec, measures, on_progress, began)[spec.variant]
    item = BatchItem(spec, measures, on_progress)
    _BatchSearch(network, [item], began, start_clip).run()
    return item.result()


@cached(
    LRUCache(2), key=lambda network, spec, *_: (network.fingerprint, spec.replace(variant=0)), lock=threading.Lock()
)
def maximize_variants(
    network: Network, spec: RenderSpec, measures: Quality, on_progress: OnProgress | None, began: float
) -> list[EngineResult]:
    """Optimise all variants of a spec as one batch. The results are kept for the renders of the other variants."""
    items = [BatchItem(spec.replace(variant=variant), measures) for variant in range(spec.variants)]
    items[spec.variant].on_progress = on_progress
    _BatchSearch(network, items, began).run()
    return [item.result() for item in items]


def maximize_batch(network: Network, items: Sequence[BatchItem], began: float) -> None:
    """Optimise the clips of specs that differ in their filter alone, as one batch.

    Afterwards `result()` of each item returns what `maximize` would have returned for it, or raises its error. An item
    whose `on_progress` raises `Cancelled` is left out, and the others go on.
    """
    by_rivalry: dict[bool, list[BatchItem]] = {}
    for item in items:  # compiled steps have a rivalry term for all volumes of a batch or for none
        by_rivalry.setdefault(item.noise() is not None, []).append(item)
    for batch in by_rivalry.values():
        _BatchSearch(network, batch, began).run()


class _BatchSearch:
    """One batch's way through its schedule: sketch on the small canvas, climb at full size, settle.

    `run` leaves in each item its result or its error.
    """

    def __init__(
        self, network: Network, items: Sequence[BatchItem], began: float, start_clip: np.ndarray | None = None
    ) -> None:
        self._network = network
        self._start_clip = start_clip
        self._items = items
        self._spec = spec = items[0].spec  # for what the items have in common
        self._began = began
        self._precision = network.precision(spec.precision)
        self._schedule = Schedule.of(spec, network.info)
        self._size = (spec.frames, spec.height, spec.width)
        self._window = _window_of_neuron(network, spec)
        self._step = 0
        for item in items:
            item.steps, item.climb_steps = spec.iterations, self._schedule.climb

    @property
    def _is_alone(self) -> bool:
        """Whether the items are of one filter, for whose first picture a person waits."""
        return len(self._items) == self._spec.variants

    def run(self) -> None:
        """Do all steps, or as many as any item needs."""
        if self._is_alone:
            self._report_start()
        start = self._sketch() if self._schedule.canvas else None
        if self._active():
            self._climb_and_settle(start)

    def _report_start(self) -> None:
        """Report the volume from which the search starts: to measure noise and to compile takes a few seconds."""
        canvas = self._schedule.canvas or (self._window.size if self._window else self._size)
        parametrization = parametrization_of(self._network, self._spec, canvas, self._start_clip)
        for item, start in zip(self._items, self._start(parametrization), strict=True):
            if item.on_progress:
                clip = shown_clip(parametrization, self._network.input_domain, start[np.newaxis])
                seconds = time.perf_counter() - self._began
                self._call(
                    item,
                    Progress(0, item.steps, seconds, None, None, self._network.input_domain.picture(self._whole(clip))),
                )

    def _sketch(self) -> np.ndarray:
        """Optimise the small canvas. Returns the parameters (count, *shape) at full size that its copies make."""
        spec, canvas, steps = self._spec, self._schedule.canvas, self._schedule.sketch
        assert canvas
        # the sketch follows the objective alone
        energy = self._energy(canvas)._replace(lp_weight=0.0, tv_space_weight=0.0, tv_time_weight=0.0)
        optimization = self._optimization(canvas, energy, one_by_one=True)
        views = sketch_views(spec, steps)
        rates = np.full((steps, len(self._items)), SKETCH_RATE * spec.learning_rate, np.float32)
        at_once = 1 if self._is_alone else steps
        for i in range(0, steps, at_once):
            if self._active():
                self._advance(optimization, views[i : i + at_once], rates[i : i + at_once])
                self._report_all(optimization)
        small, large = optimization.parametrization, parametrization_of(self._network, spec, self._size)
        assert isinstance(small, FourierVolume | PixelVolume)  # no other is periodic
        found = optimization.parameters.numpy()
        return np.stack([tile_canvas(small, *each, large) for each in zip(found, self._seeds(), strict=True)])

    def _climb_and_settle(self, start: np.ndarray | None) -> None:
        """Optimise at full size, from `start` (count, *shape) or from noise."""
        schedule, spec = self._schedule, self._spec
        canvas = self._window.size if self._window else self._size
        energy = self._energy(canvas)
        noise = self._items[0].noise()  # of the layer, so that it is the same for all items
        if noise is not None:
            energy = energy._replace(noise=noise, selectivity_weight=self._rivalry_weights(0.0))
        optimization = self._optimization(canvas, energy, start)
        views = full_views(spec, schedule.climb + schedule.settle)
        if not schedule.climb:
            self._report_all(optimization)
        while optimization.steps < len(views) and (active := self._active()):
            climbing = any(optimization.steps < item.climb_steps for item in active)
            end = schedule.climb if climbing else max(item.climb_steps for item in active) + schedule.settle
            part = slice(optimization.steps, min(optimization.steps + REPORT_EVERY, end))
            rates = np.stack([self._rates(item)[part] for item in self._items], axis=1)
            if noise is not None:
                optimization.set_selectivity_weights(self._rivalry_weights(part.start / len(views)))
            first = part.start
            for stop in () if schedule.canvas else [step for step in EARLY_REPORTS if part.start < step < part.stop]:
                self._advance(optimization, views[first:stop], rates[first - part.start : stop - part.start])
                self._report_all(optimization)
                first = stop
            self._advance(optimization, views[first : part.stop], rates[first - part.start :])
            going_on = [i for i, item in enumerate(self._items) if not item.is_over]
            if not part.start:
                optimization.wake_silent(going_on)
            if part.start >= EARLY * len(views):
                for item, of_steps in zip(self._items, optimization.log[:, 2].T, strict=True):
                    item.rivalry = next_rivalry(item.rivalry, of_steps)
            if part.start < first_shapes(len(views)) <= part.stop:
                let_move(optimization, going_on)
            self._report_and_measure(optimization)
        for i, item in enumerate(self._items):  # those of a schedule without steps at full size
            if not item.is_over:
                item.outcome = EngineResult(self._clip(optimization, i), item.history, self._precision)

    def _rivalry_weights(self, progress: float) -> np.ndarray:
        """The weight of each item's rivalry, (count,) float32, after a share of the steps at full size."""
        share = EARLY_RIVALRY if progress < EARLY else 1.0
        return np.array([self._spec.selectivity_weight * share * item.rivalry for item in self._items], np.float32)

    def _active(self) -> list[BatchItem]:
        """The items that are not over."""
        return [item for item in self._items if not item.is_over]

    def _optimization(
        self, canvas: Size, energy: Energy, start: np.ndarray | None = None, one_by_one: bool = False
    ) -> Optimization:
        """The items' optimisation on a canvas, from `start` (count, *shape) or from noise."""
        spec, count = self._spec, len(self._items)
        terms = energy.terms(spec.objective, diversity=spec.variants > 1)
        steps = compiled_steps(self._network, spec, canvas, self._precision, terms, count, start_clip=self._start_clip)
        return Optimization(steps, self._start(steps.parametrization) if start is None else start, energy, one_by_one)

    def _rates(self, item: BatchItem) -> np.ndarray:
        """An item's learning rate at each step at full size, (steps,) float32: 0 once it is over."""
        schedule, rate = self._schedule, self._spec.learning_rate
        rates = np.zeros(schedule.climb + schedule.settle, np.float32)
        rates[: item.climb_steps] = rate
        rates[item.climb_steps : item.climb_steps + schedule.settle] = settling_rates(rate, schedule.settle)
        return rates

    def _start(self, parametrization: Parametrization) -> np.ndarray:
        """Noise (count, *shape)."""
        return np.stack([parametrization.start(seed) for seed in self._seeds()])

    def _seeds(self) -> list[int]:
        """The seed from which each item starts: the same for different filters, different for variants of one."""
        seed, count = self._spec.seed, len(self._items)
        if self._spec.variants == 1:
            return [seed] * count
        others = [int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) for i in range(1, count)]
        return [seed, *others]  # the first variant starts where a single clip does

    def _energy(self, canvas: Size) -> Energy:
        """The items' energy on a canvas, without rivalry."""
        spec = self._spec
        shape = self._network.info.output_shape(spec.layer, *canvas)
        target = spec.replace(position=self._window.position) if self._window else spec
        return Energy(
            positions=position_weights(target, shape),
            filters=np.stack([filter_weights(item.spec, shape) for item in self._items]),
            noise=np.zeros((2, shape[3]), np.float32),
            activation_weight=spec.activation_weight,
            selectivity_weight=np.zeros(len(self._items), np.float32),
            lp_weight=spec.lp_weight,
            lp_p=spec.lp_p,
            tv_space_weight=spec.tv_space_weight,
            tv_time_weight=spec.tv_time_weight,
            tv_beta=spec.tv_beta,
            leak=LEAK,
        )

    def _advance(self, optimization: Optimization, views: np.ndarray, rates: np.ndarray) -> None:
        """Do steps, and end the items whose objective, energy or parameters are no longer finite."""
        optimization.advance(views, rates)
        self._step += len(rates)
        logs, parameters = np.moveaxis(optimization.log, 2, 0), optimization.parameters.numpy()
        for item, *numbers in zip(self._items, logs, parameters, strict=True):
            if not item.is_over and not all(np.isfinite(each).all() for each in numbers):
                item.error = RenderFailed(
                    f"The search left the range of {self._precision} numbers at step {self._step} of "
                    f"{self._spec.iterations}. Lower the learning rate ({self._spec.learning_rate:g}) or the weights."
                )

    def _report_all(self, optimization: Optimization) -> None:
        for i, item in enumerate(self._items):
            if not item.is_over:
                self._report(optimization, i, measured=False)

    def _report_and_measure(self, optimization: Optimization) -> None:
        """Report; end the items that have settled; let those settle whose shown activation has levelled off."""
        settle = self._schedule.settle
        reports = math.ceil(optimization.steps / REPORT_EVERY)
        for i, item in enumerate(self._items):
            if item.is_over:
                continue
            ends = optimization.steps >= item.climb_steps + settle
            climbs = optimization.steps <= item.climb_steps
            measured = climbs and reports % MEASURE_EVERY == 0 and self._spec.variants == 1
            clip = self._report(optimization, i, measured=ends or measured)
            if ends:
                item.outcome = EngineResult(clip, item.history, self._precision)
            elif measured and item.has_levelled():
                item.climb_steps, item.steps = optimization.steps, self._step + settle

    def _report(self, optimization: Optimization, index: int, measured: bool) -> np.ndarray:
        """Append to an item's history, call its `on_progress`, and return its clip as it is now."""
        item = self._items[index]
        clip = self._clip(optimization, index)
        seconds = time.perf_counter() - self._began
        objective = float(optimization.log[-1, 0, index])
        step = min(self._step, item.steps)
        shown = item.measures.shown_activation(clip) if measured else None
        if step:
            row = {"step": step, "seconds": seconds, "objective": objective, "shown_activation": shown}
            item.history.append(row)
        picture = self._network.input_domain.picture(clip)
        self._call(item, Progress(step, item.steps, seconds, objective, shown, picture))
        return clip

    def _call(self, item: BatchItem, progress: Progress) -> None:
        """Call an item's `on_progress`; an item that is cancelled by it ends."""
        if item.on_progress:
            try:
                item.on_progress(progress)
            except Cancelled as error:
                item.error = error

    def _clip(self, optimization: Optimization, index: int) -> np.ndarray:
        """An item's clip as it would be shown now."""
        return self._whole(optimization.clip(index))

    def _whole(self, clip: np.ndarray) -> np.ndarray:
        """A clip at full size: a small canvas is repeated, a neuron's window lies in grey."""
        if self._window:
            whole = np.full((*self._size, clip.shape[-1]), 128, np.uint8)
            box = zip(self._window.start, self._window.size, strict=True)
            whole[tuple(slice(start, start + length) for start, length in box)] = clip
            return whole
        for axis, length in enumerate(self._size):
            if clip.shape[axis] < length:
                clip = np.take(clip, np.arange(length) % clip.shape[axis], axis=axis)
        return clip


def _window_of_neuron(network: Network, spec: RenderSpec) -> Window | None:
    """The part of the clip on which a neuron depends, if it is at most half of the clip."""
    if spec.objective != "neuron" or spec.start_clip:
        return None
    if network.input_domain.mean_image is not None:  # it depends on the position
        return None
    size = (spec.frames, spec.height, spec.width)
    t, h, w, _ = network.info.output_shape(spec.layer, *size)
    box = window(network.architecture, spec.layer, spec.position or (t // 2, h // 2, w // 2), size)
    return box if 2 * np.prod(box.size) <= np.prod(size) else None
