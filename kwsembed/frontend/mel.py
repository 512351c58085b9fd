"""Window and mel matrix: the two tables from which every implementation of the front end is built."""

from __future__ import annotations

import functools

import numpy as np

from kwsembed.frontend.config import FrontendConfig


@functools.lru_cache(maxsize=16)
def hann_window(config: FrontendConfig) -> np.ndarray:
    """Periodic Hann window: `0.5 - 0.5 cos(2 pi n / window)`, so it is 0 at its first sample only.

    Returns:
        `(window_samples,)` float64, read-only.
    """
    length = config.window_samples
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    window.flags.writeable = False
    return window


@functools.lru_cache(maxsize=16)
def mel_matrix(config: FrontendConfig) -> np.ndarray:
    """Weights of the mel triangles, as `tf.signal.linear_to_mel_weight_matrix` has them.

    Corners are equally spaced in HTK mel, sides are straight in mel (not in hertz), the peak is 1 and areas
    are not normalised. Rows outside `config.bin_range` are zero, that of the constant (0 Hz) among them.

    Returns:
        `(bins, mels)` float64, read-only, with `bins = fft_length // 2 + 1`; power `(frames, bins)` times
        this matrix is the mel power `(frames, mels)`.

    References:
        S. Young et al., The HTK Book, section 5.4 (mel scale).
    """
    first, stop = config.bin_range
    bin_hz = np.arange(first, stop) * config.sample_rate_hz / config.fft_length
    corners = np.linspace(_mel(config.mel_low_hz), _mel(config.mel_high_hz), config.mel_count + 2)
    step = corners[1] - corners[0]
    distance = np.abs(_mel(bin_hz)[:, np.newaxis] - corners[np.newaxis, 1:-1]) / step
    weights = np.zeros((config.fft_length // 2 + 1, config.mel_count))
    weights[first:stop] = np.maximum(0.0, 1.0 - distance)
    weights.flags.writeable = False
    return weights


def _mel(frequency_hz: float | np.ndarray) -> np.ndarray:
    """HTK mel scale."""
    return 1127.0 * np.log1p(np.asarray(frequency_hz) / 700.0)
