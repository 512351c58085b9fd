"""The Keras model that pretrains an embedder on an objective, with `fit` and callbacks as usual."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kwsembed.pretraining.anchors import AnchorEmbeddings
from kwsembed.pretraining.objective import Objective


class EmbeddingPretrainer(keras.Model):
    """Trains `embedder` to minimise the mean of `objective` over the batch.

    Args:
        embedder: Keras model, `(batch, frames, mels)` -> unit-norm `(batch, dim)`.
        objective: See `kwsembed.pretraining.objective`; weights of it that are trainable are trained too.

    Example:
        >>> pretrainer = EmbeddingPretrainer(embedder, SiameseObjective())  # doctest: +SKIP
        >>> pretrainer.compile(keras.optimizers.AdamW(3e-3))  # doctest: +SKIP
        >>> pretrainer.fit(dataset, epochs=10)  # doctest: +SKIP
    """

    def __init__(self, embedder: keras.Model, objective: Objective, **model_options: Any) -> None:
        super().__init__(**model_options)
        self.embedder = embedder
        self.objective = objective
        self.loss_tracker = keras.metrics.Mean(name="loss")
        # Both parts have their weights; without these marks Keras would refuse to save them.
        self.objective.built = True
        self.built = True

    def call(self, log_mel: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Embeddings `(batch, dim)` of log-mel windows `(batch, frames, mels)`."""
        return self.embedder(log_mel, training=training)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean loss, reset by Keras at the start of each epoch."""
        return [self.loss_tracker]

    def train_step(self, data: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
        """One optimiser step on `(log_mel, {"class", "item", ...})`, as `training_dataset` gives them."""
        log_mel, labels = data
        with tf.GradientTape() as tape:
            embeddings = self.embedder(log_mel, training=True)
            loss = tf.reduce_mean(self.objective.per_example(embeddings, labels))
        weights = self.trainable_variables
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        self.optimizer.apply(gradients, weights)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


class RefreshObjective(keras.callbacks.Callback):
    """Renews the objective's state from all training clips, every `refresh_epochs` epochs of the objective.

    Args:
        objective: What the network is trained on.
        anchors: Its embeddings of the training clips.
        seed: Seed of the run; each epoch clusters with a seed of its own.
    """

    def __init__(self, objective: Objective, anchors: AnchorEmbeddings, *, seed: int) -> None:
        super().__init__()
        self._objective = objective
        self._anchors = anchors
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Renews the state before the first epoch and then every so many."""
        every = self._objective.refresh_epochs
        if every and epoch % every == 0:
            seed = (self._seed + epoch) % 2**32  # as far as k-means counts
            self._objective.refresh(self._anchors.current(), seed=seed)
