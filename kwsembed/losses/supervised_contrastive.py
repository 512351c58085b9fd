"""Supervised contrastive loss: every example of the own class is a positive in a softmax over the batch.

Source: Khosla et al., "Supervised Contrastive Learning" (arXiv:2004.11362), equation 2 (L_out).
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import (
    alike_and_unlike,
    below_largest,
    log_sum_exp_where,
    mean_where,
)
from kwsembed.losses.checks import finite_in_space


def supervised_contrastive(
    embeddings: tf.Tensor, classes: tf.Tensor, *, temperature: float = 0.1
) -> tf.Tensor:
    """One loss value per example: mean over its positives of -log softmax over all other examples.

    The mean stands outside of the logarithm. An anchor without a positive contributes 0. Under binary
    imbalance the larger class is known to collapse (arXiv:2503.17024): draw classes balanced.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int.
        temperature: Divides the cosines, > 0; the paper's is 0.1.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite.

    Example:
        >>> z = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> supervised_contrastive(z, tf.constant([0, 0, 1]), temperature=1.0).numpy().round(4)
        array([0.3133, 0.3133, 0.    ], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    cosine = tf.matmul(embeddings, embeddings, transpose_b=True)  # (batch, batch)
    alike, unlike = alike_and_unlike(tf.cast(classes, tf.int32))
    others = tf.logical_or(alike, unlike)
    logits = below_largest(others, cosine) / temperature
    surprises = log_sum_exp_where(others, logits)[:, tf.newaxis] - logits
    return finite_in_space(mean_where(alike, surprises), embeddings, loss="supervised_contrastive")
