"""The front end as TensorFlow Lite operations that every client runs: float, dense, no Fourier operation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kwsembed.errors import ConfigError
from kwsembed.frontend import FrontendConfig, mel_matrix
from kwsembed.tflite.folded_spectrum import power_spectrum
from kwsembed.tflite.mirrored_frames import mirror_sums


def log_mel_graph(frontend: FrontendConfig, window_samples: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that the exported model starts with; it equals `kwsembed.frontend.log_mel`.

    There is no Fourier operation in it, which old and small runtimes lack: see `power_spectrum`.

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
    bins = np.arange(*frontend.bin_range)
    mels = mel_matrix(frontend).astype(np.float32)

    def log_mel(waveform: tf.Tensor) -> tf.Tensor:
        parts = power_spectrum(*mirror_sums(waveform, frontend, reach=frontend.fft_length // 2), bins)
        power = tf.concat([values for values, _ in parts], axis=1)
        mel_power = tf.matmul(power, np.concatenate([mels[part] for _, part in parts]))
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
