"""Triple-header loss, logistic form: a chain of four distances to centroids, each link a logistic loss.

A reconstruction like `kwsembed.losses.triple_header_softmax`; the chain is that of the quintuplet in Huang et
al., "Learning Deep Representation for Imbalanced Classification" (CVPR 2016), with centroids instead of
examples and softplus instead of the hinge.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import largest_where, smallest_where, squared_distances
from kwsembed.losses.checks import finite_in_space, rows_in_use


def triple_header_logistic(
    embeddings: tf.Tensor,
    clusters: tf.Tensor,
    centroids: tf.Tensor,
    cluster_classes: tf.Tensor,
    cluster_valid: tf.Tensor,
    *,
    scale: float = 8.0,
    margins: tuple[float, float, float] = (0.1, 0.1, 0.1),
    header_weights: tuple[float, float, float] = (0.25, 0.25, 1.0),
) -> tf.Tensor:
    """One loss value per example: own centroid < nearest sibling < farthest sibling < nearest stranger.

    Siblings are the other clusters of the own class, strangers the clusters of other classes. With
    d(u) = |z - mu_u|^2, each link between neighbours a, b of the chain adds
    `weight * softplus(scale * (d_a - d_b + margin))`. A class of two clusters has one sibling and so no
    second link; a class of one has the last link alone, from its own centroid. Without strangers the last
    link is 0.

    Needs class-balanced batches: in a small trial of ours it failed with natural ones.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        clusters: `(batch,)` int, own cluster of each example: a valid row of `centroids`.
        centroids: `(clusters, dim)` float, unit norm.
        cluster_classes: `(clusters,)` int, class of each cluster.
        cluster_valid: `(clusters,)` bool; False rows of the fixed-size table are ignored.
        scale: Factor on squared distances, > 0.
        margins: Of the three links, in squared distance, each >= 0.
        header_weights: Weights of the three links.

    Returns:
        `(batch,)` float32. Permuting the clusters does not change it.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite, or a cluster does not exist.

    Example:
        >>> z, mu = tf.constant([[1.0, 0.0]]), tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> triple_header_logistic(z, [0], mu, [0, 1], [True, True], scale=1.0, margins=(0, 0, 0)
        ...                        ).numpy().round(4)  # ln(1 + e^-2)
        array([0.1269], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    cluster_classes = tf.cast(cluster_classes, tf.int32)
    valid = tf.cast(cluster_valid, tf.bool)
    clusters = rows_in_use(valid, clusters, loss="triple_header_logistic")
    centroids = tf.where(valid[:, tf.newaxis], tf.cast(centroids, tf.float32), 0.0)
    squared = squared_distances(embeddings, centroids)  # (batch, clusters)
    own = tf.one_hot(clusters, tf.shape(centroids)[0], on_value=True, off_value=False, dtype=tf.bool)
    same_class = tf.equal(tf.gather(cluster_classes, clusters)[:, tf.newaxis], cluster_classes)
    sibling = tf.logical_and(tf.logical_and(same_class, tf.logical_not(own)), valid[tf.newaxis])
    stranger = tf.logical_and(tf.logical_not(same_class), valid[tf.newaxis])
    siblings = tf.reduce_sum(tf.cast(sibling, tf.int32), axis=1)

    d_own = tf.reduce_sum(tf.where(own, squared, 0.0), axis=1)
    d_near = smallest_where(sibling, squared)
    d_far = tf.where(siblings > 0, largest_where(sibling, squared), d_own)
    d_stranger = smallest_where(stranger, squared)
    chain = (
        (siblings > 0, d_own - d_near),
        (siblings > 1, d_near - d_far),
        (tf.reduce_any(stranger, axis=1), d_far - d_stranger),
    )
    losses = tf.zeros_like(d_own)
    for (linked, step), margin, weight in zip(chain, margins, header_weights, strict=True):
        link = tf.nn.softplus(scale * (step + margin))
        losses += weight * tf.where(linked, link, 0.0)
    return finite_in_space(losses, embeddings, centroids, loss="triple_header_logistic")
