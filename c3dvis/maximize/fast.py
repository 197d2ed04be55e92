"""The `fast` engine: a spec's search, from its start to the clip that is shown."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from c3dvis.errors import RenderFailed
from c3dvis.maximize.loop import Energy, Search
from c3dvis.maximize.objectives import LEAK, filter_weights, positions
from c3dvis.maximize.optimizers import Adam, KerasVisRMSProp
from c3dvis.maximize.parametrization import FourierVolume, PixelVolume, Size, spread
from c3dvis.maximize.progress import OnProgress, Progress
from c3dvis.maximize.schedule import SKETCH_RATE, Schedule, full_views, has_levelled, settling_rates, sketch_views
from c3dvis.networks.device import resolve_precision
from c3dvis.networks.network import Network
from c3dvis.networks.window import Window, window
from c3dvis.spec import RenderSpec

STEPS_AT_ONCE = 8
"""Steps between two looks at the volume at full size; a sketch is looked at after each step."""

MEASURE_EVERY = 2
"""Looks between two measures of the shown activation, which cost a pass through the network each."""

_FAMILIES_KEPT = 2
_families: OrderedDict[tuple[str, str], list["Outcome"]] = OrderedDict()
"""Clips that were looked for together, so that each is not looked for again when its turn comes."""

_SEARCHES_KEPT = 8
_searches: OrderedDict[tuple[Any, ...], Search] = OrderedDict()
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
        return _Maximization(network, spec, measures, on_progress, began).run()[0]
    key = (network.fingerprint, spec.replace(variant=0).to_json())
    with _lock:
        found = _families.get(key)
    if found is None:
        found = _Maximization(network, spec, measures, on_progress, began).run()
        with _lock:
            _families[key] = found
            while len(_families) > _FAMILIES_KEPT:
                _families.popitem(last=False)
    return found[spec.variant]


class _Maximization:
    """One search under way."""

    def __init__(
        self, network: Network, spec: RenderSpec, measures: Measures, on_progress: OnProgress | None, began: float
    ) -> None:
        self._network = network
        self._spec = spec
        self._measures = measures
        self._on_progress = on_progress
        self._began = began
        self._precision = resolve_precision(spec.precision)
        self._schedule = Schedule.of(spec, network.info)
        self._size = (spec.frames, spec.height, spec.width)
        self._window = _neurons_window(network, spec)
        self._history: list[dict[str, Any]] = []
        self._step = 0
        self._steps = spec.iterations  # fewer, once the search has levelled

    def run(self) -> list[Outcome]:
        """Sketch on the small canvas, climb at full size, settle; an outcome for each variant."""
        spec, plan = self._spec, self._schedule
        start = self._sketch() if plan.canvas else None
        canvas = self._window.size if self._window else self._size
        energy = self._energy(canvas)
        search = self._search(canvas, energy)
        if start is None:
            start = self._start(search)
        run = _Run(search, start, energy)
        if not plan.climb:
            self._tell(run, measured=False)
        views = full_views(spec, plan.climb + plan.settle)
        shown: list[float] = []
        for look in range(0, plan.climb, STEPS_AT_ONCE):
            part = slice(look, min(look + STEPS_AT_ONCE, plan.climb))
            self._advance(run, views[part], np.full(part.stop - part.start, spec.learning_rate, np.float32))
            measured = (look // STEPS_AT_ONCE + 1) % MEASURE_EVERY == 0 or self._step == spec.iterations
            measured = measured and spec.variants == 1
            self._tell(run, measured)
            if measured:
                shown.append(self._history[-1]["shown_activation"])
                if has_levelled(shown):
                    self._steps = self._step + plan.settle
                    break
        rates = settling_rates(spec.learning_rate, plan.settle)
        views = views[run.steps : run.steps + plan.settle]
        for look in range(0, plan.settle, STEPS_AT_ONCE):
            part = slice(look, look + STEPS_AT_ONCE)
            self._advance(run, views[part], rates[part])
            self._tell(run, measured=look + STEPS_AT_ONCE >= plan.settle)
        clips = [self._shown(run, variant) for variant in range(spec.variants)]
        return [Outcome(clip, self._history_of(variant, clip), self._precision) for variant, clip in enumerate(clips)]

    def _start(self, search: Search) -> np.ndarray:
        """Numbers (variants, *shape) that a search starts from; the first are those of a search for one clip."""
        seeds = [np.random.SeedSequence([self._spec.seed, i]).generate_state(1)[0] for i in range(self._spec.variants)]
        return np.stack([search.parametrization.start(int(seed)) for seed in (self._spec.seed, *seeds[1:])])

    def _history_of(self, variant: int, clip: np.ndarray) -> list[dict[str, Any]]:
        """The history as it is for one variant: of several, the activation is measured at the end alone."""
        rows = [{**row, "objective": float(row["objective"][variant])} for row in self._history]
        if rows and self._spec.variants > 1:
            rows[-1]["shown_activation"] = self._measures.shown_activation(clip)
        return rows

    def _sketch(self) -> np.ndarray:
        """Numbers that lay the full canvas with what was found on the small one."""
        spec, canvas, steps = self._spec, self._schedule.canvas, self._schedule.sketch
        assert canvas
        energy = self._energy(canvas, sketch=True)
        search = self._search(canvas, energy)
        run = _Run(search, self._start(search), energy, one_by_one=True)
        views, rates = sketch_views(spec, steps), np.full(steps, SKETCH_RATE * spec.learning_rate, np.float32)
        for i in range(steps):
            self._advance(run, views[i : i + 1], rates[i : i + 1])
            self._tell(run, measured=False)
        large = self._parametrization(self._size)
        return np.stack([spread(search.parametrization, one, large, spec.seed) for one in run.numbers.numpy()])

    def _advance(self, run: "_Run", views: np.ndarray, rates: np.ndarray) -> None:
        run.advance(views, rates)
        self._step += len(rates)
        if not np.isfinite(run.log).all():
            raise RenderFailed(
                f"The search left the range of {self._precision} numbers at step {self._step} of "
                f"{self._spec.iterations}. Lower the learning rate ({self._spec.learning_rate:g}) or the weights."
            )

    def _tell(self, run: "_Run", measured: bool) -> None:
        """Note where the search stands, and tell whoever listens."""
        clip = self._shown(run, self._spec.variant)
        seconds = time.perf_counter() - self._began
        objectives = run.log[-1, 0]
        shown = self._measures.shown_activation(clip) if measured else None
        if self._step:
            self._history.append(
                {"step": self._step, "seconds": seconds, "objective": objectives, "shown_activation": shown}
            )
        if self._on_progress:
            objective = float(objectives[self._spec.variant])
            self._on_progress(Progress(self._step, self._steps, seconds, objective, shown, clip))

    def _shown(self, run: "_Run", variant: int) -> np.ndarray:
        """The clip as it would be shown now: a small canvas is repeated, a neuron's window stands in grey."""
        clip = run.shown(variant)
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
        """The spec's energy on a canvas; a sketch follows the objective alone."""
        spec = self._spec
        shape = self._network.info.output_shape(spec.layer, *canvas)
        target = spec.replace(position=self._window.position) if self._window else spec
        filters = np.tile(filter_weights(spec, shape), (spec.variants, 1))
        energy = Energy(
            positions(target, shape), filters, np.zeros((2, shape[3]), np.float32),
            spec.activation_weight, spec.lp_weight, spec.lp_p, spec.tv_space_weight, spec.tv_time_weight, spec.tv_beta,
            0.0, LEAK,
        )  # fmt: skip
        if sketch:
            return replace(energy, lp_weight=0.0, tv_space_weight=0.0, tv_time_weight=0.0)
        if spec.selectivity_weight and spec.objective != "layer" and isinstance(spec.filter, int):
            noise = self._measures.noise_scale()
            if noise[1, spec.filter]:  # else noise leaves the filter silent, and a race needs its runner
                return replace(energy, noise=noise, selectivity_weight=spec.selectivity_weight)
        return energy

    def _parametrization(self, canvas: Size) -> FourierVolume | PixelVolume:
        if self._spec.parametrization == "fourier":
            return FourierVolume(canvas)
        return PixelVolume(canvas, self._network.input_domain)

    def _search(self, canvas: Size, energy: Energy) -> Search:
        """The compiled search on a canvas, built once per layer, size and kind of energy, and kept for the next."""
        network, spec = self._network, self._spec
        whole_layer = spec.objective == "layer"
        key = (
            network.fingerprint, spec.layer, canvas, self._precision, spec.parametrization, whole_layer, energy.terms,
            spec.variants,
        )  # fmt: skip
        with _lock:
            if key not in _searches:
                _searches[key] = Search(
                    partial(network.forward, layer=spec.layer),
                    network.input_domain,
                    self._parametrization(canvas),
                    Adam() if spec.parametrization == "fourier" else KerasVisRMSProp(),
                    self._precision,
                    energy.terms,
                    whole_layer,
                    spec.variants,
                )
                while len(_searches) > _SEARCHES_KEPT:
                    _searches.popitem(last=False)
            _searches.move_to_end(key)
            return _searches[key]


class _Run:
    """The numbers of one canvas on their way.

    Attributes:
        numbers: (variants, *shape).
        log: (n, 2, variants), objective and energy of the latest steps.
        steps: done on this canvas.

    Args:
        one_by_one: compile a single step, which is there sooner, in place of a loop of them on the device.
    """

    def __init__(self, search: Search, start: np.ndarray, energy: Energy, one_by_one: bool = False) -> None:
        self._search = search
        self._one_by_one = one_by_one
        self._energy = energy.tensors()
        self._slots = search.slots()
        self.numbers = tf.constant(start)
        self.log = np.zeros((1, 2, len(start)), np.float32)
        self.steps = 0

    def advance(self, views: np.ndarray, rates: np.ndarray) -> None:
        """As many steps as there are rates."""
        parts = tuple(map(tf.constant, self._search.parametrization.prepare(views)))
        if self._one_by_one:
            log = tf.zeros(())
            for i, rate in enumerate(rates):
                view = tuple(part[i] for part in parts)
                self.numbers, self._slots, log = self._search.step(
                    self.numbers, self._slots, self._energy, tf.constant(self.steps + i), view, tf.constant(rate)
                )
            self.log = log.numpy()[np.newaxis]
        else:
            self.numbers, self._slots, log = self._search.advance(
                self.numbers, self._slots, self._energy, tf.constant(self.steps), parts, tf.constant(rates)
            )
            self.log = log.numpy()
        self.steps += len(rates)

    def shown(self, variant: int) -> np.ndarray:
        """A canvas as it would be shown now, (T, H, W, 3) uint8."""
        return self._search.shown(self.numbers, variant)


def _neurons_window(network: Network, spec: RenderSpec) -> Window | None:
    """The part of the clip that a neuron sees, where that is less than half of it."""
    if spec.objective != "neuron" or network.input_domain.mean_image is not None:  # which differs from place to place
        return None
    size = (spec.frames, spec.height, spec.width)
    t, h, w, _ = network.info.output_shape(spec.layer, *size)
    box = window(network.architecture, spec.layer, spec.position or (t // 2, h // 2, w // 2), size)
    return box if 2 * np.prod(box.size) <= np.prod(size) else None
