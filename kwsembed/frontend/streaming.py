"""The front end on a stream: chunks of any length in, the frames that they complete out."""

from __future__ import annotations

import numpy as np

from kwsembed.frontend.config import FrontendConfig
from kwsembed.frontend.log_mel import log_mel


class StreamingLogMel:
    """Log-mel features of a stream; chunked in any way they are those of `log_mel` on the whole.

    The state is the samples that later frames still need, always fewer than a window.

    Args:
        config: Definition of the front end.

    Example:
        >>> stream = StreamingLogMel(FrontendConfig())
        >>> [len(stream.process(np.zeros(300, np.float32))) for _ in range(4)]
        [0, 2, 2, 2]
    """

    def __init__(self, config: FrontendConfig) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forgets the stream; the next chunk begins a new one."""
        self._pending = np.zeros(0, np.float32)

    def process(self, chunk: np.ndarray) -> np.ndarray:
        """Takes the next samples and gives the frames that they complete.

        Args:
            chunk: `(samples,)` float in [-1, 1], of any length, also none.

        Returns:
            `(new_frames, mels)` float32, as `log_mel` gives them.

        Raises:
            AudioError: The chunk is not one-dimensional or not of floats; the stream stays as it was.
        """
        chunk = np.asarray(chunk)
        if chunk.ndim != 1 or chunk.dtype.kind != "f":
            return log_mel(chunk, self.config)  # refuses it
        samples = np.concatenate((self._pending, chunk))
        features = log_mel(samples, self.config)
        self._pending = samples[len(features) * self.config.hop_samples :].copy()
        return features
