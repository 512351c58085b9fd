"""Magnet loss: an example is drawn to the centroid of its cluster and kept away from those of other classes.

Source: Rippel et al., "Metric Learning with Adaptive Density Discrimination" (arXiv:1511.05939), section 3.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import log_sum_exp_where, squared_distances
from kwsembed.losses.checks import finite_in_space, rows_in_use

# Of squared distances between unit vectors: keeps the loss finite when all examples lie on their centroids.
_LEAST_VARIANCE = 1e-3


def magnet(
    embeddings: tf.Tensor,
    clusters: tf.Tensor,
    centroids: tf.Tensor,
    cluster_classes: tf.Tensor,
    cluster_valid: tf.Tensor,
    *,
    margin: float = 1.0,
) -> tf.Tensor:
    """One loss value per example: a hinge on how much nearer the own centroid is, in units of the variance.

    With d(u) = |z - mu_u|^2 and sigma^2 the variance of the batch around the own centroids, sum of d_own over
    (batch - 1), the loss is
    `max(0, d_own / (2 sigma^2) + margin + log sum over clusters of other classes of exp(-d / (2 sigma^2)))`.
    The own cluster is not in that sum, so the logarithm has no lower bound and needs the hinge. Clusters of
    the own class take no part. Without a cluster of another class the loss is 0.

    The paper takes centroids from the batch, where each cluster sends many examples; here they come from the
    table of the latest clustering, as one window per cluster would be no centroid.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        clusters: `(batch,)` int, own cluster of each example: a valid row of `centroids`.
        centroids: `(clusters, dim)` float, unit norm.
        cluster_classes: `(clusters,)` int, class of each cluster.
        cluster_valid: `(clusters,)` bool; False rows of the fixed-size table are ignored.
        margin: The paper's alpha, in units of twice the variance, >= 0.

    Returns:
        `(batch,)` float32. Permuting the clusters does not change it.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite, or a cluster does not exist.

    Example:
        >>> z, mu = tf.constant([[0.0, 1.0]]), tf.constant([[1.0, 0.0], [0.0, -1.0]])
        >>> magnet(z, [0], mu, [0, 1], [True, True]).numpy()  # sigma^2 = 2: 2 / 4 + 1 - 4 / 4
        array([0.5], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    cluster_classes = tf.cast(cluster_classes, tf.int32)
    valid = tf.cast(cluster_valid, tf.bool)
    clusters = rows_in_use(valid, clusters, loss="magnet")
    centroids = tf.where(valid[:, tf.newaxis], tf.cast(centroids, tf.float32), 0.0)
    squared = squared_distances(embeddings, centroids)  # (batch, clusters)
    own = tf.reduce_sum(squared * tf.one_hot(clusters, tf.shape(centroids)[0]), axis=1)
    count = tf.cast(tf.shape(squared)[0], tf.float32)
    variance = tf.maximum(tf.reduce_sum(own) / tf.maximum(count - 1.0, 1.0), _LEAST_VARIANCE)
    stranger = tf.not_equal(tf.gather(cluster_classes, clusters)[:, tf.newaxis], cluster_classes)
    stranger = tf.logical_and(stranger, valid[tf.newaxis])
    nearer = log_sum_exp_where(stranger, (own[:, tf.newaxis] - squared) / (2.0 * variance))
    return finite_in_space(tf.maximum(margin + nearer, 0.0), embeddings, centroids, loss="magnet")
