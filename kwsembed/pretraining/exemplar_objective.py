"""An objective that tells classes apart and, within them, recordings, so that background teaches too."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.losses import normalised_softmax
from kwsembed.pretraining.objective import Objective
from kwsembed.pretraining.proxy_objectives import NormalisedSoftmaxObjective


class ExemplarObjective(NormalisedSoftmaxObjective):
    """Normalised softmax over classes, plus one over all training clips, each of which is a class of its own.

    Two windows of a clip, augmented differently, are pulled together and away from all other clips. A class
    with thousands of clips, background above all, is then no single heap that the loss of classes would
    make of it: what differs within it is kept, which is what a new event may be told by.

    Source: Dosovitskiy et al., "Discriminative Unsupervised Feature Learning with Exemplar Convolutional
    Neural Networks" (arXiv:1406.6909), with the normalised softmax of Wu et al., "Unsupervised Feature
    Learning via Non-Parametric Instance Discrimination" (arXiv:1805.01978), equation 2, on learned proxies.

    Args:
        clip_count: Training clips.
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        clips: Weight of the softmax over clips, >= 0.
        scale: Of both, see `kwsembed.losses.normalised_softmax`.
        seed: Seed of the initial proxies.
    """

    def __init__(
        self,
        *,
        clip_count: int,
        class_count: int,
        embedding_size: int,
        clips: float = 0.5,
        scale: float = 16.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(
            class_count=class_count, embedding_size=embedding_size, scale=scale, seed=seed, **layer_options
        )
        self.clips = clips
        other_seed = (seed + 1) % 2**32  # as far as seeds count
        self.clip_proxies = self._points("clip_proxies", (clip_count, embedding_size), seed=other_seed)

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        by_class = super().call(embeddings, classes, items)
        return by_class + self.clips * normalised_softmax(
            embeddings, items, self.clip_proxies.value, scale=self.scale
        )


def exemplars(
    config: TrainConfig, classes: np.ndarray, class_count: int, *, clips: float, scale: float
) -> Objective:
    """See `ExemplarObjective`."""
    return ExemplarObjective(
        clip_count=len(classes),
        class_count=class_count,
        embedding_size=config.embedding_size,
        clips=clips,
        scale=scale,
        seed=config.seed,
    )
