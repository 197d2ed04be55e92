"""Bilinear sampling of pictures in TensorFlow, with a hand-written gradient.

`media.warp.sample` is the same in NumPy. TensorFlow's own gradient has the same values; it gathers and scatters each of
the four pixels around a position separately, and takes a half longer.
"""

from typing import Any

import tensorflow as tf


def warp(pictures: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Values of pictures at real-valued positions. Positions outside get the value of the nearest edge.

    Args:
        pictures: (N, h, w, C) float32; h and w are at least 2.
        rows, columns: (N, T, H, W) float32 positions in the picture of the same index; row 0, column 0 is the centre of
            the first pixel.

    Returns:
        (N, T, H, W, C) float32, differentiable with respect to all three; NaN where a position is.
    """
    with_gradient: Any = tf.custom_gradient(_warp)
    return with_gradient(pictures, rows, columns)


def _warp(pictures: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> Any:
    count, height, width = tf.unstack(tf.shape(pictures)[:3])
    channels: Any = pictures.shape[-1]
    top, down, inside_rows = _cell(rows, height)
    left, right, inside_columns = _cell(columns, width)
    index = _whole(top, height) * (width - 1) + _whole(left, width)
    index += tf.reshape(tf.range(count) * ((height - 1) * (width - 1)), (-1, 1, 1, 1))
    # each row holds the four pixels around a position, so that one gather reads them all
    corners = [(down, right) for down in (0, 1) for right in (0, 1)]
    fours = tf.concat([pictures[:, down : height - 1 + down, right : width - 1 + right] for down, right in corners], -1)
    upper_left, upper_right, lower_left, lower_right = tf.split(
        tf.gather(tf.reshape(fours, (-1, 4 * channels)), index), 4, -1
    )
    above, below = (
        first + (second - first) * right for first, second in ((upper_left, upper_right), (lower_left, lower_right))
    )

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        lower = upstream * down
        upper = upstream - lower
        shares = [upper - upper * right, upper * right, lower - lower * right, lower * right]
        of_fours = tf.math.unsorted_segment_sum(
            tf.reshape(tf.concat(shares, -1), (-1, 4 * channels)), tf.reshape(index, [-1]),
            count * (height - 1) * (width - 1),
        )  # fmt: skip
        parts = tf.split(tf.reshape(of_fours, (count, height - 1, width - 1, 4 * channels)), 4, -1)
        pads = [[[0, 0], [down, 1 - down], [right, 1 - right], [0, 0]] for down, right in corners]
        of_pictures = tf.add_n([tf.pad(part, pad) for part, pad in zip(parts, pads, strict=True)])
        of_rows = tf.reduce_sum(upstream * (below - above), -1)
        of_columns = tf.reduce_sum(upper * (upper_right - upper_left) + lower * (lower_right - lower_left), -1)
        return tf.ensure_shape(of_pictures, pictures.shape), of_rows * inside_rows, of_columns * inside_columns

    return above + (below - above) * down, gradient


def _cell(places: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The pixel before each position, the distance from it (…, 1), and 1 where the position is inside, else 0."""
    last = tf.cast(length, tf.float32) - 1
    inside = tf.clip_by_value(places, 0.0, last)
    first = tf.minimum(tf.floor(inside), last - 1)
    return first, (inside - first)[..., tf.newaxis], tf.cast(tf.equal(inside, places), tf.float32)


def _whole(first: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """`first` of `_cell` as an index; any that exists where it is NaN, which the distance from it is too."""
    return tf.clip_by_value(tf.cast(first, tf.int32), 0, length - 2)
