"""The `fast` engine: a spec's search, from its start to the clip that is shown."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.errors import RenderFailed
from c3dvis.maximize.device import resolve_precision
from c3dvis.maximize.loop import Energy, Search
from c3dvis.maximize.objectives import LEAK, filter_weights, positions
from c3dvis.maximize.optimizers import Adam, KerasVisRMSProp
from c3dvis.maximize.parametrization import FourierVolume, PixelVolume
from c3dvis.maximize.progress import OnProgress, Progress
from c3dvis.maximize.transforms import random_views
from c3dvis.networks.network import Network
from c3dvis.spec import RenderSpec

STEPS_AT_ONCE = 8
"""Steps between two looks at the volume."""

DECAY_FROM = 0.7
"""Share of the steps after which the learning rate falls linearly to 0, so that the last views leave no trace."""

_SEARCHES_KEPT = 8
_searches: OrderedDict[tuple[Any, ...], Search] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What an engine found.

    Attributes:
        clip: (T, H, W, 3) uint8 RGB, as shown.
        history: {step, seconds, objective, shown_activation} along the way.
        precision: of the network's arithmetic.
    """

    clip: np.ndarray
    history: list[dict[str, float]]
    precision: str


def maximize(network: Network, spec: RenderSpec, measure: Any, on_progress: OnProgress | None, began: float) -> Outcome:
    """Search the volume that a spec asks for.

    Args:
        measure: from a clip (T, H, W, 3) uint8 to its shown activation.
        on_progress: called every few steps; what it raises ends the search.
        began: `time.perf_counter()` when the render began.

    Raises:
        RenderFailed: the numbers overflowed.
    """
    precision = resolve_precision(spec.precision)
    search = _search(network, spec, precision)
    shape = network.info.output_shape(spec.layer, spec.frames, spec.height, spec.width)
    energy = Energy(
        positions(spec, shape), filter_weights(spec, shape), spec.activation_weight, spec.lp_weight, spec.lp_p,
        spec.tv_space_weight, spec.tv_time_weight, spec.tv_beta, LEAK,
    ).tensors()  # fmt: skip
    views = random_views(spec.iterations, spec.jitter_pixels, spec.jitter_frames, spec.seed)
    rates = learning_rates(spec)
    numbers, slots = tf.constant(search.parametrization.start(spec.seed)), search.slots()
    history: list[dict[str, float]] = []
    clip = _shown(search, numbers)
    if on_progress:
        on_progress(Progress(0, spec.iterations, time.perf_counter() - began, 0.0, None, clip))
    for first in range(0, spec.iterations, STEPS_AT_ONCE):
        part = slice(first, first + STEPS_AT_ONCE)
        numbers, slots, log = search.advance(
            numbers, slots, energy, tf.constant(first), tf.constant(views[part]), tf.constant(rates[part])
        )
        objective = float(log[-1, 0])
        if not np.isfinite(log).all():
            raise RenderFailed(
                f"The search left the range of {precision} numbers at step {first + STEPS_AT_ONCE} of "
                f"{spec.iterations}. Lower the learning rate ({spec.learning_rate:g}) or the weights."
            )
        clip = _shown(search, numbers)
        step, seconds = min(first + STEPS_AT_ONCE, spec.iterations), time.perf_counter() - began
        shown = measure(clip)
        history.append({"step": step, "seconds": seconds, "objective": objective, "shown_activation": shown})
        if on_progress:
            on_progress(Progress(step, spec.iterations, seconds, objective, shown, clip))
    return Outcome(clip, history, precision)


def learning_rates(spec: RenderSpec) -> np.ndarray:
    """(iterations,) float32: constant, then falling linearly towards 0."""
    steps = np.arange(spec.iterations)
    start = DECAY_FROM * spec.iterations
    fall = np.minimum(1, (spec.iterations - steps) / max(1.0, spec.iterations - start))
    return (spec.learning_rate * fall).astype(np.float32)


def _shown(search: Search, numbers: tf.Tensor) -> np.ndarray:
    volume = search.volume(numbers).numpy()
    return (np.clip(volume, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _search(network: Network, spec: RenderSpec, precision: str) -> Search:
    """The compiled search of a spec, built once per layer and size and kept for the next render."""
    size = (spec.frames, spec.height, spec.width)
    whole_layer = spec.objective == "layer"
    key = (network.fingerprint, spec.layer, size, precision, spec.parametrization, whole_layer)
    with _lock:
        if key not in _searches:
            if spec.parametrization == "fourier":
                parametrization, optimizer = FourierVolume(size), Adam()
            else:
                parametrization, optimizer = PixelVolume(size, network.input_domain), KerasVisRMSProp()
            model = network.model(spec.layer, size, precision)
            _searches[key] = Search(model, network.input_domain, parametrization, optimizer, whole_layer)
            while len(_searches) > _SEARCHES_KEPT:
                _searches.popitem(last=False)
        _searches.move_to_end(key)
        return _searches[key]
