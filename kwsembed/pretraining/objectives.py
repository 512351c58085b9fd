"""What pretraining minimises: each objective is a layer from embeddings to one loss value per example.

Being layers, objectives may hold weights: the centroids of the clustering objective are non-trainable ones,
saved and restored with the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.losses import contrastive, triple_header_softmax
from kwsembed.methods import PRETRAININGS, parse_method
from kwsembed.pretraining.clustering import cluster_by_class, cluster_counts


class Objective(keras.layers.Layer):
    """Base of all objectives; without state unless a subclass adds it.

    `call(embeddings, classes, items)` takes unit-norm embeddings `(batch, dim)`, the class `(batch,)` and the
    training clip `(batch,)` of each example, and returns `(batch,)` float32.
    """

    refresh_epochs = 0
    """Epochs between two calls of `refresh`; 0 for never."""

    def refresh(self, embeddings: np.ndarray, *, seed: int) -> dict[str, float]:
        """Renews the state from the embeddings `(items, dim)` of all training clips; returns some figures."""
        raise NotImplementedError(f"{type(self).__name__} has no state to refresh")


class SiameseObjective(Objective):
    """Contrastive loss over the pairs of a batch; see `kwsembed.losses.contrastive`."""

    def __init__(self, *, margin: float = 1.0, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        self.margin = margin

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return contrastive(embeddings, classes, margin=self.margin)


class ClusteringObjective(Objective):
    """Triple-header cross entropy over per-class clusters; see `kwsembed.losses.triple_header_softmax`.

    The tables of clusters have a fixed size, so re-clustering never retraces the training step. Until the
    first `refresh` there are no clusters and calling it is an error of the caller's.

    Args:
        classes: `(items,)` class of every training clip.
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        cluster_size: Clips that one cluster should hold.
        cluster_limit: Most clusters of one class.
        refresh_epochs: Epochs between two clusterings.
        scale: See the loss.
        margins: See the loss.
        header_weights: See the loss.
    """

    def __init__(
        self,
        classes: np.ndarray,
        *,
        class_count: int,
        embedding_size: int,
        cluster_size: int = 20,
        cluster_limit: int = 32,
        refresh_epochs: int = 1,
        scale: float = 8.0,
        margins: tuple[float, float, float] = (0.1, 0.1, 0.1),
        header_weights: tuple[float, float, float] = (0.25, 0.25, 1.0),
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        self.refresh_epochs = refresh_epochs
        self.class_count = class_count
        self.cluster_size = cluster_size
        self.cluster_limit = cluster_limit
        self.scale = scale
        self.margins = margins
        self.header_weights = header_weights
        self._item_classes = np.asarray(classes, np.int32)
        sizes = np.bincount(self._item_classes, minlength=class_count)
        table = int(cluster_counts(sizes, cluster_size=cluster_size, cluster_limit=cluster_limit).sum())
        self.centroids = self._table("centroids", (table, embedding_size), "float32")
        self.cluster_classes = self._table("cluster_classes", (table,), "int32")
        self.cluster_valid = self._table("cluster_valid", (table,), "int32")
        self.assignment = self._table("assignment", (len(self._item_classes),), "int32")

    def _table(self, name: str, shape: tuple[int, ...], dtype: str) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False)

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        return triple_header_softmax(
            embeddings,
            tf.gather(self.assignment.value, items),
            self.centroids.value,
            self.cluster_classes.value,
            tf.cast(self.cluster_valid.value, tf.bool),
            class_count=self.class_count,
            scale=self.scale,
            margins=self.margins,
            header_weights=self.header_weights,
        )

    def refresh(self, embeddings: np.ndarray, *, seed: int) -> dict[str, float]:
        """Clusters every class anew; the centroids are means of these, the current embeddings."""
        found = cluster_by_class(
            embeddings,
            self._item_classes,
            class_count=self.class_count,
            cluster_size=self.cluster_size,
            cluster_limit=self.cluster_limit,
            seed=seed,
        )
        used = len(found.classes)
        centroids = np.zeros(self.centroids.shape, np.float32)
        centroids[:used] = found.centroids
        classes = np.zeros(self.cluster_classes.shape, np.int32)
        classes[:used] = found.classes
        self.centroids.assign(centroids)
        self.cluster_classes.assign(classes)
        self.cluster_valid.assign((np.arange(len(classes)) < used).astype(np.int32))
        self.assignment.assign(found.assignment)
        similarity = np.sum(embeddings * found.centroids[found.assignment], axis=1)
        return {"clusters": float(used), "own_centroid_similarity": float(similarity.mean())}


def build_objective(config: TrainConfig, classes: np.ndarray, class_count: int) -> Objective:
    """The objective that a config asks for.

    Args:
        config: Its `pretrain` names the method and its options.
        classes: `(items,)` class of every training clip.
        class_count: Number of classes.
    """
    method, options = parse_method(config.pretrain, PRETRAININGS, kind="pretrain")
    return OBJECTIVES[method.name](config, classes, class_count, **options)


def _clustering(
    config: TrainConfig,
    classes: np.ndarray,
    class_count: int,
    *,
    cluster_size: float,
    cluster_limit: float,
    recluster_epochs: float,
    scale: float,
    margin: float,
    siblings: float,
    strangers: float,
    by_class: float,
) -> Objective:
    return ClusteringObjective(
        classes,
        class_count=class_count,
        embedding_size=config.embedding_size,
        cluster_size=round(cluster_size),
        cluster_limit=round(cluster_limit),
        refresh_epochs=round(recluster_epochs),
        scale=scale,
        margins=(margin, margin, margin),
        header_weights=(siblings, strangers, by_class),
    )


def _siamese(config: TrainConfig, classes: np.ndarray, class_count: int, *, margin: float) -> Objective:
    return SiameseObjective(margin=margin)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "clustering": _clustering,
    "siamese": _siamese,
}
"""Builders by method name: `(config, classes (items,), class_count, **options) -> Objective`."""
