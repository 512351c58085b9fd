"""Siamese contrastive loss over all pairs of a batch.

Source: Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping" (CVPR 2006),
equation 4.
"""

from __future__ import annotations

import tensorflow as tf


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

    Example:
        >>> z = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> contrastive(z, tf.constant([0, 0])).numpy()  # d^2 = 2
        array([2., 2.], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    classes = tf.cast(classes, tf.int32)
    squared = tf.maximum(
        tf.reduce_sum((embeddings[:, tf.newaxis] - embeddings[tf.newaxis]) ** 2, axis=2), 0.0
    )  # (batch, batch)
    # The epsilon keeps the gradient of the root finite for identical points.
    distance = tf.sqrt(squared + 1e-12)
    same = tf.equal(classes[:, tf.newaxis], classes[tf.newaxis])
    itself = tf.eye(tf.shape(classes)[0], dtype=tf.bool)
    alike = tf.cast(tf.logical_and(same, tf.logical_not(itself)), tf.float32)
    unlike = tf.cast(tf.logical_not(same), tf.float32)
    pull = tf.math.divide_no_nan(tf.reduce_sum(alike * squared, axis=1), tf.reduce_sum(alike, axis=1))
    push = tf.math.divide_no_nan(
        tf.reduce_sum(unlike * tf.maximum(margin - distance, 0.0) ** 2, axis=1), tf.reduce_sum(unlike, axis=1)
    )
    return pull + push
