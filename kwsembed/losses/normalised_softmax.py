"""Normalised softmax: cross entropy of scaled cosines to one learnable weight vector per class.

Source: Zhai, Wu, "Classification is a Strong Baseline for Deep Metric Learning" (BMVC 2019,
arXiv:1811.12649), section 3; the same loss as in Wang et al., "NormFace" (arXiv:1704.06369).
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.checks import finite_in_space, labels_below
from kwsembed.losses.unit_norm import unit_norm


def normalised_softmax(
    embeddings: tf.Tensor, classes: tf.Tensor, proxies: tf.Tensor, *, scale: float = 20.0
) -> tf.Tensor:
    """One loss value per example: -log softmax over classes of scale * cosine to the class's proxy.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int, rows of `proxies`.
        proxies: `(classes, dim)` float of any length; brought to unit norm here. To be learned.
        scale: Factor on cosines, > 0; the paper's temperature 0.05 is a scale of 20.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite, or a class does not exist.

    Example:
        >>> z, proxies = tf.constant([[1.0, 0.0]]), tf.constant([[3.0, 0.0], [0.0, 5.0]])
        >>> normalised_softmax(z, tf.constant([0]), proxies, scale=1.0).numpy().round(4)  # ln(1 + e^-1)
        array([0.3133], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    directions = unit_norm(proxies)
    logits = scale * tf.matmul(embeddings, directions, transpose_b=True)  # (batch, class)
    classes = labels_below(tf.shape(logits)[1], classes, loss="normalised_softmax")
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
    return finite_in_space(losses, embeddings, loss="normalised_softmax")
