"""Triplet loss on semi-hard negatives, mined in batch^2 memory.

Source: Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering"
(arXiv:1503.03832), section 3: the hinge of equation 3 on the semi-hard negatives of equation 4.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kwsembed.losses.batch_masks import (
    alike_and_unlike,
    any_where,
    mean_where,
    squared_distances,
)
from kwsembed.losses.checks import finite_in_space


def triplet_semi_hard(embeddings: tf.Tensor, classes: tf.Tensor, *, margin: float = 0.2) -> tf.Tensor:
    """One loss value per example: each pair of its class against the nearest negative that is farther away.

    For an anchor a and a positive p, n is the nearest example of another class with d(a, n) > d(a, p), or,
    where there is none, the farthest example of another class; the loss is
    `mean over p of max(0, margin + d(a, p) - d(a, n))` with squared distances. Anchors without a positive or
    without a negative contribute 0.

    A row's negatives are sorted once and every positive looks its place up among them, so no tensor holds
    all triplets.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int.
        margin: In squared distance, > 0; the paper's 0.2 is for unit vectors.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite.

    Example:
        >>> z = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> triplet_semi_hard(z, tf.constant([0, 0, 1]), margin=2.5).numpy().round(4)  # 2.5 + 0 - 2
        array([0.5, 0.5, 0. ], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    squared = squared_distances(embeddings, embeddings)  # (batch, batch)
    alike, unlike = alike_and_unlike(tf.cast(classes, tf.int32))
    negatives = tf.where(unlike, tf.stop_gradient(squared), np.inf)
    order = tf.argsort(negatives, axis=1)
    count = tf.reduce_sum(tf.cast(unlike, tf.int32), axis=1, keepdims=True)
    place = tf.searchsorted(
        tf.gather(negatives, order, batch_dims=1), tf.stop_gradient(squared), side="right"
    )
    # Behind the last negative is none that is farther away: the last one, the farthest, stands in.
    chosen = tf.gather(order, tf.maximum(tf.minimum(place, count - 1), 0), batch_dims=1)  # (batch, batch)
    hinge = tf.maximum(margin + squared - tf.gather(squared, chosen, batch_dims=1), 0.0)
    complete = tf.logical_and(alike, any_where(unlike)[:, tf.newaxis])
    return finite_in_space(mean_where(complete, hinge), embeddings, loss="triplet_semi_hard")
