"""The energy that an optimisation minimises.

    energy = −w_a·A + w_a·|sg(A)|·(w_sel·R + D) + w_lp·Lp + w_space·TV_space + w_time·TV_time

    A                    the objective: a filter's mean response, or another function of a layer (`objectives.py`)
    R                    rivalry: how much more strongly the layer's strongest other filter responds than the target
    D                    diversity penalty: how similar the clips of one filter are
    Lp                   power mean of the volume's distance from grey (`regularizers.py`)
    TV_space, TV_time    total variation within frames, and from frame to frame
    sg                   stop-gradient: its gradient is 0. |sg(A)| puts R and D on the scale of A.

The volume is read as the network sees it, through the step's random view. Each term has one value per volume of the
batch. The gradient of a volume's energy with respect to another volume is 0, except through D.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from c3dvis.maximize.energy.diversity import diversity_penalty
from c3dvis.maximize.energy.layer_response import LayerResponse
from c3dvis.maximize.energy.objectives import mean_square, weighted_response
from c3dvis.maximize.energy.regularizers import lp_norm, variation
from c3dvis.maximize.energy.rivalry import rivalry


class Energy(NamedTuple):
    """The weights of an energy's terms and its target, for a batch of `count` volumes.

    Values are NumPy's and Python's, or tensors once they are on the device. A step takes them as arguments, so that
    renders which differ in them share one compiled function.

    Attributes:
        positions: (t, h, w) float32 weights of the layer's positions, which sum to 1.
        filters: (count, filters) float32 weights of the layer's filters.
        noise: (2, filters) float32, see `rivalry.rivalry`.
        selectivity_weight: (count,) float32, of each volume's rivalry.
        activation_weight, lp_weight, lp_p, tv_space_weight, tv_time_weight, tv_beta: as in `RenderSpec`.
        leak: slope of the objective where a pre-activation is below zero.
    """

    positions: Any
    filters: Any
    noise: Any
    selectivity_weight: Any
    activation_weight: Any
    lp_weight: Any
    lp_p: Any
    tv_space_weight: Any
    tv_time_weight: Any
    tv_beta: Any
    leak: Any

    @classmethod
    def signature(cls, count: int) -> "Energy":
        """The tensors' shapes, as `tf.function` takes them."""
        arrays = (None, None, None), (count, None), (2, None), (count,)
        return cls(*map(tf.TensorSpec, arrays), *[tf.TensorSpec(())] * (len(cls._fields) - len(arrays)))

    def tensors(self) -> "Energy":
        """The same as float32 tensors."""
        return Energy(*(tf.constant(value, tf.float32) for value in self))

    def terms(self, objective: str = "filter", diversity: bool = False) -> "EnergyTerms":
        """The terms whose weight is not 0.

        Args:
            objective: as in `RenderSpec`.
            diversity: the volumes are variants of one clip, and being alike is penalised.
        """
        space, time = bool(self.tv_space_weight), bool(self.tv_time_weight)
        return EnergyTerms(
            whole_layer=objective == "layer", neuron=objective == "neuron",
            rivalry=bool(np.any(self.selectivity_weight)), diversity=diversity, lp=bool(self.lp_weight),
            tv_space=space, tv_time=time, tv_squared=(space or time) and self.tv_beta == 2,
        )  # fmt: skip


@dataclass(frozen=True)
class EnergyTerms:
    """Which terms an energy has. The others are not traced, since the first picture waits for the tracing.

    Attributes:
        whole_layer: A is the mean square of the whole layer, not a weighted sum of filters.
        neuron: positions have different weights.
        rivalry, diversity, lp, tv_space, tv_time: the term is part of the energy.
        tv_squared: β = 2.
    """

    whole_layer: bool = False
    neuron: bool = False
    rivalry: bool = False
    diversity: bool = False
    lp: bool = False
    tv_space: bool = False
    tv_time: bool = False
    tv_squared: bool = False

    def evaluate(
        self, energy: Energy, response: LayerResponse, volumes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """(objective, energy, rivalry), (count,) float32 each; the rivalry is 0 without such a term.

        Args:
            energy: weights and target, as tensors.
            response: of the layer to the volumes, with the parts that `reads_means` and `reads_values` name.
            volumes: (count, T, H, W, planes), 0 is black and 1 white.
        """
        before, after, values = response
        count = volumes.shape[0]
        A = mean_square(values) if self.whole_layer else weighted_response(before, after, energy.filters, energy.leak)
        magnitude = tf.abs(tf.stop_gradient(A))
        value, R = -energy.activation_weight * A, tf.zeros_like(A)
        if self.rivalry:
            R = self._each(count, lambda one, target: rivalry(one, target, energy.noise), after, energy.filters)
            value += energy.selectivity_weight * energy.activation_weight * magnitude * R
        if self.diversity:
            D = diversity_penalty(values)
            value += energy.activation_weight * magnitude * D
        # The regularisers' gradients are summed at this identity before the objective's is added. Sums in another
        # order would be rounded differently, and the same spec would give other bytes than before.
        volumes = tf.identity(volumes)
        if self.lp:
            Lp = self._each(count, lambda one: lp_norm(one, energy.lp_p), volumes - 0.5)
            value += energy.lp_weight * Lp
        TV_space, TV_time = variation(volumes, energy.tv_beta, self.tv_space, self.tv_time, self.tv_squared)
        if TV_space is not None:
            value += energy.tv_space_weight * TV_space
        if TV_time is not None:
            value += energy.tv_time_weight * TV_time
        return A, value, R

    @property
    def reads_means(self) -> bool:
        """Whether `evaluate` reads the mean response of each filter."""
        return not self.whole_layer

    @property
    def reads_values(self) -> bool:
        """Whether `evaluate` reads the response at each position."""
        return self.whole_layer or self.diversity

    def _each(self, count: Any, term: Callable[..., tf.Tensor], *tensors: tf.Tensor) -> tf.Tensor:
        """A term (count,) of tensors (count, …), computed for one volume at a time.

        TensorFlow may round the logarithm of an array differently from that of a single value. Computed separately, a
        volume's term does not depend on the batch size.
        """
        if count == 1 or self.diversity:
            return term(*tensors)
        parts = [tf.split(tensor, count) for tensor in tensors]
        return tf.concat([term(*of_one) for of_one in zip(*parts, strict=True)], 0)
