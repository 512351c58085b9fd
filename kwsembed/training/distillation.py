"""The end-to-end network learns from labels and from what the networks trained before it say together.

Networks of one run that were trained in different ways err on different clips, so that together they err less
than each; a network of the same size that learns to agree with them keeps a part of that, at no cost on the
device. They hear the very windows that it hears, augmented alike (Beyer et al., "Knowledge distillation: A
good teacher is patient and consistent", arXiv:2106.05237, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from kwsembed.losses.distillation import distillation, joint_probabilities
from kwsembed.training.rebalancing import PerExample


class Distillation:
    """What some networks teach another one beside the labels.

    Args:
        networks: Classifiers of log-mel windows with the labels of the one that learns; their weights stay.
        weight: Share of the loss, above 0 to 1, that is about agreeing with them.
    """

    def __init__(self, networks: Sequence[keras.Model], *, weight: float) -> None:
        self._networks = tuple(networks)
        self._weight = weight

    def targets(self, log_mel: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        """Class and soft targets of a batch in one tensor, since Keras takes one per output.

        Of an event played backwards, which stands for background, the label is all there is to learn.

        Args:
            log_mel: `(batch, frames, mels)` float32.
            drawn: `class` `(batch,)` int and `backwards` `(batch,)` bool.

        Returns:
            `(batch, 1 + classes)` float32: the class, and a probability for each.
        """
        heard = joint_probabilities([network(log_mel, training=False) for network in self._networks])
        labelled = tf.one_hot(drawn["class"], heard.shape[-1])
        soft = tf.where(drawn["backwards"][:, tf.newaxis], labelled, heard)
        return tf.concat([tf.cast(drawn["class"], tf.float32)[:, tf.newaxis], soft], axis=1)

    def loss(self, of_labels: PerExample) -> keras.losses.Loss:
        """A Keras loss of `targets` and logits: the loss of the labels, and distillation for its share."""
        return _Shared(of_labels, self._weight)


class _Shared(keras.losses.Loss):
    def __init__(self, of_labels: PerExample, weight: float) -> None:
        super().__init__(name="loss", reduction="sum_over_batch_size")
        self._of_labels = of_labels
        self._weight = weight

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """`(batch,)` losses."""
        labelled = self._of_labels(tf.cast(y_true[:, 0], tf.int32), y_pred)
        return (1.0 - self._weight) * labelled + self._weight * distillation(y_true[:, 1:], y_pred)
