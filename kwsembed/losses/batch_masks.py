"""What losses over a batch share: distances in batch^2 memory, and reductions that bear empty masks."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def squared_distances(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Squared Euclidean distances of all pairs, without a tensor of their differences.

    Expanded to |a|^2 + |b|^2 - 2 a.b, which rounds to about 1e-7 for unit vectors; never negative.

    Args:
        left: `(a, dim)` float32.
        right: `(b, dim)` float32.

    Returns:
        `(a, b)` float32.

    Example:
        >>> squared_distances(tf.constant([[1.0, 0.0]]), tf.constant([[1.0, 0.0], [0.0, 1.0]])).numpy()
        array([[0., 2.]], dtype=float32)
    """
    norms_left = tf.reduce_sum(tf.square(left), axis=1)[:, tf.newaxis]
    norms_right = tf.reduce_sum(tf.square(right), axis=1)[tf.newaxis, :]
    return tf.maximum(norms_left + norms_right - 2.0 * tf.matmul(left, right, transpose_b=True), 0.0)


def distances(squared: tf.Tensor) -> tf.Tensor:
    """Plain Euclidean distances of squared ones; the epsilon keeps the gradient of the root finite at 0."""
    return tf.sqrt(squared + 1e-12)


def alike_and_unlike(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which pairs of a batch share a label, an example and itself left out, and which do not.

    Args:
        labels: `(batch,)` int.

    Returns:
        Two `(batch, batch)` bool.
    """
    same = tf.equal(labels[:, tf.newaxis], labels[tf.newaxis, :])
    return tf.linalg.set_diag(same, tf.zeros_like(labels, dtype=tf.bool)), tf.logical_not(same)


def mean_where(mask: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`(rows,)` mean of each row's values where the mask holds; 0 for a row where it never does."""
    counted = tf.cast(mask, tf.float32)
    total = tf.reduce_sum(tf.where(mask, values, 0.0), axis=1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(counted, axis=1))


def largest_where(mask: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`(rows,)` largest value where the mask holds; 0 for a row where it never does."""
    return tf.where(any_where(mask), tf.reduce_max(tf.where(mask, values, -np.inf), axis=1), 0.0)


def smallest_where(mask: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`(rows,)` smallest value where the mask holds; 0 for a row where it never does."""
    return tf.where(any_where(mask), tf.reduce_min(tf.where(mask, values, np.inf), axis=1), 0.0)


def log_sum_exp_where(mask: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """`(rows,)` log of the sum of exp where the mask holds; minus infinity where it never does.

    What is left out is left out, however low the rest: no large negative number stands in for it, which the
    rest could fall below. A row without anything has a gradient of 0, not the NaN of log(0).
    """
    counted = tf.where(mask, logits, -np.inf)
    # Not `is_finite`: a NaN has to count as something, or it would vanish.
    something = tf.reduce_any(tf.not_equal(counted, -np.inf), axis=1)
    total = tf.reduce_logsumexp(tf.where(something[:, tf.newaxis], counted, 0.0), axis=1)
    return tf.where(something, total, -np.inf)


def below_largest(mask: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`(rows, columns)` values less the largest of their row where the mask holds.

    A softmax does not see the difference, but numbers near 0 keep the digits that a large scale brings out.
    """
    return values - tf.stop_gradient(largest_where(mask, values))[:, tf.newaxis]


def surprise(own: tf.Tensor, rivals: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """`(rows,)` -log softmax of the own logits, taken together, among themselves and their rivals.

    As softplus(rivals - own) it keeps its digits near 0 as well, and is 0 without rivals.

    Args:
        own: `(rows, columns)` bool, at least one in each row.
        rivals: `(rows, columns)` bool, none of them own.
        logits: `(rows, columns)` float32; see `below_largest` for large ones.

    Example:
        >>> own, rivals = tf.constant([[True, False]]), tf.constant([[False, True]])
        >>> surprise(own, rivals, tf.constant([[3.0, 3.0]])).numpy().round(4)  # ln 2
        array([0.6931], dtype=float32)
    """
    return tf.nn.softplus(log_sum_exp_where(rivals, logits) - log_sum_exp_where(own, logits))


def any_where(mask: tf.Tensor) -> tf.Tensor:
    """`(rows,)` bool, whether the mask holds anywhere in a row."""
    return tf.reduce_any(mask, axis=1)
