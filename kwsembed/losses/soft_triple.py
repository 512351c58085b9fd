"""SoftTriple loss: a softmax over classes that have several learnable centres each.

Source: Qian et al., "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling" (ICCV 2019,
arXiv:1909.05235), section 3; defaults are the paper's.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kwsembed.losses.checks import finite_in_space, labels_below
from kwsembed.losses.unit_norm import unit_norm


def soft_triple(
    embeddings: tf.Tensor,
    classes: tf.Tensor,
    centers: tf.Tensor,
    *,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
) -> tf.Tensor:
    """One loss value per example: -log softmax over classes of scale * similarity to the class's centres.

    The similarity of a class is the mean of the cosines to its centres, weighted by their softmax at
    temperature `gamma`; the true one is lowered by `margin`.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int in [0, classes).
        centers: `(classes, centers, dim)` float of any length; brought to unit norm here. To be learned.
        scale: Factor on similarities (the paper's lambda), > 0.
        gamma: Temperature among the centres of a class, > 0.
        margin: Difference of cosines (the paper's delta), >= 0.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite, or a class does not exist.

    Example:
        >>> centers = tf.constant([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
        >>> soft_triple(tf.constant([[1.0, 0.0]]), tf.constant([0]), centers, scale=1.0, margin=0.0
        ...             ).numpy().round(4)  # ln(1 + e^-1)
        array([0.3133], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    directions = unit_norm(centers)
    class_count, per_class, size = directions.shape
    flat = tf.reshape(directions, [class_count * per_class, size])
    cosine = tf.reshape(tf.matmul(embeddings, flat, transpose_b=True), [-1, class_count, per_class])
    similarity = tf.reduce_sum(tf.nn.softmax(cosine / gamma, axis=2) * cosine, axis=2)  # (batch, class)
    true = tf.one_hot(labels_below(class_count, classes, loss="soft_triple"), class_count)
    losses = tf.nn.softmax_cross_entropy_with_logits(labels=true, logits=scale * (similarity - margin * true))
    return finite_in_space(losses, embeddings, loss="soft_triple")


def center_spread(centers: tf.Tensor) -> tf.Tensor:
    """How far the centres of each class lie apart: small where superfluous centres have merged.

    The paper's regulariser: the distances of all pairs of a class's unit-norm centres, added up and divided
    by classes * centres * (centres - 1).

    Args:
        centers: `(classes, centers, dim)` float of any length.

    Returns:
        Scalar float32; 0 with one centre per class.

    Example:
        >>> float(center_spread(tf.constant([[[1.0, 0.0], [-1.0, 0.0]]])))  # one pair at distance 2, over 2
        1.0
    """
    class_count, per_class, _ = centers.shape
    if per_class == 1:
        return tf.zeros([], tf.float32)
    directions = unit_norm(centers)
    squared = tf.maximum(2.0 - 2.0 * tf.matmul(directions, directions, transpose_b=True), 0.0)
    pairs = np.triu(np.ones((per_class, per_class), np.float32), k=1)
    return tf.reduce_sum(tf.sqrt(squared + 1e-12) * pairs) / (class_count * per_class * (per_class - 1))
