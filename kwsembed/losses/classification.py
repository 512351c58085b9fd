"""Losses of a classifier under imbalance: pure functions of logits that return one value per example."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kwsembed.losses.checks import finite


def focal(classes: tf.Tensor, logits: tf.Tensor, *, gamma: float = 2.0) -> tf.Tensor:
    """Focal loss, `-(1 - p)^gamma log p` of the true class's softmax probability p.

    Source: Lin et al., "Focal Loss for Dense Object Detection" (arXiv:1708.02002), equation 4.

    Args:
        classes: `(batch,)` int.
        logits: `(batch, classes)` float.
        gamma: How fast right answers lose weight, >= 0; 0 is cross entropy.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A loss is NaN or infinite.

    Example:
        >>> focal(tf.constant([0]), tf.constant([[0.0, 0.0]]), gamma=2.0).numpy().round(4)  # ln 2 / 4
        array([0.1733], dtype=float32)
    """
    # Not Keras' own focal loss: it clips probabilities at 1e-7, where the most wrong examples lose their
    # gradient.
    surprise = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=classes, logits=tf.cast(logits, tf.float32)
    )
    wrong = tf.maximum(-tf.math.expm1(-surprise), 1e-7)  # 1 - p; the floor is for the gradient of its power
    return finite(wrong**gamma * surprise, loss="focal")


def logit_adjusted(
    classes: tf.Tensor, logits: tf.Tensor, priors: np.ndarray, *, tau: float = 1.0
) -> tf.Tensor:
    """Cross entropy of `logits + tau log prior`; the logits then rank classes as if all were common.

    Source: Menon et al., "Long-Tail Learning via Logit Adjustment" (arXiv:2007.07314), equation 10. Used in
    training the log prior is *added* to the logits; post hoc (equation 9) it is taken off them.

    Args:
        classes: `(batch,)` int.
        logits: `(batch, classes)` float.
        priors: `(classes,)` how often each class is drawn; one that never is counts as all but never.
        tau: Strength, >= 0; 0 is cross entropy.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A loss is NaN or infinite.

    Example:
        >>> logits = tf.constant([[0.0, 0.0]])
        >>> logit_adjusted(tf.constant([0]), logits, np.array([0.25, 0.75])).numpy().round(4)  # ln 4
        array([1.3863], dtype=float32)
    """
    adjusted = tf.cast(logits, tf.float32) + tf.constant(tau * log_priors(priors), tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=adjusted)
    return finite(losses, loss="logit_adjusted")


def log_priors(priors: np.ndarray) -> np.ndarray:
    """`(classes,)` natural logarithms, with a floor for classes that never occur."""
    return np.log(np.maximum(np.asarray(priors, np.float64), 1e-6))


def ldam(
    classes: tf.Tensor,
    logits: tf.Tensor,
    class_counts: np.ndarray,
    *,
    max_margin: float = 0.5,
    scale: float = 16.0,
) -> tf.Tensor:
    """Label-distribution-aware margins: cross entropy with the true logit lowered by scale * C / n_c^(1/4).

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss"
    (arXiv:1906.07413), equation 13. C makes the rarest class's margin `max_margin`. The paper multiplies
    cosines by its scale; our heads have theirs already, so the margin alone is multiplied.

    Args:
        classes: `(batch,)` int.
        logits: `(batch, classes)` float, already scaled.
        class_counts: `(classes,)` examples of each class; 0 counts as one.
        max_margin: Margin of the rarest class, as a difference of cosines, >= 0.
        scale: Factor of the logits over cosines, > 0.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A loss is NaN or infinite.

    Example:
        >>> ldam(tf.constant([0]), tf.constant([[1.0, 0.0]]), np.array([1, 16]), max_margin=1.0, scale=1.0
        ...      ).numpy().round(4)  # margin 1 lowers the true logit to 0
        array([0.6931], dtype=float32)
    """
    counts = np.maximum(np.asarray(class_counts, np.float64), 1.0)
    margins = max_margin * (counts.min() / counts) ** 0.25
    logits = tf.cast(logits, tf.float32)
    lowered = logits - tf.one_hot(classes, logits.shape[-1]) * tf.constant(scale * margins, tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=lowered)
    return finite(losses, loss="ldam")
