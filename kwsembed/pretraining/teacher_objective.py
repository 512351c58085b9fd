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
    """Squared error of a linear prediction of the teacher's targets, plus a normalised softmax over classes.

    The teacher heard the clip as it is, the student hears it shifted, mixed and filtered: so it also learns
    what of a sound does not matter. Regression onto features, not soft labels, since the teacher's classes
    are its own.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets" (arXiv:1412.6550), equation 3, with the hint
    taken from the teacher's output, reduced as `kwsembed.teaching.targets` says.

    Args:
        targets: See `kwsembed.teaching.teacher_targets`.
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        window_samples: Length of a training window.
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
        window_samples: int,
        by_class: float = 0.3,
        scale: float = 16.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        self.by_class = by_class
        self.scale = scale
        self.proxies = self._points("proxies", (class_count, embedding_size), seed=seed)
        dims = targets.rows.shape[1]
        other_seed = (seed + 1) % 2**32  # as far as seeds count
        small = keras.initializers.RandomNormal(stddev=0.02, seed=other_seed)
        self.kernel = self.add_weight(
            name="kernel", shape=(embedding_size, dims), dtype="float32", initializer=small
        )
        self.bias = self.add_weight(name="bias", shape=(dims,), dtype="float32", initializer="zeros")
        self._middle = window_samples / 2
        self._hop_samples = targets.hop_samples
        # Constants, not weights: they are large, and follow from the data.
        self._rows = tf.constant(targets.rows)
        self._first_rows = tf.constant(targets.first_rows, tf.int32)
        self._counts = tf.constant(targets.counts, tf.int32)

    def per_example(self, embeddings: tf.Tensor, labels: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """One loss value per example."""
        return self(embeddings, labels["class"], labels["item"], labels["start"])

    def call(
        self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor, starts: tf.Tensor
    ) -> tf.Tensor:
        """`(batch,)` losses; `starts` `(batch,)` is each window's first sample within its clip."""
        centres = (tf.cast(starts, tf.float32) + self._middle) / self._hop_samples
        places = tf.clip_by_value(tf.cast(tf.round(centres), tf.int32), 0, tf.gather(self._counts, items) - 1)
        wanted = tf.gather(self._rows, tf.gather(self._first_rows, items) + places)
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
    **options: float,
) -> TeacherObjective:
    """See `TeacherObjective`; the targets have `dims` dimensions at most."""
    return TeacherObjective(
        targets,
        class_count=class_count,
        embedding_size=config.embedding_size,
        window_samples=config.window_samples,
        seed=config.seed,
        **options,
    )
