"""The front end in NumPy: a whole waveform to log-mel features."""

from __future__ import annotations

import numpy as np

from kwsembed.errors import AudioError
from kwsembed.frontend.config import FrontendConfig
from kwsembed.frontend.mel import hann_window, mel_matrix

# Frames transformed at a time: enough to hide the cost of a call, few enough to stay in the cache.
_BLOCK_FRAMES = 64


def log_mel(waveform: np.ndarray, config: FrontendConfig) -> np.ndarray:
    """Log-mel features of a waveform, computed in double precision and rounded once.

    Args:
        waveform: `(samples,)` float in [-1, 1]. Samples after the last whole frame are not used.
        config: Definition of the front end.

    Returns:
        `(frames, mels)` float32, natural logarithm of power, never below `ln(log_offset)`; no frame if the
        waveform is shorter than a window.

    Raises:
        AudioError: The waveform is not one-dimensional or not of floats.

    Example:
        >>> log_mel(np.zeros(16000, np.float32), FrontendConfig()).shape
        (98, 64)

    See also:
        `StreamingLogMel`, the same in chunks; `kwsembed.data.log_mel.LogMel`, the same in TensorFlow.
    """
    waveform = np.ascontiguousarray(waveform)
    if waveform.ndim != 1 or waveform.dtype.kind != "f":
        raise AudioError(
            "The front end cannot use this waveform",
            expected="floats in [-1, 1] of shape (samples,)",
            received=f"shape={waveform.shape}, dtype={waveform.dtype}",
        )
    frames = config.frame_count(len(waveform))
    features = np.empty((frames, config.mel_count), np.float32)
    first_bin, stop_bin = config.bin_range
    window = hann_window(config)
    weights = mel_matrix(config)[first_bin:stop_bin]
    hop_bytes = config.hop_samples * waveform.itemsize
    padded = np.zeros((min(frames, _BLOCK_FRAMES), config.fft_length))
    for start in range(0, frames, _BLOCK_FRAMES):
        count = min(_BLOCK_FRAMES, frames - start)
        # A view in which frames overlap: samples are copied only as the window is applied.
        framed: np.ndarray = np.ndarray(
            (count, len(window)),
            waveform.dtype,
            buffer=waveform,
            offset=start * hop_bytes,
            strides=(hop_bytes, waveform.itemsize),
        )
        np.multiply(framed, window, out=padded[:count, : len(window)])
        spectrum = np.fft.rfft(padded[:count])[:, first_bin:stop_bin]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        features[start : start + count] = np.log(power @ weights + config.log_offset)
    return features
