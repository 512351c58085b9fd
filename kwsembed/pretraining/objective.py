"""The interface of everything that pretraining can minimise: a layer from embeddings to losses.

Being layers, objectives may hold weights: tables of clusters, which `refresh` renews, and centroids or
proxies, which may be learned; all are saved and restored with the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Objective(keras.layers.Layer):
    """Base of all objectives; without state unless a subclass adds it.

    `call(embeddings, classes, items)` takes unit-norm embeddings `(batch, dim)`, the class `(batch,)` and the
    training clip `(batch,)` of each example, and returns `(batch,)` float32.
    """

    refresh_epochs = 0
    """Epochs between two calls of `refresh`; 0 for never."""

    round_windows: int | None = None
    """Windows after which the objective needs the same ones again, in the same order; None for never."""

    def per_example(self, embeddings: tf.Tensor, labels: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """`(batch,)` losses from what `training_dataset` says of a batch; an objective may use more of it."""
        return self(embeddings, labels["class"], labels["item"])

    def refresh(self, embeddings: np.ndarray, *, seed: int) -> dict[str, float]:
        """Renews the state from the embeddings `(items, dim)` of all training clips; returns some figures."""
        raise NotImplementedError(f"{type(self).__name__} has no state to refresh")


class BatchObjective(Objective):
    """An objective without state: a loss of the embeddings and classes of one batch.

    Args:
        loss: `(embeddings (batch, dim), classes (batch,)) -> (batch,)`.

    Example:
        >>> from kwsembed.losses import supervised_contrastive
        >>> objective = BatchObjective(supervised_contrastive)
        >>> z = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> objective(z, tf.constant([0, 1]), tf.constant([0, 1])).numpy()
        array([0., 0.], dtype=float32)
    """

    def __init__(self, loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], **layer_options: Any) -> None:
        super().__init__(**layer_options)
        self._loss = loss

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return self._loss(embeddings, classes)
