"""How numbers move along a gradient: Adam, and keras-vis's RMSProp."""

from typing import Protocol

import tensorflow as tf

State = tuple[tf.Tensor, ...]


class Optimizer(Protocol):
    """One step down a gradient."""

    num_slots: int

    def step(
        self, numbers: tf.Tensor, gradient: tf.Tensor, slots: State, index: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, State]:
        """The next numbers (N, …) and slots.

        Args:
            slots: zeros of the numbers' shape at the start.
            index: of the step, counted from 0.
            rate: (N,) learning rates.
        """
        ...


class Adam:
    """Kingma and Ba 2015 (arXiv:1412.6980), with shorter memories than the paper's.

    A search is over after a hundred steps, and each sees the volume through another view: what the gradient was ten
    steps ago says little of what it is now.
    """

    num_slots = 2
    _mean, _square, _floor = 0.3, 0.99, 0.2

    def step(
        self, numbers: tf.Tensor, gradient: tf.Tensor, slots: State, index: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, State]:
        count = tf.cast(index, tf.float32) + 1
        mean = self._mean * slots[0] + (1 - self._mean) * gradient
        square = self._square * slots[1] + (1 - self._square) * tf.square(gradient)
        unbiased = square / (1 - tf.pow(self._square, count))
        floor = self._floor * tf.sqrt(tf.reduce_mean(unbiased, list(range(1, gradient.shape.rank)), keepdims=True))
        step = mean / (1 - tf.pow(self._mean, count)) / (tf.sqrt(unbiased) + floor + 1e-12)
        return numbers - _for_each(rate, numbers) * step, (mean, square)


class KerasVisRMSProp:
    """The update of keras-vis 0.4.1 (`vis/optimizer.py`): the gradient over its RMS, then RMSProp.

    g ← g/(rms(g) + 1e-7); c ← 0.95 c + 0.05 g²; x ← x − rate·g/√(c + 1e-7). keras-vis's rate is 1.
    """

    num_slots = 1

    def step(
        self, numbers: tf.Tensor, gradient: tf.Tensor, slots: State, index: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, State]:
        power = tf.reduce_mean(tf.square(gradient), list(range(1, gradient.shape.rank)), keepdims=True)
        gradient = gradient / (tf.sqrt(power) + 1e-7)
        square = 0.95 * slots[0] + 0.05 * tf.square(gradient)
        return numbers - _for_each(rate, numbers) * gradient / tf.sqrt(square + 1e-7), (square,)


def _for_each(rate: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Rates (N,) in the shape that multiplies numbers (N, …)."""
    return tf.reshape(rate, (-1, *[1] * (numbers.shape.rank - 1)))
