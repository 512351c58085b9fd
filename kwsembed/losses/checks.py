"""What losses refuse: labels that they cannot look up, and numbers that give no finite loss.

Left alone, the former would count as a loss of 0, and a NaN could disappear in a comparison or a mask.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# By these words in an error, training that has diverged is told from other mistakes.
GIVE_FINITE_LOSSES = "that give finite losses."


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


def finite(losses: tf.Tensor, *, loss: str, of: str = "logits") -> tf.Tensor:
    """The losses, all of which are finite.

    Args:
        losses: `(batch,)` float32.
        loss: Name of the loss, for the message.
        of: What it was computed from, for the message.

    Raises:
        tf.errors.InvalidArgumentError: A loss is NaN or infinite.

    Example:
        >>> finite(tf.constant([0.5]), loss="focal").numpy()
        array([0.5], dtype=float32)
    """
    broken = tf.logical_not(tf.math.is_finite(losses))
    count = tf.reduce_sum(tf.cast(broken, tf.int32))
    expected = f"{loss}: Expected {of} {GIVE_FINITE_LOSSES}"
    check = tf.debugging.Assert(
        tf.equal(count, 0), [expected, "Received: NaN or infinite ones in the batch:", count]
    )
    with tf.control_dependencies([check]):
        return tf.identity(losses)


def finite_in_space(losses: tf.Tensor, embeddings: tf.Tensor, *tables: tf.Tensor, loss: str) -> tf.Tensor:
    """The losses, all of which are finite, of embeddings and tables whose distances float32 can square.

    Vectors above 9e18 are refused even where the formula lets a too large distance win or lose unseen. Where
    XLA drops the check, an example that it would have refused has NaN for a loss.

    Args:
        losses: `(batch,)` float32.
        embeddings: `(batch, dim)` float32.
        tables: Centroids or learned vectors, `(rows, dim)` float32 each.
        loss: Name of the loss, for the message.

    Raises:
        tf.errors.InvalidArgumentError: A loss, an embedding or a table is NaN, infinite or too large.

    Example:
        >>> finite_in_space(tf.constant([0.5]), tf.constant([[1.0, 0.0]]), loss="magnet").numpy()
        array([0.5], dtype=float32)
    """
    sound = _within_reach(embeddings)
    for table in tables:
        sound = tf.logical_and(sound, tf.reduce_all(_within_reach(table)))
    losses = tf.where(sound, losses, np.nan)
    of = "embeddings and centroids" if tables else "embeddings"
    return finite(losses, loss=loss, of=f"{of}, each shorter than 9e18,")


def _within_reach(vectors: tf.Tensor) -> tf.Tensor:
    """`(rows,)` bool, False for a vector too long for the square of its distance from its opposite."""
    # Not by adding 0 times the vectors, which is NaN for a broken one: TensorFlow 2.16 makes 0 times anything
    # 0 where it optimises a graph.
    return tf.math.is_finite(tf.reduce_sum(tf.square(2.0 * vectors), axis=1))


def _checked(
    fits: tf.Tensor, labels: tf.Tensor, expected: list[str | int | tf.Tensor], name: str
) -> tf.Tensor:
    misfit = tf.reduce_max(tf.where(fits, labels.dtype.min, labels))  # one of them, to be named
    check = tf.debugging.Assert(tf.reduce_all(fits), [*expected, f"Received: {name} with", misfit])
    with tf.control_dependencies([check]):
        return tf.identity(tf.cast(labels, tf.int32))  # a cast alone is nothing for what is int32
