"""Scores of windows, by a Keras network or by a bundle, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from kwsembed.bundle import Bundle
from kwsembed.clip_scores import clip_windows_in_parts
from kwsembed.data.cache import ClipStore
from kwsembed.data.log_mel import LogMel
from kwsembed.frontend import FrontendConfig
from kwsembed.progress import Progress, silent
from kwsembed.runtime import Classifier

Scorer = Callable[[np.ndarray], np.ndarray]
"""`(windows, samples)` float32 in [-1, 1] -> `(windows, labels)` probabilities."""

_BATCH = 256
# Windows of a clip that are cut at once: whole batches, so that the numbers are those of one piece.
_WINDOWS_AT_ONCE = 4 * _BATCH


def network_scorer(classifier: keras.Model, frontend: FrontendConfig) -> Scorer:
    """Scores windows with a Keras classifier behind the front end."""
    to_log_mel = LogMel(frontend)

    @tf.function(reduce_retracing=True)
    def probabilities(windows: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(classifier(to_log_mel(windows), training=False))

    return _in_batches(probabilities, classifier.output_shape[-1])


def embedding_scorer(embedder: keras.Model, frontend: FrontendConfig) -> Scorer:
    """Embeds windows behind the front end: `(windows, samples)` -> `(windows, dim)`, no probabilities."""
    to_log_mel = LogMel(frontend)

    @tf.function(reduce_retracing=True)
    def embeddings(windows: tf.Tensor) -> tf.Tensor:
        return embedder(to_log_mel(windows), training=False)

    return _in_batches(embeddings, embedder.output_shape[-1])


def bundle_scorer(bundle: Bundle, *, runtime: str | None = None) -> Scorer:
    """Scores windows with the model of a bundle, through the interpreter that the device uses."""
    classifier = Classifier(bundle, runtime=runtime)

    def score(windows: np.ndarray) -> np.ndarray:
        return classifier.score_windows(windows)

    return score


def _in_batches(network: Callable[[tf.Tensor], tf.Tensor], outputs: int) -> Scorer:
    def score(windows: np.ndarray) -> np.ndarray:
        parts = [
            network(tf.constant(windows[first : first + _BATCH])).numpy()
            for first in range(0, len(windows), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, outputs), np.float32)

    return score


def score_clips(
    store: ClipStore,
    clips: Iterable[int],
    scorer: Scorer,
    *,
    window_samples: int,
    hop_samples: int,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """Scores of all windows of each clip, cut as `classify` cuts them.

    Returns:
        For each clip `(windows, labels)`.
    """
    indices = list(clips)
    scores = []
    for done, index in enumerate(indices, start=1):
        parts = clip_windows_in_parts(
            store.waveform(int(index)), window_samples, hop_samples, most=_WINDOWS_AT_ONCE
        )
        scores.append(np.concatenate([scorer(windows) for windows in parts]))
        progress(done, len(indices))
    return scores
