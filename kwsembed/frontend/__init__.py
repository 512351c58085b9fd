"""The front end in NumPy: one frozen definition, whole waveforms and streams."""

from __future__ import annotations

from kwsembed.frontend.config import FrontendConfig
from kwsembed.frontend.log_mel import log_mel
from kwsembed.frontend.mel import hann_window, mel_matrix
from kwsembed.frontend.streaming import StreamingLogMel

__all__ = ["FrontendConfig", "StreamingLogMel", "hann_window", "log_mel", "mel_matrix"]
