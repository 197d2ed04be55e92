"""The search itself: one compiled step per (network, layer, canvas size), run on the device many steps at a time.

energy = −activation_weight·objective + lp_weight·Lp + tv_space_weight·TV_space + tv_time_weight·TV_time
         + selectivity_weight·|objective|·rivalry + |objective|·likeness (of clips of one filter to each other),

of the volume as the network sees it through each step's random view. What differs between two renders of one layer
(filters, weights, learning rate, seed) goes in as tensors, so nothing is traced twice; a term whose weight is 0 is
not traced at all, since the first picture waits for the tracing. Several volumes searched at once share network and
views; each has its filters and its learning rate, and nothing of one gets into another.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.maximize.objectives import likeness, mean_square, per_filter, rivalry, slopes_of_means, weighted_response
from c3dvis.maximize.optimizers import Optimizer, State
from c3dvis.maximize.parametrization import Parametrization
from c3dvis.maximize.regularizers import lp_norm, squared_variation, temporal_variation, total_variation
from c3dvis.networks.compute.forward import Response
from c3dvis.networks.graph.input_domain import ArrayModule, InputDomain

Forward = Callable[[tf.Tensor], Response]

_TENSORFLOW = ArrayModule(tf.concat, tf.reverse, tf.fill)
_PLAIN = np.zeros((1, 6), np.float32)  # one view of the volume as it is

_TERMS = {"lp_weight": "lp", "tv_space_weight": "space", "tv_time_weight": "time", "selectivity_weight": "rivalry"}


@dataclass(frozen=True)
class Energy:
    """The numbers of one energy, for `count` volumes at once, as a step reads them.

    Attributes:
        positions: (t, h, w) float32 weights of the layer's positions.
        filters: (count, filters) float32 weights of its filters.
        noise: (2, filters) float32, see `objectives.rivalry`.
        activation_weight, lp_weight, lp_p, tv_space_weight, tv_time_weight, tv_beta, selectivity_weight: as in
            `RenderSpec`.
        leak: slope of the objective below zero.
    """

    positions: np.ndarray
    filters: np.ndarray
    noise: np.ndarray
    activation_weight: float
    lp_weight: float
    lp_p: float
    tv_space_weight: float
    tv_time_weight: float
    tv_beta: float
    selectivity_weight: float
    leak: float

    @property
    def terms(self) -> frozenset[str]:
        """The terms beside the objective whose weight is not 0.

        Total variation of a power other than 2 is one term, `variation`, unless it is of time alone: `movement`.
        """
        terms = frozenset(term for name, term in _TERMS.items() if getattr(self, name))
        if self.tv_beta == 2 or not terms & {"space", "time"}:
            return terms
        return terms - {"space", "time"} | {"variation" if "space" in terms else "movement"}

    def tensors(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """(positions, filters, noise, the eight scalars)."""
        scalars = [
            self.activation_weight, self.lp_weight, self.lp_p, self.tv_space_weight, self.tv_time_weight,
            self.tv_beta, self.selectivity_weight, self.leak,
        ]  # fmt: skip
        return (
            tf.constant(self.positions),
            tf.constant(self.filters),
            tf.constant(self.noise),
            tf.constant(scalars, tf.float32),
        )


EnergyTensors = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


class Search:
    """The compiled search of one layer at one canvas size.

    Args:
        forward: from network input (N, T, H, W, channels) to the layer's response.
        domain: the network's input range and channel order.
        parametrization: what is searched.
        optimizer: how it moves.
        precision: of the network's arithmetic, `float32` or `bfloat16`.
        terms: of the energy beside the objective, as `Energy.terms` names them.
        whole_layer: maximise the mean square of the whole layer, in place of some filters' response.
        neuron: positions do not all count alike.
        count: volumes searched at once.
        diverse: they are clips of one filter, each to be unlike the others.
    """

    def __init__(
        self,
        forward: Forward,
        domain: InputDomain,
        parametrization: Parametrization,
        optimizer: Optimizer,
        precision: str = "float32",
        terms: Collection[str] = (),
        whole_layer: bool = False,
        neuron: bool = False,
        count: int = 1,
        diverse: bool = False,
    ) -> None:
        self._forward = forward
        self._domain, self._bounds = domain, domain.bounds(*parametrization.size[1:])
        self.parametrization = parametrization
        self._optimizer = optimizer
        self._precision = precision
        self._terms = frozenset(terms)
        self._whole_layer = whole_layer
        self._neuron = neuron
        self._diverse = diverse
        self.shape = (count, *parametrization.shape)
        # A function of its own, and never inlined into the loop: in a graph with a cycle TensorFlow 2.21 misses,
        # from one build to the next, the fast kernels of some gradients (MaxPool3DGrad: ten times slower).
        self._gradient = tf.function(
            self._energy_gradient, autograph=False, experimental_attributes={"_noinline": True}
        )
        numbers = tf.TensorSpec(self.shape)
        state = [
            numbers,
            (numbers,) * optimizer.num_slots,
            (
                tf.TensorSpec((None, None, None)),
                tf.TensorSpec((count, None)),
                tf.TensorSpec((2, None)),
                tf.TensorSpec((8,)),
            ),
            tf.TensorSpec((), tf.int32),
        ]
        parts = parametrization.prepare(_PLAIN)
        one = tuple(tf.TensorSpec(part.shape[1:], part.dtype) for part in parts)
        many = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in parts)
        self.step = tf.function(self._step, autograph=False, input_signature=[*state, one, tf.TensorSpec((count,))])
        self.advance = tf.function(  # any number of steps at once: traced once
            self._advance, autograph=False, input_signature=[*state, many, tf.TensorSpec((None, count))]
        )

    def slots(self) -> State:
        """The optimiser's memory at the start."""
        return (tf.constant(np.zeros(self.shape, np.float32)),) * self._optimizer.num_slots

    def shown(self, numbers: tf.Tensor, index: int) -> np.ndarray:
        """One of the volumes as it is shown, (T, H, W, 3) uint8.

        Not compiled, which would take longer, and not left to NumPy, whose threads would get into TensorFlow's way.
        """
        plain = [tf.constant(part[0]) for part in self.parametrization.prepare(_PLAIN)]
        volume = self._sample(numbers[index : index + 1], plain)[0].numpy()
        return (np.clip(volume, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

    def _sample(self, numbers: tf.Tensor, view: Sequence[tf.Tensor]) -> tf.Tensor:
        """Volumes (count, T, H, W, 3) through a view; grey where the network has one channel."""
        volumes = self.parametrization.sample(numbers, view)
        if self._domain.channels != 1:
            return volumes
        return tf.repeat(tf.reduce_mean(volumes, -1, keepdims=True), 3, -1)

    def _step(
        self,
        numbers: tf.Tensor,
        slots: State,
        energy: EnergyTensors,
        index: tf.Tensor,
        view: Sequence[tf.Tensor],
        rate: tf.Tensor,
    ) -> tuple[tf.Tensor, State, tf.Tensor]:
        """One step: the next numbers and slots, and (2, count): objective and energy before it.

        It is there twice as soon as `advance`, which is the faster the more steps there are.
        """
        gradient, objective, value = self._energy_gradient(numbers, energy, view)
        numbers, slots = self._optimizer.step(numbers, gradient, slots, index, rate)
        return self.parametrization.constrain(numbers), slots, tf.stack([objective, value])

    def _advance(
        self,
        numbers: tf.Tensor,
        slots: State,
        energy: EnergyTensors,
        first: tf.Tensor,
        views: Sequence[tf.Tensor],
        rates: tf.Tensor,
    ) -> tuple[tf.Tensor, State, tf.Tensor]:
        """Some steps at once, without leaving the device.

        Args:
            first: index of the first step, counted from 0.
            views: of n steps, prepared by the parametrisation; rates: (n, count) learning rates. n steps are done.

        Returns:
            The next numbers and slots, and (n, 2, count): objective and energy before each step.
        """
        steps = tf.shape(rates)[0]

        def body(i: tf.Tensor, numbers: tf.Tensor, slots: State, log: tf.TensorArray) -> tuple:
            gradient, objective, value = self._gradient(numbers, energy, tuple(part[i] for part in views))
            numbers, slots = self._optimizer.step(numbers, gradient, slots, first + i, rates[i])
            log = log.write(i, tf.stack([objective, value]))
            return i + 1, self.parametrization.constrain(numbers), slots, log

        log = tf.TensorArray(tf.float32, steps, element_shape=(2, self.shape[0]))
        _, numbers, slots, log = tf.while_loop(
            lambda i, *_: i < steps, body, (tf.constant(0), numbers, slots, log), parallel_iterations=1
        )
        return numbers, slots, log.stack()

    def _energy_gradient(
        self, numbers: tf.Tensor, energy: EnergyTensors, view: Sequence[tf.Tensor]
    ) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """(gradient of the energy by the numbers, objective, energy) seen through a prepared view."""
        with tf.GradientTape() as sampling:
            sampling.watch(numbers)
            volumes = self._sample(numbers, view)
            clips = self._network_input(volumes)
        response = self._forward(clips)
        places = energy[0] if self._neuron else None
        before, after = per_filter(response.before, places), per_filter(response.after, places)
        of = [before, after, response.after, volumes]
        with tf.GradientTape() as judging:
            judging.watch(of)
            objective, value = self._energy(before, after, response.after, volumes, energy)
        slopes: Any = judging.gradient(value, of)
        by_before, by_after, whole, direct = slopes
        if by_before is None:  # of a whole layer, means do not matter
            by = [response.backward(None, whole)]
        else:
            held, shown = slopes_of_means(response, by_before, by_after, places)
            parts = [part for part in (shown, whole) if part is not None]
            by = [response.backward(held, tf.add_n(parts) if parts else None)]
        if direct is None:  # no term looks at the volumes themselves
            return sampling.gradient([clips], numbers, by), objective, value
        return sampling.gradient([clips, volumes], numbers, [*by, direct]), objective, value

    def _energy(
        self, before: tf.Tensor, after: tf.Tensor, response: tf.Tensor, volumes: tf.Tensor, energy: EnergyTensors
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(objective, energy), (count,) each, of volumes, a layer's response to them and its means per filter."""
        _, filters, noise, scalars = energy
        activation_weight, lp_weight, lp_p, space_weight, time_weight, beta, rivalry_weight, leak = tf.unstack(scalars)
        objective = mean_square(response) if self._whole_layer else weighted_response(before, after, filters, leak)
        value = -activation_weight * objective
        if "rivalry" in self._terms:
            weight = rivalry_weight * activation_weight * tf.abs(tf.stop_gradient(objective))
            value += weight * self._each(lambda one, its: rivalry(one, its, noise), after, filters)
        if self._diverse:
            value += activation_weight * tf.abs(tf.stop_gradient(objective)) * likeness(response)
        if "lp" in self._terms:
            value += lp_weight * self._each(lambda one: lp_norm(one, lp_p), volumes - 0.5)
        if "space" in self._terms:
            value += space_weight * (squared_variation(volumes, 2) + squared_variation(volumes, 3))
        if "time" in self._terms:
            value += time_weight * squared_variation(volumes, 1)
        if "movement" in self._terms:
            value += time_weight * temporal_variation(volumes, beta)
        if "variation" in self._terms:
            space, time = total_variation(volumes, beta)
            value += space_weight * space + time_weight * time
        return objective, value

    def _each(self, term: Callable[..., tf.Tensor], *tensors: tf.Tensor) -> tf.Tensor:
        """A term (count,) of tensors (count, …), one volume at a time.

        A logarithm or exponential of a few numbers is rounded otherwise than that of one; this way a volume's term does
        not depend on how many there are.
        """
        if self.shape[0] == 1 or self._diverse:
            return term(*tensors)
        parts = [tf.split(tensor, self.shape[0]) for tensor in tensors]
        return tf.concat([term(*of_one) for of_one in zip(*parts, strict=True)], 0)

    def _network_input(self, volumes: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._domain.from_unit(volumes, *self._bounds, _TENSORFLOW), self._precision)
