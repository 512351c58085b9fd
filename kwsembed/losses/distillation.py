"""Distillation: learning what other networks say of an example, not its label alone.

Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (arXiv:1503.02531), section 2,
at temperature 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from kwsembed.losses.checks import finite


def distillation(soft_targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross entropy of the softmax against probabilities, `-sum q log p`; least where both agree.

    Args:
        soft_targets: `(batch, classes)` float, each row adds up to 1.
        logits: `(batch, classes)` float.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A loss is NaN or infinite.

    Example:
        >>> distillation(tf.constant([[0.5, 0.5]]), tf.constant([[0.0, 0.0]])).numpy().round(4)  # ln 2
        array([0.6931], dtype=float32)
    """
    losses = tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.cast(soft_targets, tf.float32), logits=tf.cast(logits, tf.float32)
    )
    return finite(losses, loss="distillation")


def joint_probabilities(logits: Sequence[tf.Tensor]) -> tf.Tensor:
    """What several networks say together: the softmax of the mean of their log probabilities.

    Args:
        logits: Of each network, `(batch, classes)` float; one at least.

    Returns:
        `(batch, classes)` float32, each row adds up to 1.

    Example:
        >>> sure, undecided = tf.constant([[4.0, 0.0]]), tf.constant([[0.0, 0.0]])
        >>> joint_probabilities([sure, undecided]).numpy().round(4)  # of odds e^4 and 1: e^2
        array([[0.8808, 0.1192]], dtype=float32)
    """
    log_probabilities = [tf.nn.log_softmax(tf.cast(each, tf.float32)) for each in logits]
    return tf.nn.softmax(tf.add_n(log_probabilities) / len(log_probabilities))
