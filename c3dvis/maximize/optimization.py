"""`Optimization`: the state of an optimisation on one canvas; and the cache of compiled steps, for the next render."""

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from cachetools import LRUCache, cached

from c3dvis.maximize.energy.energy import Energy, EnergyTerms
from c3dvis.maximize.loop import CompiledSteps, shown_clip
from c3dvis.maximize.optimizers import Adam, KerasVisRMSProp
from c3dvis.maximize.schedule import longest_wave, small_canvas
from c3dvis.maximize.volume.dream_volume import DreamVolume
from c3dvis.maximize.volume.moving_volume import MovingVolume
from c3dvis.maximize.volume.natural_volume import NaturalVolume
from c3dvis.maximize.volume.parametrization import FourierVolume, Size
from c3dvis.maximize.volume.pixel_volume import PixelVolume
from c3dvis.networks.compute.network import Network
from c3dvis.spec import RenderSpec


def parametrization_of(
    network: Network, spec: RenderSpec, canvas: Size, start_clip: np.ndarray | None = None
) -> FourierVolume | MovingVolume | PixelVolume | DreamVolume:
    """The parametrisation that a spec names, on a canvas (frames, height, width).

    Args:
        start_clip: (*canvas, 3) uint8 of a spec that has one.
    """
    volume = _volume(network, spec, canvas)
    return volume if start_clip is None else DreamVolume(volume, start_clip, spec.start_strength)


def _volume(network: Network, spec: RenderSpec, canvas: Size) -> FourierVolume | MovingVolume | PixelVolume:
    channels, wave = network.input_domain.channels, longest_wave(spec, network.info)
    repeats = _repeats(network, spec, canvas)
    match spec.parametrization:
        case "moving" | "texture" if not repeats:
            return MovingVolume(canvas, wave, spec.contrast, channels, changes=spec.parametrization == "moving")
        case "natural":
            return NaturalVolume(canvas, spec.contrast, channels, repeats=repeats)
        case "pixel":
            return PixelVolume(canvas, network.input_domain)
    return FourierVolume(canvas, wave, spec.contrast, channels, repeats=repeats)


def _repeats(network: Network, spec: RenderSpec, canvas: Size) -> bool:
    """Whether the canvas is the small one, whose copies fill the volume at full size."""
    return canvas == small_canvas(spec, network.info)


def _key(
    network: Network, spec: RenderSpec, canvas: Size, *rest: Any, start_clip: np.ndarray | None = None
) -> tuple[Any, ...]:
    del start_clip  # the spec has its hash
    start = (spec.start_clip, spec.start_strength)
    repeats = _repeats(network, spec, canvas)
    return network.fingerprint, spec.layer, spec.parametrization, spec.contrast, start, canvas, repeats, *rest


@cached(LRUCache(8), key=_key, lock=threading.Lock())
def compiled_steps(
    network: Network, spec: RenderSpec, canvas: Size, precision: str, terms: EnergyTerms, count: int,
    *, start_clip: np.ndarray | None = None,
) -> CompiledSteps:  # fmt: skip
    """The compiled steps of a spec's layer on a canvas, for a batch of `count` volumes."""
    parametrization = parametrization_of(network, spec, canvas, start_clip)
    return CompiledSteps(
        partial(network.forward, layer=spec.layer),
        network.input_domain,
        parametrization,
        KerasVisRMSProp() if spec.parametrization == "pixel" else Adam(parametrization.lengths),
        precision,
        terms,
        count,
    )


class Optimization:
    """A batch of parameters on one canvas, and the optimiser's memory.

    Args:
        steps: the compiled steps.
        start: (count, *shape) parameters to start from.
        energy: what is minimised.
        one_by_one: compile a single step, which takes less time, in place of a loop of steps on the device.

    Attributes:
        parametrization: from parameters to volumes.
        parameters: (count, *shape) now.
        steps: done so far.
        log: (n, 3, count) float32, objective, energy and rivalry before each of the latest n steps.
    """

    def __init__(self, steps: CompiledSteps, start: np.ndarray, energy: Energy, one_by_one: bool = False) -> None:
        self._compiled = steps
        self._one_by_one = one_by_one
        self._energy = energy.tensors()
        self.parametrization = steps.parametrization
        self._slots = steps.slots()
        self.parameters = tf.constant(start)
        self.log = np.zeros((1, 3, len(start)), np.float32)
        self.steps = 0

    def set_selectivity_weights(self, weights: np.ndarray) -> None:
        """Change the weights (count,) of rivalry for the steps to come. They are not 0 in the energy from the start."""
        self._energy = self._energy._replace(selectivity_weight=tf.constant(weights, tf.float32))

    def advance(self, views: np.ndarray, rates: np.ndarray) -> None:
        """Do n steps through views (n, 6) at learning rates (n, count)."""
        parts = tuple(map(tf.constant, self.parametrization.prepare(views)))
        if self._one_by_one:
            log = tf.zeros(())
            for i, rate in enumerate(rates):
                view = tuple(part[i] for part in parts)
                self.parameters, self._slots, log = self._compiled.step(
                    self.parameters, self._slots, self._energy, tf.constant(self.steps + i), view, tf.constant(rate)
                )
            self.log = log.numpy()[np.newaxis]
        else:
            self.parameters, self._slots, log = self._compiled.advance(
                self.parameters, self._slots, self._energy, tf.constant(self.steps), parts, tf.constant(rates)
            )
            self.log = log.numpy()
        self.steps += len(rates)

    def energy_of_motion(self, index: int, parameters: np.ndarray) -> float:
        """The terms of the energy that motion changes, of one volume with parameters (*shape), as it would be shown."""
        one = slice(index, index + 1)
        filters, weights = self._energy.filters[one], self._energy.selectivity_weight[one]
        energy = self._energy._replace(filters=filters, selectivity_weight=weights)
        return float(self._compiled.energy_of_motion(tf.constant(parameters[np.newaxis]), energy)[0])

    def go_on_from(self, index: int, parameters: np.ndarray) -> None:
        """Replace the parameters (*shape) of one volume."""
        found = self.parameters.numpy()
        found[index] = parameters
        self.parameters = tf.constant(found)

    def wake_silent(self, indices: Sequence[int]) -> None:
        """Let those volumes go on from noise at full contrast whose objective has been 0 in all of the latest steps.

        A network whose layers are computed as one with their ReLU gives a target that is silent on faint noise no
        gradient, and the search would never find what excites it.

        Args:
            indices: of the volumes to look at.
        """
        for index in indices:
            if not self.log[:, 0, index].any():
                self.go_on_from(index, self.parametrization.at_full_contrast(self.parameters[index].numpy()))

    def clip(self, index: int) -> np.ndarray:
        """One volume as it is now, (T, H, W, planes) uint8."""
        return shown_clip(self.parametrization, self._compiled.domain, self.parameters[index : index + 1])
