"""One canvas of a search under way, and the compiled searches, which are kept for the next render."""

import threading
from collections import OrderedDict
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.maximize.loop import Energy, Search
from c3dvis.maximize.optimizers import Adam, KerasVisRMSProp
from c3dvis.maximize.parametrization import FourierVolume, PixelVolume, Size
from c3dvis.maximize.schedule import longest_wave
from c3dvis.networks.compute.network import Network
from c3dvis.spec import RenderSpec

_SEARCHES_KEPT = 8
_searches: OrderedDict[tuple[Any, ...], Search] = OrderedDict()
_lock = threading.Lock()


def parametrization_of(network: Network, spec: RenderSpec, canvas: Size) -> FourierVolume | PixelVolume:
    """The numbers that a spec searches on a canvas."""
    if spec.parametrization == "fourier":
        return FourierVolume(canvas, longest_wave(spec, network.info))
    return PixelVolume(canvas, network.input_domain)


def search_of(network: Network, spec: RenderSpec, canvas: Size, precision: str, energy: Energy) -> Search:
    """The compiled search on a canvas, built once per layer, size and kind of energy, and kept for the next."""
    whole_layer, neuron = spec.objective == "layer", spec.objective == "neuron"
    diverse, count = spec.variants > 1, len(energy.filters)
    key = (
        network.fingerprint, spec.layer, canvas, precision, spec.parametrization, whole_layer, neuron,
        energy.terms, count, diverse,
    )  # fmt: skip
    with _lock:
        if key not in _searches:
            _searches[key] = Search(
                partial(network.forward, layer=spec.layer),
                network.input_domain,
                parametrization_of(network, spec, canvas),
                Adam() if spec.parametrization == "fourier" else KerasVisRMSProp(),
                precision,
                energy.terms,
                whole_layer,
                neuron,
                count,
                diverse,
            )
            while len(_searches) > _SEARCHES_KEPT:
                _searches.popitem(last=False)
        _searches.move_to_end(key)
        return _searches[key]


class Run:
    """The numbers of one canvas on their way.

    Attributes:
        numbers: (count, *shape).
        log: (n, 2, count), objective and energy of the latest steps.
        steps: done on this canvas.

    Args:
        search: the compiled search.
        start: (count, *shape) numbers to start from.
        energy: what is made small.
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
        """As many steps as there are rates (n, count), through views (n, 6)."""
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

    def shown(self, index: int) -> np.ndarray:
        """A canvas as it would be shown now, (T, H, W, 3) uint8."""
        return self._search.shown(self.numbers, index)
