"""The optimisation's inner loop: one compiled step per (network, layer, volume size), run many steps at a time.

A step, for a batch of parameters x and the step's random view:

    volumes   = sample(x, view)                             `volume/parametrization.py`
    response  = network(network_input(volumes))             `networks/compute/forward.py`
    energy    = −w_a·A(response) + …                        `energy/energy.py`, which has the whole formula
    x         = constrain(optimizer(x, ∂ energy/∂x))        `optimizers.py`

Values that may differ between two renders of one layer (filters, weights, learning rate, views) are arguments of the
compiled function, so that it is traced once for all of them. The volumes of a batch share the network's weights and the
views. Each has its own filters and learning rate. Its gradient does not depend on the other volumes, except for
variants.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.maximize.energy.energy import Energy, EnergyTerms
from c3dvis.maximize.energy.layer_response import LayerResponse, layer_response
from c3dvis.maximize.optimizers import Optimizer, Slots
from c3dvis.maximize.volume.parametrization import Parametrization
from c3dvis.networks.compute.forward import Response
from c3dvis.networks.graph.input_domain import InputDomain

Forward = Callable[[tf.Tensor], Response]

IDENTITY_VIEW = np.zeros((1, 6), np.float32)


class CompiledSteps:
    """The compiled step functions of one layer at one volume size.

    Args:
        forward: from network input (count, T, H, W, channels) to the layer's response.
        domain: the network's input range and channel order.
        parametrization: from parameters to volumes.
        optimizer: the update rule.
        precision: of the network's arithmetic, `float32` or `bfloat16`.
        terms: of the energy.
        count: volumes in the batch.
    """

    def __init__(
        self,
        forward: Forward,
        domain: InputDomain,
        parametrization: Parametrization,
        optimizer: Optimizer,
        precision: str,
        terms: EnergyTerms,
        count: int = 1,
    ) -> None:
        self._forward = forward
        self.domain, self._bounds = domain, domain.bounds(*parametrization.size[1:])
        self.parametrization = parametrization
        self._optimizer = optimizer
        self._precision = precision
        self._terms = terms
        self._shape = (count, *parametrization.shape)
        # A separate function that is not inlined into the loop. In a graph with a cycle TensorFlow 2.21 does not always
        # choose the fast kernels of some gradients (MaxPool3DGrad: ten times slower).
        self._gradient = tf.function(self.gradient, autograph=False, experimental_attributes={"_noinline": True})
        parameters = tf.TensorSpec(self._shape)
        views = parametrization.prepare(IDENTITY_VIEW)
        one_view = tuple(tf.TensorSpec(part.shape[1:], part.dtype) for part in views)
        many_views = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in views)
        state = [parameters, (parameters,) * optimizer.num_slots, Energy.signature(count), tf.TensorSpec((), tf.int32)]
        one, many = [*state, one_view, tf.TensorSpec((count,))], [*state, many_views, tf.TensorSpec((None, count))]
        self.step = tf.function(self._step, autograph=False, input_signature=one)
        self.advance = tf.function(self._advance, autograph=False, input_signature=many)
        alone = [tf.TensorSpec((1, *parametrization.shape)), Energy.signature(1)]
        self.energy_of_motion = tf.function(self._energy_of_motion, autograph=False, input_signature=alone)

    def slots(self) -> Slots:
        """The optimiser's memory before the first step."""
        return (tf.constant(np.zeros(self._shape, np.float32)),) * self._optimizer.num_slots

    def _step(
        self, parameters: tf.Tensor, slots: Slots, energy: Energy, index: tf.Tensor, view: Any, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Slots, tf.Tensor]:
        """One step, which compiles in half the time of `advance`, and takes longer to run.

        Args:
            index: of the step, counted from 0.
            view: prepared by the parametrisation.
            rate: (count,) learning rates.

        Returns:
            The next parameters and slots, and (3, count) float32: objective, energy and rivalry before the step.
        """
        gradient, *log = self.gradient(parameters, energy, view)
        parameters, slots = self._optimizer.step(parameters, gradient, slots, index, rate)
        return self.parametrization.constrain(parameters), slots, tf.stack(log)

    def _advance(
        self, parameters: tf.Tensor, slots: Slots, energy: Energy, first: tf.Tensor, views: Any, rates: tf.Tensor
    ) -> tuple[tf.Tensor, Slots, tf.Tensor]:
        """n steps without leaving the device.

        Args:
            first: index of the first step.
            views: of each step, prepared by the parametrisation.
            rates: (n, count) learning rates.

        Returns:
            The next parameters and slots, and (n, 3, count) float32: objective, energy and rivalry before each step.
        """
        steps = tf.shape(rates)[0]

        def body(i: tf.Tensor, parameters: tf.Tensor, slots: Slots, log: tf.TensorArray) -> tuple:
            gradient, *numbers = self._gradient(parameters, energy, tuple(part[i] for part in views))
            parameters, slots = self._optimizer.step(parameters, gradient, slots, first + i, rates[i])
            log = log.write(i, tf.stack(numbers))
            return i + 1, self.parametrization.constrain(parameters), slots, log

        log = tf.TensorArray(tf.float32, steps, element_shape=(3, self._shape[0]))
        _, parameters, slots, log = tf.while_loop(
            lambda i, *_: i < steps, body, (tf.constant(0), parameters, slots, log), parallel_iterations=1
        )
        return parameters, slots, log.stack()

    def gradient(
        self, parameters: tf.Tensor, energy: Energy, view: Sequence[tf.Tensor]
    ) -> tuple[Any, tf.Tensor, tf.Tensor, tf.Tensor]:
        """(gradient of the energy with respect to the parameters, objective, energy, rivalry) through a view."""
        terms = self._terms
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            volumes = sample(self.parametrization, self.domain, parameters, view)
            objective, value, rivalry = terms.evaluate(energy, self._response(volumes, energy, terms), volumes)
        return tape.gradient(value, parameters), objective, value, rivalry

    def _energy_of_motion(self, parameters: tf.Tensor, energy: Energy) -> tf.Tensor:
        """The terms of the energy that motion changes, (1,), of a volume's parameters (1, *shape) as it would be shown.

        Left out are Lp and variation in space, which may outweigh the others, and diversity, which needs the other
        volumes.

        Args:
            energy: of this volume alone.
        """
        terms = replace(self._terms, diversity=False, lp=False, tv_space=False)
        volumes = sample(self.parametrization, self.domain, parameters, plain_view(self.parametrization))
        return terms.evaluate(energy, self._response(volumes, energy, terms), volumes)[1]

    def _response(self, volumes: tf.Tensor, energy: Energy, terms: EnergyTerms) -> LayerResponse:
        positions = energy.positions if terms.neuron else None
        clips = self._network_input(volumes)
        return layer_response(self._forward, clips, positions, terms.reads_means, terms.reads_values)

    def _network_input(self, volumes: tf.Tensor) -> tf.Tensor:
        """Network input (count, T, H, W, channels) of volumes (count, T, H, W, planes) in [0, 1]."""
        return tf.cast(self.domain.from_unit(volumes, *self._bounds, tf.reverse), self._precision)


def plain_view(parametrization: Parametrization) -> list[tf.Tensor]:
    """The prepared view without shift and scale, as a clip is shown."""
    return [tf.constant(part[0]) for part in parametrization.prepare(IDENTITY_VIEW)]


def sample(
    parametrization: Parametrization, domain: InputDomain, parameters: tf.Tensor, view: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Volumes (count, T, H, W, planes) through a prepared view; grey where the network has one input channel."""
    volumes = parametrization.sample(parameters, view)
    if domain.channels != 1:
        return volumes
    return tf.repeat(tf.reduce_mean(volumes, -1, keepdims=True), 3, -1)


def shown_clip(parametrization: Parametrization, domain: InputDomain, parameters: tf.Tensor | np.ndarray) -> np.ndarray:
    """The volume of parameters (1, *shape) as it would be shown, (T, H, W, planes) uint8.

    Computed eagerly: compiling would take longer, and NumPy's threads would compete with TensorFlow's.
    """
    parameters = tf.convert_to_tensor(parameters)
    volume = sample(parametrization, domain, parameters, plain_view(parametrization))[0].numpy()
    return (np.clip(volume, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
