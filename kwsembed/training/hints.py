"""A task beside the labels: telling from the embedding what the teacher answered to the same window.

A head on the teacher says of each window how likely the run's few labels are; the teacher itself says far
more. An embedding that must tell this keeps what sounds differ in. The head that tells it is dropped after
training, so what ships has the same size and speed.

Source: Romero et al., "FitNets: Hints for Thin Deep Nets" (arXiv:1412.6550), equation 3, with the hint taken
from the teacher's output and reduced to its main directions (`kwsembed.teaching.teacher_targets`).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kwsembed.models.width import initial_weights
from kwsembed.teaching import teacher_targets
from kwsembed.teaching.targets import MOST_FITTED


def hints_of(answers: Sequence[np.ndarray], *, dims: int) -> tuple[list[np.ndarray], float]:
    """What is to be told of a teacher's answers to several sets of windows, in the same directions for all.

    Args:
        answers: One or more `(windows, features)`.
        dims: Directions, at most.

    Returns:
        As many `(windows, directions)` float32, whose squared lengths are 1 on average over all windows, and
        the share of the features' variance that they keep.

    Example:
        >>> (one, other), share = hints_of([np.array([[0.0], [4.0]]), np.array([[4.0], [0.0]])], dims=1)
        >>> np.abs(np.concatenate([one, other])).ravel(), share
        (array([1., 1., 1., 1.], dtype=float32), 1.0)
    """
    together = np.concatenate(answers)
    # Spread over all sets, since the first of them alone may not be what the others are like.
    every = -(-len(together) // MOST_FITTED)
    targets = teacher_targets(together, dims=dims, fitted=slice(None, None, every))
    ends = np.cumsum([len(one) for one in answers])
    return np.split(targets.rows, ends[:-1]), targets.explained


class HintLoss(keras.losses.Loss):
    """Squared length of what is missing between what was to be told and what was.

    Example:
        >>> round(float(HintLoss()(tf.constant([[0.0, 1.0]]), tf.constant([[2.0, 1.5]]))), 4)
        4.25
    """

    def __init__(self) -> None:
        super().__init__(name="hint", reduction="sum_over_batch_size")

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """`(batch,)` losses of two `(batch, directions)`."""
        return tf.reduce_sum(tf.square(y_pred - tf.cast(y_true, y_pred.dtype)), axis=-1)


def with_hint_head(model: keras.Model, classifier: keras.Model, directions: int, *, seed: int) -> keras.Model:
    """A model on the classifier with one output more, from the classifier's embedding.

    Args:
        model: The classifier itself, or one that has further heads on its embedding.
        classifier: Made by `build_classifier`.
        directions: Size of the output.
        seed: Seed of its initial weights.

    Returns:
        Keras model with the outputs of `model`, then `(batch, directions)`; all other weights are shared.
    """
    with initial_weights((seed + 2) % 2**32):
        told = layers.Dense(directions, name="hint")(classifier.get_layer("embedding").output)
    return keras.Model(classifier.inputs[0], [*model.outputs, told], name="hinted")
