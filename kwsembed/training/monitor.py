"""What is measured on validation after every epoch: one window per clip, cheap enough to plot a curve of."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kwsembed.evaluation.clip_metrics import clip_metrics
from kwsembed.models import forward
from kwsembed.pretraining import AnchorEmbeddings
from kwsembed.training.data import TrainingData


class _Monitor(keras.callbacks.Callback):
    def __init__(self, data: TrainingData) -> None:
        super().__init__()
        self._data = data
        self._windows = data.anchors("validation")
        self._classes = data.classes_of("validation")

    def _log(self, logs: dict[str, Any] | None, scores: np.ndarray) -> None:
        metrics = clip_metrics(
            scores, self._classes, labels=self._data.labels, event_count=self._data.event_count
        )
        for name in ("macro_average_precision", "balanced_error"):
            if logs is not None and metrics[name] is not None:
                logs[f"val_{name}"] = metrics[name]


class ClassifierMonitor(_Monitor):
    """Logs macro average precision and balanced error of a classifier.

    Args:
        classifier: The network; what is trained may have further outputs.
        data: The run's data.
    """

    def __init__(self, classifier: keras.Model, data: TrainingData) -> None:
        super().__init__(data)
        self._classifier = classifier

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the metrics to the epoch's logs."""
        self._log(logs, softmax(forward(self._classifier, self._windows)))


class EmbeddingMonitor(_Monitor):
    """Logs the same for an embedder, by similarity to the mean training embedding of each class.

    Args:
        anchors: The network under training and its embeddings of the training clips.
        data: The run's data.
    """

    def __init__(self, anchors: AnchorEmbeddings, data: TrainingData) -> None:
        super().__init__(data)
        self._anchors = anchors
        self._anchor_classes = data.classes_of("train")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the metrics to the epoch's logs."""
        known = self._anchors.current()
        means = np.stack(
            [known[self._anchor_classes == c].mean(axis=0) for c in range(len(self._data.labels))]
        )
        self._log(logs, softmax(forward(self._anchors.embedder, self._windows) @ means.T))


def softmax(logits: np.ndarray) -> np.ndarray:
    """`(clips, labels)` that add up to 1 for each clip, which makes them comparable between clips."""
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)
