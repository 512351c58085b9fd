"""A coarse picture of a clip for finding it again: levels of a few bands relative to the clip's loudest."""

from __future__ import annotations

import numpy as np

from kwsembed.audio.resample import Resampler
from kwsembed.frontend.config import FrontendConfig
from kwsembed.frontend.streaming import StreamingLogMel

HOP_S = 0.016
BANDS = 25

# Low rate and wide bands: what survives lossy codecs. The offset is far below 16-bit noise, so gain cancels.
_CONFIG = FrontendConfig(
    sample_rate_hz=8000,
    window_ms=64.0,
    hop_ms=1000 * HOP_S,
    fft_length=512,
    mel_count=BANDS,
    mel_low_hz=200.0,
    mel_high_hz=3600.0,
    log_offset=1e-9,
)
_STEP_DB = 0.5
_RANGE_DB = 60.0  # below the loudest band of the clip, where codecs and dither rule


class Fingerprinter:
    """Takes a clip in blocks and gives its fingerprint.

    Args:
        sample_rate_hz: Rate of the blocks.

    Example:
        >>> fingerprinter = Fingerprinter(16000)
        >>> fingerprinter.add(np.random.default_rng(0).normal(size=16000).astype(np.float32))
        >>> fingerprinter.finish().shape
        (59, 25)
    """

    NONE = np.zeros((0, BANDS), np.uint8)

    def __init__(self, sample_rate_hz: int) -> None:
        self._resampler = Resampler(sample_rate_hz, _CONFIG.sample_rate_hz)
        self._stream = StreamingLogMel(_CONFIG)
        self._features: list[np.ndarray] = []

    def add(self, block: np.ndarray) -> None:
        """Takes the next samples, float32 (samples,)."""
        self._features.append(self._stream.process(self._resampler.process(block)))

    def finish(self) -> np.ndarray:
        """Returns `(frames, bands)` uint8 in steps of 0.5 dB, 0 being 60 dB under the loudest or less."""
        rest = self._resampler.process(np.zeros(0, np.float32), final=True)
        features = np.concatenate([*self._features, self._stream.process(rest)])
        if not len(features):
            return self.NONE
        level_db = features * (10 / np.log(10))
        level_db -= level_db.max() - _RANGE_DB
        return np.rint(np.clip(level_db, 0, None) / _STEP_DB).astype(np.uint8)
