"""The search itself: one compiled step per (network, layer, clip size), run on the device many steps at a time.

energy = −activation_weight·objective + lp_weight·Lp + tv_space_weight·TV_space + tv_time_weight·TV_time, of the
volume as the network sees it through each step's random view. What differs between two renders of one layer
(filters, weights, learning rate, seed) goes in as tensors, so nothing is traced twice.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.maximize.objectives import mean_square, weighted_response
from c3dvis.maximize.optimizers import Optimizer, State
from c3dvis.maximize.parametrization import Parametrization, View
from c3dvis.maximize.regularizers import lp_norm, total_variation
from c3dvis.networks.domain import InputDomain


@dataclass(frozen=True)
class Energy:
    """The numbers of one energy, as a step reads them.

    Attributes:
        positions: (t, h, w) float32 weights of the layer's positions.
        filters: (filters,) float32 weights of its filters.
        activation_weight, lp_weight, lp_p, tv_space_weight, tv_time_weight, tv_beta: as in `RenderSpec`.
        leak: slope of the objective below zero.
    """

    positions: np.ndarray
    filters: np.ndarray
    activation_weight: float
    lp_weight: float
    lp_p: float
    tv_space_weight: float
    tv_time_weight: float
    tv_beta: float
    leak: float

    def tensors(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """(positions, filters, the seven scalars)."""
        scalars = [
            self.activation_weight, self.lp_weight, self.lp_p, self.tv_space_weight, self.tv_time_weight,
            self.tv_beta, self.leak,
        ]  # fmt: skip
        return tf.constant(self.positions), tf.constant(self.filters), tf.constant(scalars, tf.float32)


class Search:
    """The compiled search of one layer at one clip size.

    Args:
        model: from network input (1, T, H, W, 3) to (before, after) the layer's activation function.
        domain: the network's input range and channel order.
        parametrization: what is searched.
        optimizer: how it moves.
        whole_layer: maximise the mean square of the whole layer, in place of some filters' response.
    """

    def __init__(
        self,
        model: Any,
        domain: InputDomain,
        parametrization: Parametrization,
        optimizer: Optimizer,
        whole_layer: bool = False,
    ) -> None:
        self._model = model
        low, high = domain.bounds(*parametrization.size[1:])
        self._low, self._range = tf.constant(low), tf.constant(high - low)
        self._channels = domain.channels
        self._reverse = domain.order == "BGR"
        self.parametrization = parametrization
        self._optimizer = optimizer
        self._whole_layer = whole_layer
        # A function of its own, and never inlined into the loop: in a graph with a cycle TensorFlow 2.21 misses,
        # from one build to the next, the fast kernels of some gradients (MaxPool3DGrad: ten times slower).
        self._gradient = tf.function(
            self._energy_gradient, autograph=False, experimental_attributes={"_noinline": True}
        )
        numbers = tf.TensorSpec(parametrization.shape)
        self.advance = tf.function(
            self._advance,
            autograph=False,
            input_signature=[  # any number of steps at once: traced once
                numbers,
                (numbers,) * optimizer.num_slots,
                (tf.TensorSpec((None, None, None)), tf.TensorSpec((None,)), tf.TensorSpec((7,))),
                tf.TensorSpec((), tf.int32),
                tf.TensorSpec((None, 6)),
                tf.TensorSpec((None,)),
            ],
        )
        self.volume = tf.function(self._volume, autograph=False)

    def slots(self) -> State:
        """The optimiser's memory at the start."""
        return tuple(tf.zeros(self.parametrization.shape) for _ in range(self._optimizer.num_slots))

    def _volume(self, numbers: tf.Tensor) -> tf.Tensor:
        """Volume (T, H, W, 3) RGB in the shown range 0…1, before it is rounded to bytes."""
        return self._sample(numbers, View.plain())

    def _sample(self, numbers: tf.Tensor, view: View) -> tf.Tensor:
        """Volume (T, H, W, 3) through a view; grey where the network has one channel."""
        volume = self.parametrization.sample(numbers, view)
        if self._channels != 1:
            return volume
        return tf.repeat(tf.reduce_mean(volume, -1, keepdims=True), 3, -1)

    def _advance(
        self,
        numbers: tf.Tensor,
        slots: State,
        energy: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        first: tf.Tensor,
        views: tf.Tensor,
        rates: tf.Tensor,
    ) -> tuple[tf.Tensor, State, tf.Tensor]:
        """Some steps at once, without leaving the device.

        Args:
            first: index of the first step, counted from 0.
            views: (n, 6) from `random_views`; rates: (n,) learning rates. n steps are done.

        Returns:
            The next numbers and slots, and (n, 2): objective and energy before each step.
        """
        count = tf.shape(views)[0]

        def body(i: tf.Tensor, numbers: tf.Tensor, slots: State, log: tf.TensorArray) -> tuple:
            gradient, objective, value = self._gradient(numbers, energy, views[i])
            numbers, slots = self._optimizer.step(numbers, gradient, slots, first + i, rates[i])
            log = log.write(i, tf.stack([objective, value]))
            return i + 1, self.parametrization.constrain(numbers), slots, log

        log = tf.TensorArray(tf.float32, count, element_shape=(2,))
        _, numbers, slots, log = tf.while_loop(
            lambda i, *_: i < count, body, (tf.constant(0), numbers, slots, log), parallel_iterations=1
        )
        return numbers, slots, log.stack()

    def _energy_gradient(
        self, numbers: tf.Tensor, energy: tuple[tf.Tensor, tf.Tensor, tf.Tensor], view: tf.Tensor
    ) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """(gradient of the energy by the numbers, objective, energy) seen through a view (6,)."""
        with tf.GradientTape() as tape:
            tape.watch(numbers)
            objective, value = self._energy(numbers, energy, View(view[:3], view[3:]))
        return tape.gradient(value, numbers), objective, value

    def _energy(
        self, numbers: tf.Tensor, energy: tuple[tf.Tensor, tf.Tensor, tf.Tensor], view: View
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(objective, energy) of the volume seen through a view."""
        positions, filters, scalars = energy
        activation_weight, lp_weight, lp_p, space_weight, time_weight, beta, leak = tf.unstack(scalars)
        volume = self._sample(numbers, view)
        before, after = self._model(self._network_input(volume), training=False)
        if self._whole_layer:
            objective = mean_square(after)
        else:
            objective = weighted_response(before, after, positions, filters, leak)
        around_grey = volume - 0.5

        def variation() -> tf.Tensor:
            space, time = total_variation(around_grey, beta)
            return space_weight * space + time_weight * time

        none = tf.constant(0.0)
        variation_energy = tf.cond(space_weight + time_weight > 0, variation, lambda: none)
        lp_energy = tf.cond(lp_weight > 0, lambda: lp_weight * lp_norm(around_grey, lp_p), lambda: none)
        return objective, lp_energy + variation_energy - activation_weight * objective

    def _network_input(self, volume: tf.Tensor) -> tf.Tensor:
        if self._channels > 3:  # what is not shown stands at the middle of its range
            rest = tf.fill([*volume.shape[:-1], self._channels - 3], 0.5)
            volume = tf.concat([volume, rest], -1)
        tensor = volume[:, :, :, : self._channels] * self._range + self._low
        tensor = tf.reverse(tensor, [-1]) if self._reverse else tensor
        return tf.cast(tensor[tf.newaxis], self._model.input.dtype)
