"""Siamese contrastive loss over all pairs of a batch.

Source: Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping" (CVPR 2006),
equation 4.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import (
    alike_and_unlike,
    distances,
    mean_where,
    squared_distances,
)
from kwsembed.losses.checks import finite_in_space


def contrastive(embeddings: tf.Tensor, classes: tf.Tensor, *, margin: float = 1.0) -> tf.Tensor:
    """One loss value per example: pulls pairs of a class together, pushes others beyond the margin.

    For each anchor, `mean d^2` over the others of its class plus `mean max(0, margin - d)^2` over the
    examples of other classes. The two means are taken apart, so that the many pairs of unlike classes do not
    drown the few alike ones; an anchor with no partner of one kind gets 0 for that kind.

    Args:
        embeddings: `(batch, dim)` float, unit norm, so distances lie in [0, 2].
        classes: `(batch,)` int.
        margin: Distance beyond which unlike pairs are left alone, in (0, 2].

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite.

    Example:
        >>> z = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> contrastive(z, tf.constant([0, 0])).numpy()  # d^2 = 2
        array([2., 2.], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    squared = squared_distances(embeddings, embeddings)  # (batch, batch)
    alike, unlike = alike_and_unlike(tf.cast(classes, tf.int32))
    pull = mean_where(alike, squared)
    push = mean_where(unlike, tf.square(tf.maximum(margin - distances(squared), 0.0)))
    return finite_in_space(pull + push, embeddings, loss="contrastive")
