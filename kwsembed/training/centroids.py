"""The centroids that a bundle carries to tell unknown sounds by: of the int8 model's own embeddings."""

from __future__ import annotations

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.clip_scores import clip_windows
from kwsembed.detection.centroids import Centroids
from kwsembed.pretraining.clustering import cluster_by_class
from kwsembed.progress import Progress, silent
from kwsembed.runtime import Classifier
from kwsembed.runtime.unknown import Embedder
from kwsembed.training.data import TrainingData

_MOST_WINDOWS = 16  # of a clip that are looked at, evenly spread; one of an hour has thousands
_CLUSTER_SIZE, _MOST_CLUSTERS = 20, 4
_WITHIN = 0.95  # of the validation clips lie within the limit
_LEAST_LIMIT = 1e-3


def fit_centroids(bundle: Bundle, data: TrainingData, *, progress: Progress = silent) -> Centroids:
    """Clusters the training clips of each label, and says how near to them its validation clips lie.

    Of a clip counts the window that scores highest for its label. Of a label without validation clips the
    training clips give the limit.

    Args:
        bundle: The int8 model; its operating points do not matter.
        data: The run's clips.
        progress: Called as clips are embedded.
    """
    classifier, embedder = Classifier(bundle), Embedder(bundle)
    clips = {split: data.clips_of(split) for split in ("train", "validation")}
    total = sum(len(indices) for indices in clips.values())
    found: dict[str, np.ndarray] = {}
    done = 0
    for split, indices in clips.items():
        rows = np.zeros((len(indices), embedder.dimensions), np.float32)
        for row, index in zip(rows, indices, strict=True):
            row[:] = embedder.embed(_strongest_window(classifier, bundle, data, int(index))[None])[0]
            done += 1
            progress(done, total)
        found[split] = rows
    clusters = cluster_by_class(
        found["train"],
        data.classes_of("train"),
        class_count=len(data.labels),
        cluster_size=_CLUSTER_SIZE,
        cluster_limit=_MOST_CLUSTERS,
        seed=data.config.seed,
    )
    by_label, limits = {}, {}
    for number, label in enumerate(data.labels):
        centroids = clusters.centroids[clusters.classes == number].astype("<f2").astype(np.float32)
        own = {split: found[split][data.classes_of(split) == number] for split in found}
        judged = own["validation"] if len(own["validation"]) else own["train"]
        distances = 1.0 - (judged @ centroids.T).max(axis=1)
        by_label[label] = centroids
        limits[label] = max(float(np.quantile(distances, _WITHIN, method="higher")), _LEAST_LIMIT)
    return Centroids(by_label, limits)


def _strongest_window(classifier: Classifier, bundle: Bundle, data: TrainingData, clip: int) -> np.ndarray:
    windows = clip_windows(data.store.waveform(clip), bundle.window_samples, bundle.hop_samples)
    shown = np.linspace(0, len(windows) - 1, min(len(windows), _MOST_WINDOWS)).round().astype(int)
    scores = classifier.score_windows(windows[shown])[:, int(data.classes[clip])]
    return windows[shown[int(scores.argmax())]]
