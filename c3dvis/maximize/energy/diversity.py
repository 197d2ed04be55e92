"""The diversity penalty: it keeps the clips of one filter (variants) different from each other."""

import math
from typing import Any

import tensorflow as tf


def diversity_penalty(after: tf.Tensor) -> tf.Tensor:
    """Mean cosine between each volume's Gram matrix and those of the others, (N,): 1 where all are equal.

    The Gram matrix G = FᵀF of a response F (positions, filters) does not depend on where in the volume something is.
    After the diversity term of Olah et al. 2017.

    Args:
        after: (N, t, h, w, filters), N at least 2.
    """
    shape: Any = after.shape
    count = shape[0]
    features = tf.reshape(tf.cast(after, tf.float32), (count, math.prod(shape[1:-1]), shape[-1]))
    gram = tf.reshape(tf.matmul(features, features, transpose_a=True), (count, -1))
    gram = tf.math.l2_normalize(gram, 1)
    return (tf.reduce_sum(tf.matmul(gram, gram, transpose_b=True), 1) - 1) / (count - 1)
