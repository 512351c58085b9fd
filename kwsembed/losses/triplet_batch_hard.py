"""Triplet loss on the hardest pairs of a batch, with a soft margin.

Source: Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification"
(arXiv:1703.07737), equation 5 (batch hard) with the soft margin of section 2.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import (
    alike_and_unlike,
    any_where,
    distances,
    largest_where,
    smallest_where,
    squared_distances,
)
from kwsembed.losses.checks import finite_in_space


def triplet_batch_hard(embeddings: tf.Tensor, classes: tf.Tensor, *, scale: float = 1.0) -> tf.Tensor:
    """One loss value per example: its farthest own-class example against its nearest of another class.

    `softplus(scale * (d_farthest_alike - d_nearest_unlike))` with plain Euclidean distances. An anchor
    without an example of its class, or a batch of one class, contributes 0.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int.
        scale: Factor on distances, > 0. The paper's is 1 on distances without a bound; those of unit vectors
            end at 2, where a larger one lets easy anchors go.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite.

    Example:
        >>> z = tf.constant([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
        >>> triplet_batch_hard(z, tf.constant([0, 0, 1])).numpy().round(4)  # ln(1 + e^-2), no partner: 0
        array([0.1269, 0.1269, 0.    ], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    distance = distances(squared_distances(embeddings, embeddings))  # (batch, batch)
    alike, unlike = alike_and_unlike(tf.cast(classes, tf.int32))
    complete = tf.logical_and(any_where(alike), any_where(unlike))
    gap = largest_where(alike, distance) - smallest_where(unlike, distance)
    losses = tf.where(complete, tf.nn.softplus(scale * gap), 0.0)
    return finite_in_space(losses, embeddings, loss="triplet_batch_hard")
