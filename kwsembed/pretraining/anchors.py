"""Where the training clips lie in the embedding, for all who look at them between two epochs."""

from __future__ import annotations

import keras
import numpy as np

from kwsembed.models import forward


class AnchorEmbeddings:
    """Embeddings of one unaugmented window per training clip, computed once for each state of the network.

    At the end of an epoch they say how far apart the classes are, before the next one they are clustered: the
    same weights both times, and a pass through all the clips costs a tenth of an epoch.

    Args:
        embedder: The network that is trained.
        windows: `(clips, frames, mels)` log-mel.

    Example:
        >>> anchors = AnchorEmbeddings(embedder, windows)  # doctest: +SKIP
        >>> anchors.current() is anchors.current()  # doctest: +SKIP
        True
    """

    def __init__(self, embedder: keras.Model, windows: np.ndarray) -> None:
        self.embedder = embedder
        self._windows = windows
        self._weights: list[np.ndarray] = []
        self._embeddings: np.ndarray | None = None

    def current(self) -> np.ndarray:
        """`(clips, dim)` with the weights that the network has now; not to be written to."""
        weights = self.embedder.get_weights()
        if self._embeddings is None or not all(map(np.array_equal, weights, self._weights)):
            self._embeddings = forward(self.embedder, self._windows)
            self._weights = [weight.copy() for weight in weights]
        return self._embeddings
