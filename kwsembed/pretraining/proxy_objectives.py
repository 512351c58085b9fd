"""Objectives with weights of their own that are trained with the embedder: proxies and centres of classes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.losses import center, center_spread, normalised_softmax, proxy_anchor, soft_triple
from kwsembed.pretraining.objective import Objective


class ProxyObjective(Objective):
    """Base of objectives with learnable points in the space of embeddings."""

    def _points(self, name: str, shape: tuple[int, ...], *, seed: int) -> keras.Variable:
        """Trainable points whose last axis is the embedding, in random directions, about one from zero."""
        spread = keras.initializers.RandomNormal(stddev=shape[-1] ** -0.5, seed=seed)
        return self.add_weight(name=name, shape=shape, dtype="float32", initializer=spread, trainable=True)


class NormalisedSoftmaxObjective(ProxyObjective):
    """Softmax over cosines to one proxy per class; see `kwsembed.losses.normalised_softmax`.

    Args:
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        scale: See the loss.
        seed: Seed of the initial proxies.
    """

    def __init__(
        self,
        *,
        class_count: int,
        embedding_size: int,
        scale: float = 20.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        self.scale = scale
        self.proxies = self._points("proxies", (class_count, embedding_size), seed=seed)

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return normalised_softmax(embeddings, classes, self.proxies.value, scale=self.scale)


class CenterObjective(NormalisedSoftmaxObjective):
    """Normalised softmax plus `weight` times the center loss; see `kwsembed.losses.center`.

    The paper's softmax has weights and biases of any length; on unit-norm embeddings the normalised one keeps
    both terms of comparable size. The centres start at zero, without a direction, and follow their classes.

    Args:
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        weight: Of the center loss, >= 0; the paper's lambda, 0.003 for embeddings that are some 20 long.
        scale: See `kwsembed.losses.normalised_softmax`.
        seed: Seed of the initial proxies.
    """

    def __init__(
        self,
        *,
        class_count: int,
        embedding_size: int,
        weight: float = 1.0,
        scale: float = 20.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(
            class_count=class_count, embedding_size=embedding_size, scale=scale, seed=seed, **layer_options
        )
        self.weight = weight
        self.centers = self.add_weight(
            name="centers", shape=(class_count, embedding_size), dtype="float32", initializer="zeros"
        )

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        apart = super().call(embeddings, classes, items)
        return apart + self.weight * center(embeddings, classes, self.centers.value)


class SoftTripleObjective(ProxyObjective):
    """Softmax over classes of several learnable centres; see `kwsembed.losses.soft_triple`.

    Args:
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        centers: Centres of each class; the regulariser lets superfluous ones merge.
        scale: See the loss.
        margin: See the loss.
        spread_weight: Weight of the regulariser `center_spread` (the paper's tau).
        seed: Seed of the initial centres.
    """

    def __init__(
        self,
        *,
        class_count: int,
        embedding_size: int,
        centers: int = 10,
        scale: float = 20.0,
        margin: float = 0.01,
        spread_weight: float = 0.2,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        self.scale = scale
        self.margin = margin
        self.spread_weight = spread_weight
        self.centers = self._points("centers", (class_count, centers, embedding_size), seed=seed)

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example; the regulariser is part of each, and so of their mean once."""
        centers = self.centers.value
        losses = soft_triple(embeddings, classes, centers, scale=self.scale, margin=self.margin)
        return losses + self.spread_weight * center_spread(centers)


class ProxyAnchorObjective(ProxyObjective):
    """Proxies as anchors of the examples in the batch; see `kwsembed.losses.proxy_anchor`.

    Args:
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        scale: See the loss.
        margin: See the loss.
        seed: Seed of the initial proxies.
    """

    def __init__(
        self,
        *,
        class_count: int,
        embedding_size: int,
        scale: float = 32.0,
        margin: float = 0.1,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        self.scale = scale
        self.margin = margin
        self.proxies = self._points("proxies", (class_count, embedding_size), seed=seed)

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return proxy_anchor(embeddings, classes, self.proxies.value, scale=self.scale, margin=self.margin)


def normalised(config: TrainConfig, classes: np.ndarray, class_count: int, *, scale: float) -> Objective:
    """See `NormalisedSoftmaxObjective`."""
    return NormalisedSoftmaxObjective(
        class_count=class_count, embedding_size=config.embedding_size, scale=scale, seed=config.seed
    )


def centered(
    config: TrainConfig, classes: np.ndarray, class_count: int, *, weight: float, scale: float
) -> Objective:
    """See `CenterObjective`."""
    return CenterObjective(
        class_count=class_count,
        embedding_size=config.embedding_size,
        weight=weight,
        scale=scale,
        seed=config.seed,
    )


def several_centers(
    config: TrainConfig,
    classes: np.ndarray,
    class_count: int,
    *,
    centers: float,
    scale: float,
    margin: float,
) -> Objective:
    """See `SoftTripleObjective`."""
    return SoftTripleObjective(
        class_count=class_count,
        embedding_size=config.embedding_size,
        centers=int(centers),
        scale=scale,
        margin=margin,
        seed=config.seed,
    )


def anchored(
    config: TrainConfig, classes: np.ndarray, class_count: int, *, scale: float, margin: float
) -> Objective:
    """See `ProxyAnchorObjective`."""
    return ProxyAnchorObjective(
        class_count=class_count,
        embedding_size=config.embedding_size,
        scale=scale,
        margin=margin,
        seed=config.seed,
    )
