"""Warms TensorFlow up before the first render.

When a process first uses a kind of operation, TensorFlow searches its ten thousand kernels, generates the code of
matrix products and reads its library from the disk. That takes a fifth to a third of the time to a first picture.
Loading a network does it in advance.
"""

from functools import cache
from typing import Any

import tensorflow as tf


@cache
def start(precision: str) -> None:
    """Run each kind of operation of a search step once, on a few numbers.

    Args:
        precision: of the network's arithmetic, `float32` or `bfloat16`.
    """
    every_kind(precision)(tf.ones((32, 32)), tf.constant(0))[1].numpy()


def every_kind(precision: str) -> Any:
    """A compiled function of (numbers (32, 32), count) that has every kind of operation of a search step."""

    @tf.function(autograph=False)
    def small_step(numbers: tf.Tensor, count: tf.Tensor) -> Any:
        kernel, bias = tf.cast(tf.ones((3, 3, 3, 4, 4)), precision), tf.cast(tf.ones(4), precision)
        with tf.GradientTape() as tape:
            tape.watch(numbers)
            waves = tf.matmul(tf.transpose(numbers), numbers, transpose_a=True, transpose_b=True)
            clip = tf.cast(tf.reshape(tf.sigmoid(waves), (1, 4, 8, 8, 4)) * 2 - 1, precision)
            turned = tf.transpose(clip, (0, 1, 3, 2, 4))
            response = tf.nn.relu(tf.nn.bias_add(tf.nn.conv3d(turned, kernel, [1] * 5, "SAME"), bias))
            response = tf.nn.max_pool3d(response, 2, 2, "SAME")
            response = tf.concat([response, *tf.split(response, [1, 3], -1)], -1)
            response = tf.matmul(tf.reshape(response, (-1, 4)), kernel[0, 0, 0])
            response, _ = tf.identity_n([response, clip])  # in which `tf.custom_gradient` ends
            objective = tf.reduce_sum(tf.reduce_mean(tf.cast(response, tf.float32), 0))
        gradient: Any = tape.gradient(objective, numbers)
        square = 0.5 * tf.square(gradient) / (1 - tf.pow(0.5, tf.cast(count, tf.float32) + 1))
        floor = tf.sqrt(tf.reduce_mean(square, [0, 1], keepdims=True))
        return numbers - gradient / (tf.sqrt(square) + floor + 1e-12), tf.stack([objective])

    return small_step
