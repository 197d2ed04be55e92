"""The rivalry term: the target against the filters of its layer that respond more strongly."""

import math

import tensorflow as tf

# The target leads once its strongest rival is this far below it, in the logarithm of the standardised response.
_MARGIN = 0.05
# Temperature of the soft maximum over the rivals, on the same scale.
_TEMPERATURE = 0.05
# Standardised responses are clipped below at this value.
_SILENT = 0.05


def rivalry(after: tf.Tensor, filters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """How far the strongest rival is ahead of the target, (N,): 0 once the target leads by a margin.

    Each filter's response is standardised by its mean and standard deviation over noise, as for the measure
    *selectivity*: z_f = (a_f − μ_f)/σ_f. Logarithms are compared, so that the strength of the whole layer cancels:

        R = max(0, max over rivals f of log z_f − log z_target + margin)          (a soft maximum: logsumexp)

    Args:
        after: (N, filters) from `layer_response.filter_means`.
        filters: (N, filters), 1 for the target and 0 for its rivals.
        noise: (2, filters): μ, and 1/σ; 0 in place of 1/σ takes a filter out of the comparison.
    """
    score = tf.math.log(tf.maximum((after - noise[0]) * noise[1], _SILENT))
    target = tf.reduce_sum(score * filters, -1)
    strongest = _TEMPERATURE * tf.reduce_logsumexp((score - 1e9 * filters) / _TEMPERATURE, -1)
    # while the target responds no more than to noise, it is only maximised, however strong its rivals are
    compared = tf.cast(target > math.log(2 * _SILENT), tf.float32)
    return compared * tf.nn.relu(strongest - target + _MARGIN)
