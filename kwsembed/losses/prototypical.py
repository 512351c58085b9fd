"""Prototypical loss, with the batch as its own episode.

Source: Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (arXiv:1703.05175), equations 1
and 2. Instead of splitting an episode into support and queries, every example of the batch is a query once
and support for all others; its own class's prototype leaves it out.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import below_largest, squared_distances, surprise
from kwsembed.losses.checks import finite_in_space, labels_below


def prototypical(
    embeddings: tf.Tensor, classes: tf.Tensor, *, class_count: int, scale: float = 8.0
) -> tf.Tensor:
    """One loss value per example: cross entropy over classes of -scale * |z - prototype|^2.

    Prototypes are the means of the classes in the batch, not brought to unit norm. An example that is alone
    in its class has no prototype of its own and contributes 0, but is the prototype of its class to others.
    Classes that are not in the batch take no part.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int in [0, class_count).
        class_count: Number of classes.
        scale: Factor on squared distances, > 0. The paper's is 1 on distances without a bound; with unit
            vectors a good example reaches a small loss from about 8 on.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite, or a class does not exist.

    Example:
        >>> z = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> prototypical(z, tf.constant([0, 0, 1]), class_count=2, scale=1.0).numpy().round(4)
        array([0.1269, 0.1269, 0.    ], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    classes = labels_below(class_count, classes, loss="prototypical")
    member = tf.one_hot(classes, class_count)  # (batch, class)
    sizes = tf.reduce_sum(member, axis=0)  # (class,)
    sums = tf.matmul(member, embeddings, transpose_a=True)  # (class, dim)
    means = sums / tf.maximum(sizes, 1.0)[:, tf.newaxis]
    others = tf.reduce_sum(member * sizes, axis=1) - 1.0  # (batch,) further examples of the own class
    own_mean = (tf.matmul(member, sums) - embeddings) / tf.maximum(others, 1.0)[:, tf.newaxis]
    own = tf.reduce_sum(tf.square(embeddings - own_mean), axis=1)
    is_own = member > 0
    squared = tf.where(is_own, own[:, tf.newaxis], squared_distances(embeddings, means))
    present = tf.broadcast_to(sizes[tf.newaxis] > 0, tf.shape(squared))
    logits = scale * below_largest(present, -squared)
    losses = surprise(is_own, tf.logical_and(present, tf.logical_not(is_own)), logits)
    return finite_in_space(tf.where(others > 0, losses, 0.0), embeddings, loss="prototypical")
