"""Quintuplet hinge of LMLE, mined inside the batch from cluster assignments.

Source: Huang et al., "Learning Deep Representation for Imbalanced Classification" (CVPR 2016), section 3
(large margin local embedding). The paper draws quintuplets beforehand and runs five networks for each; here
the members are looked up among the examples of the batch, in batch^2 memory.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import (
    alike_and_unlike,
    any_where,
    largest_where,
    smallest_where,
    squared_distances,
)
from kwsembed.losses.checks import finite_in_space


def quintuplet(
    embeddings: tf.Tensor,
    classes: tf.Tensor,
    clusters: tf.Tensor,
    *,
    margins: tuple[float, float, float] = (0.2, 0.2, 0.2),
) -> tf.Tensor:
    """One loss value per example: own cluster nearer than other clusters, own class nearer than others.

    With squared distances from the anchor to its farthest example of the own cluster (p), the nearest (q) and
    the farthest (r) of other clusters of its class, and the nearest of another class (n), the loss is
    `max(0, m1 + d_p - d_q) + max(0, m2 + d_q - d_r) + max(0, m3 + d_r - d_n)`.

    A term whose members are not all in the batch contributes 0, as does the second where q and r are the same
    example. Where the batch holds no other cluster of the class, r is the farthest of the own cluster.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int.
        clusters: `(batch,)` int; clusters of different classes never count as the same.
        margins: Of the three hinges, in squared distance, each >= 0.

    Returns:
        `(batch,)` float32. Renumbering classes or clusters does not change it.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite.

    Example:
        >>> z = tf.constant([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> quintuplet(z, tf.constant([0, 0, 1]), tf.constant([0, 0, 1])).numpy().round(4)
        array([0. , 0.2, 0. ], dtype=float32)

        No other cluster, so the third hinge alone: 0.2 + 2 - 4 is below 0, and 0.2 + 2 - 2 is 0.2.
    """
    embeddings = tf.cast(embeddings, tf.float32)
    squared = squared_distances(embeddings, embeddings)  # (batch, batch)
    alike, unlike = alike_and_unlike(tf.cast(classes, tf.int32))
    same_cluster, other_cluster = alike_and_unlike(tf.cast(clusters, tf.int32))
    cluster = tf.logical_and(alike, same_cluster)
    sibling = tf.logical_and(alike, other_cluster)
    siblings = tf.reduce_sum(tf.cast(sibling, tf.int32), axis=1)
    farthest_relative = tf.where((siblings > 0)[:, tf.newaxis], sibling, cluster)

    d_p = largest_where(cluster, squared)
    d_q = smallest_where(sibling, squared)
    d_r = largest_where(farthest_relative, squared)
    d_n = smallest_where(unlike, squared)
    first = tf.logical_and(any_where(cluster), siblings > 0)
    third = tf.logical_and(any_where(farthest_relative), any_where(unlike))
    losses = (
        _hinge(first, margins[0] + d_p - d_q)
        + _hinge(siblings > 1, margins[1] + d_q - d_r)
        + _hinge(third, margins[2] + d_r - d_n)
    )
    return finite_in_space(losses, embeddings, loss="quintuplet")


def _hinge(complete: tf.Tensor, violation: tf.Tensor) -> tf.Tensor:
    return tf.where(complete, tf.maximum(violation, 0.0), 0.0)
