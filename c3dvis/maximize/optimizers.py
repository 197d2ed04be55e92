"""Optimisers: Adam, and keras-vis's RMSProp."""

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

Slots = tuple[tf.Tensor, ...]
"""An optimiser's memory between steps, each (N, …) like the parameters."""


class Optimizer(Protocol):
    """One step down a gradient.

    Attributes:
        num_slots: tensors of memory.
    """

    num_slots: int

    def step(
        self, parameters: tf.Tensor, gradient: tf.Tensor, slots: Slots, index: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Slots]:
        """The next parameters (N, …) and slots.

        Args:
            slots: zeros at the first step.
            index: of the step, counted from 0.
            rate: (N,) learning rates.
        """
        ...


class Adam:
    """Kingma and Ba 2015 (arXiv:1412.6980), with smaller decay rates than the paper's, a relative ε, and weight decay.

    An optimisation ends after some hundred steps, and each step sees the volume through another view, so that the
    gradient of ten steps ago says little about the present one. ε is √(mean v̂) over each volume (v̂ are the unbiased
    second moments): parameters whose gradient is small beside the others' hardly move. The parameters shrink by a tenth
    of the rate at each step (Loshchilov and Hutter 2019, arXiv:1711.05101), so that what an early step drew and no
    later one confirms fades.

    Args:
        lengths: of the parts of flat parameters (N, sum), each with an ε of its own; none if they are of one kind.
    """

    num_slots = 2
    _mean, _square, _floor, _decay = 0.3, 0.99, 1.0, 0.1

    def __init__(self, lengths: Sequence[int] = ()) -> None:
        self._lengths = lengths

    def step(
        self, parameters: tf.Tensor, gradient: tf.Tensor, slots: Slots, index: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Slots]:
        count = tf.cast(index, tf.float32) + 1
        mean = self._mean * slots[0] + (1 - self._mean) * gradient
        square = self._square * slots[1] + (1 - self._square) * tf.square(gradient)
        unbiased = square / (1 - tf.pow(self._square, count))
        floor = self._floor * tf.sqrt(self._power(unbiased))
        step = mean / (1 - tf.pow(self._mean, count)) / (tf.sqrt(unbiased) + floor + 1e-12)
        return parameters - _per_volume(rate, parameters) * (step + self._decay * parameters), (mean, square)

    def _power(self, squares: tf.Tensor) -> tf.Tensor:
        """The mean over each volume, or over each of its parts, in a shape that adds to the squares (N, …)."""
        # Each volume is summed apart: the sum of a row of a larger tensor depends on where in memory the row begins.
        volumes = tf.unstack(squares)
        if not self._lengths:
            means = tf.stack([tf.reduce_mean(volume) for volume in volumes])
            return _per_volume(means, squares)
        in_parts = [tf.split(volume, self._lengths) for volume in volumes]
        return tf.stack(
            [tf.concat([tf.fill(part.shape, tf.reduce_mean(part)) for part in parts], 0) for parts in in_parts]
        )


class KerasVisRMSProp:
    """The update of keras-vis 0.4.1 (`vis/optimizer.py`): the gradient over its RMS, then RMSProp.

    g ← g/(rms(g) + 1e-7); c ← 0.95 c + 0.05 g²; x ← x − rate·g/√(c + 1e-7). keras-vis's rate is 1.
    """

    num_slots = 1

    def step(
        self, parameters: tf.Tensor, gradient: tf.Tensor, slots: Slots, index: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Slots]:
        power = tf.reduce_mean(tf.square(gradient), list(range(1, gradient.shape.rank)), keepdims=True)
        gradient = gradient / (tf.sqrt(power) + 1e-7)
        square = 0.95 * slots[0] + 0.05 * tf.square(gradient)
        return parameters - _per_volume(rate, parameters) * gradient / tf.sqrt(square + 1e-7), (square,)


def _per_volume(rate: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
    """Rates (N,) in the shape that multiplies parameters (N, …)."""
    return tf.reshape(rate, (-1, *[1] * (parameters.shape.rank - 1)))
