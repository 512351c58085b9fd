"""The front end as TensorFlow Lite operations that every client runs: float, dense, no Fourier operation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kwsembed.errors import ConfigError
from kwsembed.frontend import FrontendConfig, hann_window, mel_matrix


def log_mel_graph(frontend: FrontendConfig, window_samples: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that the exported model starts with; it equals `kwsembed.frontend.log_mel`.

    Runtimes on microcontrollers and old phones have no FFT, but all of them multiply matrices fast, so two
    steps of an FFT are taken by hand and the rest is a product with cosines and sines:

    1. The power spectrum of a frame is that of the frame seen from its middle (a delay changes only the
       phase), and a periodic Hann window is even around its middle. So the samples `m` after and `m` before
       the middle meet the same cosine, and opposite sines: their sum and difference are transformed instead.
    2. Of the offsets `m` and `fft_length / 2 - m`, even bins see the same cosine and opposite sines, odd bins
       opposite cosines and the same sine: sums and differences again.

    Args:
        frontend: Definition of the features; its window must be an even number of samples.
        window_samples: Samples in one waveform; at least one frame.

    Returns:
        Function from a waveform `(1, window_samples)` float32 in [-1, 1] to log-mel `(1, frames, mels)`
        float32.

    Raises:
        ConfigError: The window is odd, or the waveform shorter than a frame.

    Example:
        >>> log_mel = log_mel_graph(FrontendConfig(), 16000)
        >>> log_mel(tf.zeros((1, 16000))).shape
        TensorShape([1, 98, 64])
    """
    frames = _checked_frame_count(frontend, window_samples)
    hop, half = frontend.hop_samples, frontend.window_samples // 2
    rows = frames - 1 + -(-half // hop)
    window = hann_window(frontend)[half:].astype(np.float32)
    bins = np.arange(*frontend.bin_range)
    even, odd = bins[bins % 2 == 0], bins[bins % 2 == 1]
    kept = min(half, frontend.fft_length // 4 + 1)
    mels = mel_matrix(frontend).astype(np.float32)

    def half_frames(waveform: tf.Tensor, start: int) -> tf.Tensor:
        # Whole rows and slices of stride one: strided or gathered framing costs up to half of the front end.
        blocks = tf.reshape(tf.slice(waveform, [0, start], [1, rows * hop]), (rows, hop))
        offsets = range(0, half, hop)
        return tf.concat(
            [tf.slice(blocks, [m // hop, 0], [frames, min(hop, half - m)]) for m in offsets], axis=1
        )

    def fold(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Sum and difference of the offsets `m` and `fft_length / 2 - m`, `(frames, kept)`."""
        near = tf.slice(values, [0, 0], [frames, kept])
        if kept == half:  # the transform is so long that no offset has a partner
            return near, near
        far = tf.reverse(tf.slice(values, [0, kept], [frames, half - kept]), axis=[1])
        first = frontend.fft_length // 2 - half + 1
        partners = tf.pad(far, [[0, 0], [first, kept - first - (half - kept)]])
        return near + partners, near - partners

    def power(cosine_part: tf.Tensor, sine_part: tf.Tensor, bins: np.ndarray) -> tf.Tensor:
        angles = 2 * np.pi * np.outer(np.arange(kept), bins) / frontend.fft_length
        cosines = np.cos(angles)
        cosines[0] /= 2  # the middle sample was counted after and before the middle
        real = tf.matmul(cosine_part, cosines.astype(np.float32))
        imaginary = tf.matmul(sine_part, np.sin(angles).astype(np.float32))
        return real * real + imaginary * imaginary

    def log_mel(waveform: tf.Tensor) -> tf.Tensor:
        padded = tf.pad(waveform, [[0, 0], [0, max(0, half + rows * hop - window_samples)]])
        after = half_frames(padded, half)
        # From one sample on: that at the frame's start, half a frame before the middle, has weight 0.
        before = tf.reverse(half_frames(padded, 1), axis=[1])
        symmetric_sum, symmetric_difference = fold((after + before) * window)
        antisymmetric_sum, antisymmetric_difference = fold((after - before) * window)
        even_power = power(symmetric_sum, antisymmetric_difference, even)
        odd_power = power(symmetric_difference, antisymmetric_sum, odd)
        mel_power = tf.matmul(even_power, mels[even]) + tf.matmul(odd_power, mels[odd])
        return tf.reshape(tf.math.log(mel_power + frontend.log_offset), (1, frames, frontend.mel_count))

    return log_mel


def _checked_frame_count(frontend: FrontendConfig, window_samples: int) -> int:
    frame, frames = frontend.window_samples, frontend.frame_count(window_samples)
    if frame % 2:
        raise ConfigError(
            "The exported front end folds each frame around its middle",
            expected="window_ms of an even number of samples",
            received=f"window_ms={frontend.window_ms:g} ({frame} samples)",
        )
    if frames < 1:
        raise ConfigError(
            "The model's window holds no frame",
            expected=f"at least {frame} samples",
            received=f"window_samples={window_samples}",
        )
    return frames
