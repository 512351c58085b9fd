"""Telling sounds that resemble nothing trained on, by the embedding of the bundle's own model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.centroids import RECORD, Centroids
from kwsembed.errors import BundleError
from kwsembed.runtime.embedding_output import with_embedding_output
from kwsembed.runtime.interpreter import load_interpreter


class Embedder:
    """Embeds windows with the model of a bundle, int8 as it ships.

    It is a second interpreter of the same file, with the embedding as its output; scores do not change.

    Args:
        bundle: The bundle.
        runtime: Interpreter to use, see `load_interpreter`.
        threads: Threads of the interpreter.

    Raises:
        BundleError: The model gives no embedding.
    """

    def __init__(self, bundle: Bundle, *, runtime: str | None = None, threads: int = 1) -> None:
        self._model = load_interpreter(with_embedding_output(bundle.model), runtime=runtime, threads=threads)

    @property
    def dimensions(self) -> int:
        """Dimensions of the embedding."""
        return self._model.output_shape[1]

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """`(windows, window_samples)` in [-1, 1] to `(windows, dim)` float32 of unit norm."""
        embeddings = np.empty((len(windows), self.dimensions), np.float32)
        for row, window in zip(embeddings, windows, strict=True):
            row[:] = self._model.run(window)
        return embeddings


class UnknownMeter:
    """How far windows lie from what their label was trained on, in units of what is usual for it.

    Args:
        bundle: A bundle with centroids, as `train` writes it.
        runtime: Interpreter to use, see `load_interpreter`.
        threads: Threads of the interpreter.

    Raises:
        BundleError: The bundle carries no centroids, or not of all its labels.

    Example:
        >>> meter = UnknownMeter(Bundle.load("RUN/bundle"))  # doctest: +SKIP
        >>> meter.distance("dog_bark", windows)  # doctest: +SKIP
        array([0.41, 2.75])
    """

    def __init__(self, bundle: Bundle, *, runtime: str | None = None, threads: int = 1) -> None:
        if RECORD not in bundle.extra:
            raise BundleError(
                "the bundle carries no centroids to tell unknown sounds by",
                fix="train it anew: older bundles have none",
            )
        self._centroids = Centroids.from_dict(bundle.extra[RECORD])
        missing = sorted(set(bundle.labels) - set(self._centroids.by_label))
        if missing:
            raise BundleError("labels without centroids", received=", ".join(missing))
        self._embedder = Embedder(bundle, runtime=runtime, threads=threads)
        dimensions = {rows.shape[1] for rows in self._centroids.by_label.values()}
        if dimensions != {self._embedder.dimensions}:
            raise BundleError(
                "the centroids do not fit the model",
                expected=f"{self._embedder.dimensions} dimensions",
                received=f"{sorted(dimensions)}",
            )

    def distance(self, label: str, windows: np.ndarray) -> np.ndarray:
        """`(windows, window_samples)` to `(windows,)`: above 1 is farther than 95 % of validation's clips."""
        return self._centroids.distance(label, self._embedder.embed(windows))


class Veto:
    """Takes hits back whose sound lies too far from what their label was trained on.

    A window whose score reaches a label's threshold, but whose distance to the label's centroids is above 1,
    counts as if its score were 0. Only such windows are embedded, so that quiet hours cost nothing.

    Args:
        bundle: A bundle with centroids.
        thresholds: Of each event label.
        runtime: Interpreter to use, see `load_interpreter`.
        threads: Threads of the interpreter.
    """

    def __init__(
        self,
        bundle: Bundle,
        thresholds: Mapping[str, float],
        *,
        runtime: str | None = None,
        threads: int = 1,
    ) -> None:
        self._meter = UnknownMeter(bundle, runtime=runtime, threads=threads)
        self._columns = {label: bundle.labels.index(label) for label in bundle.event_labels}
        self._thresholds = dict(thresholds)

    def revise(self, windows: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """The scores after the veto.

        Args:
            windows: `(windows, window_samples)`.
            scores: `(windows, labels)`.
        """
        revised = scores.copy()
        for label, column in self._columns.items():
            hits = np.flatnonzero(scores[:, column] >= self._thresholds[label])
            if len(hits):
                unknown = self._meter.distance(label, windows[hits]) > 1.0
                revised[hits[unknown], column] = 0.0
        return revised
