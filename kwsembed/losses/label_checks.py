"""Classes and clusters that a loss cannot look up are errors: left alone, they would count as a loss of 0."""

from __future__ import annotations

import tensorflow as tf


def labels_below(count: int | tf.Tensor, labels: tf.Tensor, *, loss: str, name: str = "classes") -> tf.Tensor:
    """The labels as int32, all of which lie in [0, count).

    Also in a graph: whatever uses the result waits for the check. XLA drops all assertions, this one too.

    Args:
        count: One more than the largest label.
        labels: `(n,)` int.
        loss: Name of the loss, for the message.
        name: What the labels are called there.

    Raises:
        tf.errors.InvalidArgumentError: A label is out of range.

    Example:
        >>> labels_below(2, tf.constant([0, 1, 1]), loss="center").numpy()
        array([0, 1, 1], dtype=int32)
    """
    labels = tf.cast(labels, tf.int64)  # before comparing: as int32, a huge label could end up in range
    fits = tf.logical_and(labels >= 0, labels < tf.cast(count, tf.int64))
    return _checked(fits, labels, [f"{loss}: Expected {name} in [0, count) with count =", count], name)


def rows_in_use(valid: tf.Tensor, clusters: tf.Tensor, *, loss: str) -> tf.Tensor:
    """The own clusters of examples as int32, all of which are rows of the table that are in use.

    Args:
        valid: `(rows,)` bool, the rows that are in use.
        clusters: `(batch,)` int.
        loss: Name of the loss, for the message.

    Raises:
        tf.errors.InvalidArgumentError: A cluster is no row of the table, or one that is not in use.

    Example:
        >>> rows_in_use(tf.constant([True, True, False]), tf.constant([1, 0]), loss="magnet").numpy()
        array([1, 0], dtype=int32)
    """
    clusters = labels_below(tf.shape(valid)[0], clusters, loss=loss, name="clusters")
    used = tf.gather(valid, clusters)
    return _checked(
        used, clusters, [f"{loss}: Expected clusters that are valid rows of the table."], "clusters"
    )


def _checked(
    fits: tf.Tensor, labels: tf.Tensor, expected: list[str | int | tf.Tensor], name: str
) -> tf.Tensor:
    misfit = tf.reduce_max(tf.where(fits, labels.dtype.min, labels))  # one of them, to be named
    check = tf.debugging.Assert(tf.reduce_all(fits), [*expected, f"Received: {name} with", misfit])
    with tf.control_dependencies([check]):
        return tf.identity(tf.cast(labels, tf.int32))  # a cast alone is nothing for what is int32
