"""An objective that makes the embedding tell what a teacher would say of the same sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.losses import normalised_softmax
from kwsembed.pretraining.proxy_objectives import ProxyObjective
from kwsembed.teaching.targets import TeacherTargets

# Linear predictions from a unit vector must reach the targets' lengths, about one; a factor lets small
# weights do it.
_PREDICTION_SCALE = 4.0


class TeacherObjective(ProxyObjective):
    """Squared error of a linear prediction of the teacher's targets, and a softmax over classes if asked for.

    Teacher and student hear the very same window, shifted and mixed as it is, and nothing is masked: so every
    mixture is a new lesson, though clips are few. Regression onto features, not soft labels, since the
    teacher's classes are its own.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets" (arXiv:1412.6550), equation 3, with the hint
    taken from the teacher's output, reduced as `kwsembed.teaching.targets` says; the same view for both is
    after Beyer et al., "Knowledge distillation: A good teacher is patient and consistent"
    (arXiv:2106.05237).

    Args:
        targets: See `kwsembed.teaching.teacher_targets`.
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        by_class: Weight of the softmax over classes, >= 0.
        scale: Of that softmax, see `kwsembed.losses.normalised_softmax`.
        seed: Seed of the initial weights.
    """

    def __init__(
        self,
        targets: TeacherTargets,
        *,
        class_count: int,
        embedding_size: int,
        by_class: float = 0.0,
        scale: float = 16.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        self.by_class = by_class
        self.scale = scale
        self.round_windows = len(targets.rows)
        if by_class > 0:
            self.proxies = self._points("proxies", (class_count, embedding_size), seed=seed)
        dims = targets.rows.shape[1]
        other_seed = (seed + 1) % 2**32  # as far as seeds count
        small = keras.initializers.RandomNormal(stddev=0.02, seed=other_seed)
        self.kernel = self.add_weight(
            name="kernel", shape=(embedding_size, dims), dtype="float32", initializer=small
        )
        self.bias = self.add_weight(name="bias", shape=(dims,), dtype="float32", initializer="zeros")
        # A constant, not a weight: it is large, and follows from the data.
        self._rows = tf.constant(targets.rows)

    def per_example(self, embeddings: tf.Tensor, labels: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """One loss value per example."""
        return self(embeddings, labels["class"], labels["window"])

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
        """`(batch,)` losses; `windows` `(batch,)` says which row of the targets each example is to tell."""
        wanted = tf.gather(self._rows, windows)
        told = _PREDICTION_SCALE * tf.matmul(embeddings, self.kernel.value) + self.bias.value
        loss = tf.reduce_sum(tf.square(told - wanted), axis=1)
        if self.by_class > 0:
            apart = normalised_softmax(embeddings, classes, self.proxies.value, scale=self.scale)
            loss += self.by_class * apart
        return loss


def taught(
    config: TrainConfig,
    classes: np.ndarray,
    class_count: int,
    *,
    targets: TeacherTargets,
    dims: int,
    windows: int,
    **options: float,
) -> TeacherObjective:
    """See `TeacherObjective`; the targets have `dims` dimensions and are of `windows` windows, at most."""
    return TeacherObjective(
        targets,
        class_count=class_count,
        embedding_size=config.embedding_size,
        seed=config.seed,
        **options,
    )
