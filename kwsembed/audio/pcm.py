"""Raw PCM, as pipes and networks carry it: bytes of interleaved samples become one channel of floats."""

from __future__ import annotations

import numpy as np

WIDTHS = (1, 2, 3, 4)
"""Bytes per sample that can be read: unsigned for 1, as in WAV; signed and little-endian for the others."""


def to_mono(content: bytes | bytearray, *, width: int, channels: int) -> np.ndarray:
    """Reads interleaved samples and averages their channels.

    Args:
        content: Whole frames: a multiple of `width * channels` bytes.
        width: Bytes per sample, one of `WIDTHS`.
        channels: Number of channels.

    Returns:
        (samples,) float32 in [-1, 1).

    Example:
        >>> to_mono(bytes([0, 64, 0, 0]), width=2, channels=2).tolist()
        [0.25]
    """
    if width == 1:
        samples = np.frombuffer(content, np.uint8).astype(np.float32) - 128
    elif width == 3:
        # The three bytes become the upper ones of an int32; shifted back, their sign comes along.
        padded = np.zeros((len(content) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        samples = (padded.view("<i4")[:, 0] >> 8).astype(np.float32)
    else:
        samples = np.frombuffer(content, f"<i{width}").astype(np.float32)
    samples /= np.float32(2 ** (8 * width - 1))
    return samples if channels == 1 else samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
