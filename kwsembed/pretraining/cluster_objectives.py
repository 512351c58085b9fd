"""Objectives over clusters that k-means finds in each class, renewed from the current embeddings."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.losses import magnet, quintuplet, triple_header_logistic, triple_header_softmax
from kwsembed.pretraining.clustered_objective import ClusteredObjective, table_options_of
from kwsembed.pretraining.objective import Objective


class ClusteringObjective(ClusteredObjective):
    """Triple-header cross entropy over per-class clusters; see `kwsembed.losses.triple_header_softmax`.

    Args:
        classes: `(items,)` class of every training clip.
        scale: See the loss.
        margins: See the loss.
        header_weights: See the loss.
        mean_over_clusters: See the loss.
        learned_centroids: See `ClusteredObjective`.
        table_options: See `ClusteredObjective`.
    """

    def __init__(
        self,
        classes: np.ndarray,
        *,
        scale: float = 8.0,
        margins: tuple[float, float, float] = (0.1, 0.1, 0.1),
        header_weights: tuple[float, float, float] = (0.25, 0.25, 1.0),
        mean_over_clusters: bool = True,
        learned_centroids: bool = True,
        **table_options: Any,
    ) -> None:
        super().__init__(classes, learned_centroids=learned_centroids, **table_options)
        self.scale = scale
        self.margins = margins
        self.header_weights = header_weights
        self.mean_over_clusters = mean_over_clusters

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return triple_header_softmax(
            embeddings,
            self.clusters_of(items),
            *self.tables(),
            class_count=self.class_count,
            scale=self.scale,
            margins=self.margins,
            header_weights=self.header_weights,
            mean_over_clusters=self.mean_over_clusters,
        )


class LogisticClusteringObjective(ClusteringObjective):
    """The triple-header loss in logistic form; see `kwsembed.losses.triple_header_logistic`.

    Its centroids are means unless asked for otherwise: that learned ones are better was measured for the
    softmax form alone.

    Args:
        classes: `(items,)` class of every training clip.
        options: See `ClusteringObjective`; there is nothing to pool here, so `mean_over_clusters` changes
            nothing.
    """

    def __init__(self, classes: np.ndarray, **options: Any) -> None:
        super().__init__(classes, **{"learned_centroids": False, **options})

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return triple_header_logistic(
            embeddings,
            self.clusters_of(items),
            *self.tables(),
            scale=self.scale,
            margins=self.margins,
            header_weights=self.header_weights,
        )


class QuintupletObjective(ClusteredObjective):
    """Quintuplets within the batch; see `kwsembed.losses.quintuplet`.

    Args:
        classes: `(items,)` class of every training clip.
        margin: Of each of the three hinges.
        table_options: See `ClusteredObjective`.
    """

    def __init__(self, classes: np.ndarray, *, margin: float = 0.2, **table_options: Any) -> None:
        super().__init__(classes, **table_options)
        self.margin = margin

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return quintuplet(embeddings, classes, self.clusters_of(items), margins=(self.margin,) * 3)


class MagnetObjective(ClusteredObjective):
    """Density around centroids; see `kwsembed.losses.magnet`.

    Args:
        classes: `(items,)` class of every training clip.
        margin: See the loss.
        table_options: See `ClusteredObjective`.
    """

    def __init__(self, classes: np.ndarray, *, margin: float = 1.0, **table_options: Any) -> None:
        super().__init__(classes, **table_options)
        self.margin = margin

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return magnet(embeddings, self.clusters_of(items), *self.tables(), margin=self.margin)


def clustering(
    config: TrainConfig,
    classes: np.ndarray,
    class_count: int,
    *,
    scale: float,
    margin: float,
    siblings: float,
    strangers: float,
    by_class: float,
    mean_over_clusters: float,
    learned_centroids: float,
    **table_options: float,
) -> Objective:
    """See `ClusteringObjective`; the weights are those of its three headers."""
    return ClusteringObjective(
        classes,
        scale=scale,
        margins=(margin, margin, margin),
        header_weights=(siblings, strangers, by_class),
        mean_over_clusters=bool(mean_over_clusters),
        learned_centroids=bool(learned_centroids),
        **table_options_of(config, class_count, **table_options),
    )


def clustering_logistic(
    config: TrainConfig,
    classes: np.ndarray,
    class_count: int,
    *,
    scale: float,
    margin: float,
    own: float,
    siblings: float,
    strangers: float,
    **table_options: float,
) -> Objective:
    """See `LogisticClusteringObjective`; the weights are those of its three links."""
    return LogisticClusteringObjective(
        classes,
        scale=scale,
        margins=(margin, margin, margin),
        header_weights=(own, siblings, strangers),
        **table_options_of(config, class_count, **table_options),
    )


def _with_margin(
    kind: type[QuintupletObjective | MagnetObjective],
    config: TrainConfig,
    classes: np.ndarray,
    class_count: int,
    *,
    margin: float,
    **table_options: float,
) -> Objective:
    return kind(classes, margin=margin, **table_options_of(config, class_count, **table_options))


lmle = partial(_with_margin, QuintupletObjective)
magnetic = partial(_with_margin, MagnetObjective)
