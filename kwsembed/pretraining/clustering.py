"""Per-class k-means on embeddings: which cluster each clip belongs to, and the centroids."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from kwsembed.errors import DivergenceError


@dataclass(frozen=True)
class Clusters:
    """Clusters of a training split.

    Attributes:
        assignment: `(clips,)` int32, cluster of each clip.
        centroids: `(clusters, dim)` float32, unit-norm means of the members' embeddings.
        classes: `(clusters,)` int32, class of each cluster.
    """

    assignment: np.ndarray
    centroids: np.ndarray
    classes: np.ndarray


def cluster_counts(class_sizes: np.ndarray, *, cluster_size: int, cluster_limit: int) -> np.ndarray:
    """How many clusters each class is given, so that clusters have comparable sizes.

    Args:
        class_sizes: `(classes,)` clips per class.
        cluster_size: Clips that one cluster should hold.
        cluster_limit: Most clusters of one class.

    Returns:
        `(classes,)` int: round(size / cluster_size) within 1 and `cluster_limit`; 0 for a class without
        clips.

    Example:
        >>> cluster_counts(np.array([100, 7, 0]), cluster_size=20, cluster_limit=32)
        array([5, 1, 0])
    """
    sizes = np.asarray(class_sizes)
    counts = np.clip(np.rint(sizes / cluster_size).astype(int), 1, cluster_limit)
    return np.where(sizes > 0, counts, 0)


def cluster_by_class(
    embeddings: np.ndarray,
    classes: np.ndarray,
    *,
    class_count: int,
    cluster_size: int = 20,
    cluster_limit: int = 32,
    seed: int = 0,
) -> Clusters:
    """Clusters each class on its own with k-means.

    Clusters that come out empty (duplicate points, a collapsed embedding) are dropped, so every cluster that
    is returned has a member; where members cancel out, the first of them stands for their mean.

    Args:
        embeddings: `(clips, dim)` float, unit norm.
        classes: `(clips,)` int in [0, class_count).
        class_count: Number of classes.
        cluster_size: See `cluster_counts`.
        cluster_limit: See `cluster_counts`.
        seed: Seed of k-means.

    Raises:
        DivergenceError: An embedding is not finite: training has diverged.
    """
    embeddings = np.asarray(embeddings, dtype=np.float64)
    _require_finite(embeddings)
    counts = cluster_counts(
        np.bincount(classes, minlength=class_count), cluster_size=cluster_size, cluster_limit=cluster_limit
    )
    assignment = np.zeros(len(embeddings), np.int32)
    centroids: list[np.ndarray] = []
    cluster_classes: list[int] = []
    for class_index in range(class_count):
        members = np.flatnonzero(classes == class_index)
        if len(members) == 0:
            continue
        found = _k_means(embeddings[members], min(int(counts[class_index]), len(members)), seed=seed)
        for old in np.unique(found):
            chosen = members[found == old]
            assignment[chosen] = len(centroids)
            centroids.append(_unit_mean(embeddings[chosen]))
            cluster_classes.append(class_index)
    return Clusters(
        assignment=assignment,
        centroids=np.asarray(centroids, np.float32),
        classes=np.asarray(cluster_classes, np.int32),
    )


def nearest_of_class(
    embeddings: np.ndarray, classes: np.ndarray, *, centroids: np.ndarray, cluster_classes: np.ndarray
) -> np.ndarray:
    """Gives each clip to the nearest cluster of its own class.

    Args:
        embeddings: `(clips, dim)` float, unit norm.
        classes: `(clips,)` int; every one has a cluster.
        centroids: `(clusters, dim)` float, unit norm.
        cluster_classes: `(clusters,)` int, class of each cluster; -1 for one that is not in use.

    Returns:
        `(clips,)` int32, cluster of each clip.

    Raises:
        DivergenceError: An embedding is not finite: training has diverged.

    Example:
        >>> nearest_of_class(np.eye(2), np.array([0, 0]), centroids=np.array([[0.6, 0.8], [1.0, 0.0]]),
        ...                  cluster_classes=np.array([0, 1]))
        array([0, 0], dtype=int32)
    """
    _require_finite(embeddings)
    own = np.asarray(classes)[:, np.newaxis] == np.asarray(cluster_classes)
    similarity = np.where(own, np.asarray(embeddings) @ np.asarray(centroids).T, -np.inf)
    return np.argmax(similarity, axis=1).astype(np.int32)


def _require_finite(embeddings: np.ndarray) -> None:
    broken = int(np.sum(~np.isfinite(embeddings).all(axis=1)))
    if broken:
        raise DivergenceError(
            "embeddings are not finite, so they cannot be clustered",
            received=f"{broken} of {len(embeddings)} clips with NaN or infinity",
            fix="lower the learning rate, and look for broken input",
        )


def _k_means(points: np.ndarray, cluster_count: int, *, seed: int) -> np.ndarray:
    if cluster_count == 1:
        return np.zeros(len(points), np.int32)
    with warnings.catch_warnings():
        # Fewer distinct points than clusters: scikit-learn warns and leaves clusters empty, which we drop.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(cluster_count, n_init=2, max_iter=50, random_state=seed).fit(points).labels_


def _unit_mean(points: np.ndarray) -> np.ndarray:
    mean = points.mean(axis=0)
    norm = np.linalg.norm(mean)
    if norm < 1e-6:
        # Opposite members cancel out: any direction of the mean is noise, a member's is not.
        mean, norm = points[0], np.linalg.norm(points[0])
    return mean / max(float(norm), 1e-12)
