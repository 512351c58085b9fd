"""The front end once more, straight from its definition: slow, in float64, with no code of the others."""

from __future__ import annotations

import numpy as np

from kwsembed.frontend.config import FrontendConfig


def reference_log_mel(waveform: np.ndarray, config: FrontendConfig) -> np.ndarray:
    """Log-mel by a product with complex exponentials and triangles drawn side by side.

    Args:
        waveform: `(samples,)` floats in [-1, 1].
        config: Definition of the front end.

    Returns:
        `(frames, mels)` float64.
    """
    length, hop = config.window_samples, config.hop_samples
    positions = np.arange(length)
    hann = np.sin(np.pi * positions / length) ** 2
    bins = np.arange(config.fft_length // 2 + 1)
    transform = np.exp(-2j * np.pi * np.outer(positions, bins) / config.fft_length)
    triangles = _triangles(bins * config.sample_rate_hz / config.fft_length, config)
    rows = []
    for start in range(0, len(waveform) - length + 1, hop):
        spectrum = (np.asarray(waveform[start : start + length], np.float64) * hann) @ transform
        rows.append(np.log(np.abs(spectrum) ** 2 @ triangles + config.log_offset))
    return np.array(rows).reshape(-1, config.mel_count)


def _triangles(bin_hz: np.ndarray, config: FrontendConfig) -> np.ndarray:
    """`(bins, mels)`."""
    mel = 2595 * np.log10(1 + bin_hz / 700)
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (config.mel_low_hz, config.mel_high_hz))
    step = (high - low) / (config.mel_count + 1)
    columns = []
    for band in range(config.mel_count):
        left = low + band * step
        rising, falling = (mel - left) / step, (left + 2 * step - mel) / step
        columns.append(np.maximum(0.0, np.minimum(rising, falling)))
    return np.stack(columns, axis=1)
