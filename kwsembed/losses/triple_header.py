"""Triple-header cross entropy, softmax form: a clustering loss over per-class centroids.

A reconstruction after the abstract of Arora, Sun, Wang, "Deep Embeddings for Rare Audio Event Detection with
Imbalanced Data" (ICASSP 2019), which names inter-cluster and inter-class margins and cross entropy but gives
no formula that we could read; the quintuplet idea goes back to Huang et al., "Learning Deep Representation
for Imbalanced Classification" (CVPR 2016).
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import below_largest, surprise
from kwsembed.losses.checks import finite_in_space, labels_below, rows_in_use


def triple_header_softmax(
    embeddings: tf.Tensor,
    clusters: tf.Tensor,
    centroids: tf.Tensor,
    cluster_classes: tf.Tensor,
    cluster_valid: tf.Tensor,
    *,
    class_count: int,
    scale: float = 8.0,
    margins: tuple[float, float, float] = (0.1, 0.1, 0.1),
    header_weights: tuple[float, float, float] = (0.25, 0.25, 1.0),
    mean_over_clusters: bool = True,
) -> tf.Tensor:
    """One loss value per example: own cluster against siblings, against strangers, and class against class.

    With d(u) = |z - mu_u|^2 and scale s, for an example of class c and cluster k:

    - H1: cross entropy of k among the clusters of c, own distance raised by `margins[0]`; 0 if c has one
      cluster.
    - H2: cross entropy of k among itself and all clusters of other classes, own distance raised by
      `margins[1]`.
    - H3: cross entropy of c among the classes, whose logits are log-*mean*-exp of -s d over their clusters,
      true logit lowered by s times `margins[2]`.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        clusters: `(batch,)` int, own cluster of each example: a valid row of `centroids`.
        centroids: `(clusters, dim)` float, unit norm.
        cluster_classes: `(clusters,)` int in [0, class_count), class of each cluster.
        cluster_valid: `(clusters,)` bool; False rows of the fixed-size table are ignored.
        class_count: Number of classes. A class without a valid cluster takes no part.
        scale: s > 0. With unit vectors, a good example reaches a small loss from about 8 on.
        margins: Margins of the three headers in squared distance, each >= 0.
        header_weights: Weights of the three headers.
        mean_over_clusters: False makes the logits of H3 log-*sum*-exp: a class with many clusters gets
            a prior.

    Returns:
        `(batch,)` float32. Permuting the clusters does not change it.

    Raises:
        tf.errors.InvalidArgumentError: A number is not finite, or a cluster or class does not exist.

    Example:
        >>> z = tf.constant([[1.0, 0.0]])
        >>> mu = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> loss = triple_header_softmax(z, [0], mu, [0, 1], [True, True], class_count=2, scale=1.0,
        ...                              margins=(0, 0, 0), header_weights=(1, 1, 1))
        >>> round(float(loss[0]), 4)  # H1 = 0, H2 = H3 = ln(1 + e^-2)
        0.2539
    """
    embeddings = tf.cast(embeddings, tf.float32)
    valid = tf.cast(cluster_valid, tf.bool)
    centroids = tf.where(valid[:, tf.newaxis], tf.cast(centroids, tf.float32), 0.0)
    clusters = rows_in_use(valid, clusters, loss="triple_header_softmax")
    cluster_classes = labels_below(
        class_count,
        tf.where(valid, tf.cast(cluster_classes, tf.int64), 0),  # other rows may hold anything
        loss="triple_header_softmax",
        name="cluster_classes",
    )
    similarity = 2.0 * tf.matmul(embeddings, centroids, transpose_b=True) - 2.0  # (batch, clusters): -d
    own = tf.one_hot(clusters, tf.shape(centroids)[0], on_value=True, off_value=False, dtype=tf.bool)
    same_class = tf.equal(tf.gather(cluster_classes, clusters)[:, tf.newaxis], cluster_classes[tf.newaxis, :])
    member = tf.logical_and(same_class, valid[tf.newaxis])
    sibling = tf.logical_and(member, tf.logical_not(own))
    stranger = tf.logical_and(tf.logical_not(same_class), valid[tf.newaxis])

    log_counts = _log_cluster_counts(cluster_classes, valid, class_count) if mean_over_clusters else 0.0
    headers = ((own, sibling, 0.0), (own, stranger, 0.0), (member, stranger, log_counts))
    losses = tf.zeros_like(similarity[:, 0])
    for (ours, rivals, taken_off), margin, weight in zip(headers, margins, header_weights, strict=True):
        # Distances are compared before they are scaled, so that no scale is too large for float32.
        lowered = tf.where(ours, similarity - margin, similarity)
        logits = scale * below_largest(tf.logical_or(ours, rivals), lowered) - taken_off
        losses += weight * surprise(ours, rivals, logits)
    return finite_in_space(losses, embeddings, centroids, loss="triple_header_softmax")


def _log_cluster_counts(cluster_classes: tf.Tensor, valid: tf.Tensor, class_count: int) -> tf.Tensor:
    """`(clusters,)` log of how many valid clusters there are in the class of each."""
    member = tf.one_hot(cluster_classes, class_count) * tf.cast(valid, tf.float32)[:, tf.newaxis]
    return tf.math.log(tf.maximum(tf.linalg.matvec(member, tf.reduce_sum(member, axis=0)), 1.0))
