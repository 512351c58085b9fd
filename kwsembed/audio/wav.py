"""Writing 16-bit WAV, and the one rule by which float samples become 16-bit ones."""

from __future__ import annotations

import os
import wave

import numpy as np

from kwsembed.atomic import replacing


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Quantises float samples, 1.0 being full scale, by rounding and clipping; any shape, int16 out.

    Example:
        >>> to_int16(np.array([0.5, 1.0, -2.0])).tolist()
        [16384, 32767, -32768]
    """
    return np.clip(np.rint(np.asarray(waveform) * 32768.0), -32768, 32767).astype(np.int16)


def to_float(samples: np.ndarray) -> np.ndarray:
    """Returns int16 samples as float32 in [-1, 1); `to_int16` of the result gives them back."""
    return samples.astype(np.float32) / np.float32(32768.0)


def write(path: str | os.PathLike[str], waveform: np.ndarray, sample_rate_hz: int) -> None:
    """Writes a mono waveform (samples,), float in [-1, 1], as 16-bit WAV, whole or not at all."""
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(to_int16(waveform).astype("<i2").tobytes())
