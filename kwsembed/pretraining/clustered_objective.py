"""Base of the objectives over clusters that k-means finds in each class: their tables and their renewal."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.pretraining.clustering import cluster_by_class, cluster_counts, nearest_of_class
from kwsembed.pretraining.objective import Objective


class ClusteredObjective(Objective):
    """Base of objectives over clusters: their tables, and how they are renewed.

    The tables of clusters have a fixed size, so re-clustering never retraces the training step. Until the
    first `refresh` there are no clusters and calling it is an error of the caller's.

    Args:
        classes: `(items,)` class of every training clip.
        class_count: Number of classes.
        embedding_size: Dimensions of the embedding.
        cluster_size: Clips that one cluster should hold.
        cluster_limit: Most clusters of one class.
        refresh_epochs: Epochs between two clusterings.
        learned_centroids: Centroids are means of their clusters at the first clustering only; from there they
            are trained, and a refresh gives each clip to the nearest of its class. Otherwise every refresh
            clusters anew, and the centroids stand still in between.
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
        learned_centroids: bool = False,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        self.refresh_epochs = refresh_epochs
        self.learned_centroids = learned_centroids
        self.class_count = class_count
        self.cluster_size = cluster_size
        self.cluster_limit = cluster_limit
        self._item_classes = np.asarray(classes, np.int32)
        sizes = np.bincount(self._item_classes, minlength=class_count)
        table = int(cluster_counts(sizes, cluster_size=cluster_size, cluster_limit=cluster_limit).sum())
        self.centroids = self._table(
            "centroids", (table, embedding_size), "float32", trainable=learned_centroids
        )
        self.cluster_classes = self._table("cluster_classes", (table,), "int32")
        self.cluster_valid = self._table("cluster_valid", (table,), "int32")
        self.assignment = self._table("assignment", (len(self._item_classes),), "int32")

    def _table(
        self, name: str, shape: tuple[int, ...], dtype: str, *, trainable: bool = False
    ) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=trainable)

    def clusters_of(self, items: tf.Tensor) -> tf.Tensor:
        """`(batch,)` cluster of each training clip: a row of the tables."""
        return tf.gather(self.assignment.value, items)

    def tables(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Centroids `(clusters, dim)`, and by row `(clusters,)` the class and whether the row is in use."""
        centroids = self.centroids.value
        if self.learned_centroids:
            centroids = tf.math.l2_normalize(centroids, axis=1)  # training moves them off the sphere
        return (
            centroids,
            self.cluster_classes.value,
            tf.cast(self.cluster_valid.value, tf.bool),
        )

    def refresh(self, embeddings: np.ndarray, *, seed: int) -> dict[str, float]:
        """Clusters every class anew, or, once centroids are being learned, gives each clip to the nearest."""
        if self.learned_centroids and self.cluster_valid.numpy().any():
            return self._reassign(embeddings)
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
        return _figures(embeddings, centroids, found.assignment, clusters=used)

    def _reassign(self, embeddings: np.ndarray) -> dict[str, float]:
        centroids, classes, valid = (table.numpy() for table in self.tables())
        assignment = nearest_of_class(
            embeddings, self._item_classes, centroids=centroids, cluster_classes=np.where(valid, classes, -1)
        )
        self.assignment.assign(assignment)
        return _figures(embeddings, centroids, assignment, clusters=int(valid.sum()))


def _figures(
    embeddings: np.ndarray, centroids: np.ndarray, assignment: np.ndarray, *, clusters: int
) -> dict[str, float]:
    similarity = np.sum(embeddings * centroids[assignment], axis=1)
    return {"clusters": float(clusters), "own_centroid_similarity": float(similarity.mean())}


def table_options_of(
    config: TrainConfig,
    class_count: int,
    *,
    cluster_size: float,
    cluster_limit: float,
    recluster_epochs: float,
) -> dict[str, Any]:
    """Arguments of `ClusteredObjective` from the options that all clustered methods have."""
    return {
        "class_count": class_count,
        "embedding_size": config.embedding_size,
        "cluster_size": round(cluster_size),
        "cluster_limit": round(cluster_limit),
        "refresh_epochs": round(recluster_epochs),
    }
