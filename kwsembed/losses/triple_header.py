"""Triple-header cross entropy, softmax form: a clustering loss over per-class centroids.

A reconstruction after the abstract of Arora, Sun, Wang, "Deep Embeddings for Rare Audio Event Detection with
Imbalanced Data" (ICASSP 2019), which names inter-cluster and inter-class margins and cross entropy but gives
no formula that we could read; the quintuplet idea goes back to Huang et al., "Learning Deep Representation
for Imbalanced Classification" (CVPR 2016).
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import EXCLUDED


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
        clusters: `(batch,)` int, own cluster of each example: a row of `centroids`.
        centroids: `(clusters, dim)` float, unit norm.
        cluster_classes: `(clusters,)` int, class of each cluster.
        cluster_valid: `(clusters,)` bool; False rows of the fixed-size table are ignored.
        class_count: Number of classes. A class without a valid cluster takes no part.
        scale: s > 0. With unit vectors, a good example reaches a small loss from about 8 on.
        margins: Margins of the three headers in squared distance, each >= 0.
        header_weights: Weights of the three headers.
        mean_over_clusters: False makes the logits of H3 log-*sum*-exp: a class with many clusters gets
            a prior.

    Returns:
        `(batch,)` float32. Permuting the clusters does not change it.

    Example:
        >>> z = tf.constant([[1.0, 0.0]])
        >>> mu = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> loss = triple_header_softmax(z, [0], mu, [0, 1], [True, True], class_count=2, scale=1.0,
        ...                              margins=(0, 0, 0), header_weights=(1, 1, 1))
        >>> round(float(loss[0]), 4)  # H1 = 0, H2 = H3 = ln(1 + e^-2)
        0.2539
    """
    embeddings = tf.cast(embeddings, tf.float32)
    centroids = tf.cast(centroids, tf.float32)
    cluster_classes = tf.cast(cluster_classes, tf.int32)
    cluster_valid = tf.cast(cluster_valid, tf.bool)
    distance = 2.0 - 2.0 * tf.matmul(embeddings, centroids, transpose_b=True)  # (batch, clusters)
    logits = tf.where(cluster_valid[tf.newaxis, :], -scale * distance, EXCLUDED)

    own = tf.one_hot(clusters, tf.shape(centroids)[0], on_value=True, off_value=False, dtype=tf.bool)
    classes = tf.gather(cluster_classes, clusters)  # (batch,)
    same_class = tf.equal(classes[:, tf.newaxis], cluster_classes[tf.newaxis, :])

    siblings = _own_against(logits, own, same_class, margin=scale * margins[0])
    strangers = _own_against(logits, own, tf.logical_not(same_class), margin=scale * margins[1])
    by_class = _class_against_class(
        logits,
        classes,
        cluster_classes,
        cluster_valid,
        class_count=class_count,
        margin=scale * margins[2],
        mean_over_clusters=mean_over_clusters,
    )
    return header_weights[0] * siblings + header_weights[1] * strangers + header_weights[2] * by_class


def _own_against(logits: tf.Tensor, own: tf.Tensor, rivals: tf.Tensor, *, margin: float) -> tf.Tensor:
    """-log softmax of the own logit, lowered by `margin`, among itself and the rivals."""
    lowered = tf.where(own, logits - margin, tf.where(rivals, logits, EXCLUDED))
    own_logit = tf.reduce_sum(tf.where(own, lowered, 0.0), axis=1)
    return tf.reduce_logsumexp(lowered, axis=1) - own_logit


def _class_against_class(
    logits: tf.Tensor,
    classes: tf.Tensor,
    cluster_classes: tf.Tensor,
    cluster_valid: tf.Tensor,
    *,
    class_count: int,
    margin: float,
    mean_over_clusters: bool,
) -> tf.Tensor:
    valid = tf.cast(cluster_valid, tf.float32)
    member = tf.one_hot(cluster_classes, class_count, axis=0) * valid  # (class, cluster)
    count = tf.reduce_sum(member, axis=1)  # (class,)
    pooled = tf.reduce_logsumexp(tf.where(member[tf.newaxis] > 0, logits[:, tf.newaxis, :], EXCLUDED), axis=2)
    if mean_over_clusters:
        pooled -= tf.math.log(tf.maximum(count, 1.0))
    class_logits = tf.where(count[tf.newaxis] > 0, pooled, EXCLUDED)
    true = tf.one_hot(classes, class_count)
    return tf.nn.softmax_cross_entropy_with_logits(labels=true, logits=class_logits - margin * true)
