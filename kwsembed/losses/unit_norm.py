"""Learned vectors brought to unit norm, whatever length training has given them."""

from __future__ import annotations

import tensorflow as tf


def unit_norm(vectors: tf.Tensor) -> tf.Tensor:
    """The vectors along the last axis at unit norm; a vector of zeros has no direction and stays.

    `tf.math.l2_normalize` alone holds from about 1e-6 to 1e19: squares of longer ones overflow, shorter ones
    meet its epsilon. Dividing by the largest element first changes neither direction nor gradient.

    Args:
        vectors: `(..., dim)` float.

    Returns:
        `(..., dim)` float32.

    Example:
        >>> unit_norm(tf.constant([[3e30, 4e30], [0.0, 0.0]])).numpy().round(4)
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    vectors = tf.cast(vectors, tf.float32)
    largest = tf.stop_gradient(tf.reduce_max(tf.abs(vectors), axis=-1, keepdims=True))
    return tf.math.l2_normalize(tf.math.divide_no_nan(vectors, largest), axis=-1)
