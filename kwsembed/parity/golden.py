"""Golden audio: a signal made of a seed, and any signal at the levels at which parity is measured.

The signal holds what front ends and networks stumble over: sweeps, bursts of noise, beeps, harmonic sounds,
clicks and near silence. Its random numbers are splitmix64's, its samples 16-bit, so that a client in any
language can make the same one; the checksum of the samples tells whether it did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from kwsembed.audio.wav import to_float, to_int16

LEVELS_DBFS = (0, -20, -40, -60)
PIECE_S = 0.5
_FADE_S = 0.01
_STEP = 0x9E3779B97F4A7C15


def uniforms(seed: int, count: int) -> np.ndarray:
    """The first numbers of splitmix64, `(count,)` float64 in [0, 1): the upper 53 bits of each.

    Example:
        >>> uniforms(0, 2).round(6).tolist()
        [0.883311, 0.431528]
    """
    with np.errstate(over="ignore"):  # modulo 2**64 is meant
        state = np.uint64(seed % 2**64) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((state ^ (state >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def golden_signal(seed: int, *, duration_s: float, sample_rate_hz: int) -> np.ndarray:
    """Sounds of half a second, one of each kind in turn, each at a level of its own.

    Args:
        seed: Of all random numbers.
        duration_s: Length; rounded down to whole pieces.
        sample_rate_hz: Rate.

    Returns:
        `(samples,)` float64 with a peak of 1.
    """
    samples = round(PIECE_S * sample_rate_hz)
    time_s = np.arange(samples) / sample_rate_hz
    fade = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / _FADE_S)
    pieces = []
    for number in range(int(duration_s / PIECE_S + 1e-9)):
        drawn = uniforms(seed + number, 8 + samples)
        sound = _KINDS[number % len(_KINDS)](time_s, drawn[1:8], 2 * drawn[8:] - 1, 0.45 * sample_rate_hz)
        pieces.append(10 ** (-drawn[0]) * fade * sound / np.abs(sound).max())
    signal = np.concatenate(pieces)
    return signal / np.abs(signal).max()


def at_level(waveform: np.ndarray, level_dbfs: float) -> np.ndarray:
    """The waveform with its peak at a level, in 16 bits as a microphone gives it: `(samples,)` float32."""
    peak = float(np.abs(waveform).max(initial=0.0))
    return to_float(to_int16(waveform * (10 ** (level_dbfs / 20) / peak if peak else 0.0)))


def checksum(waveforms: Sequence[np.ndarray]) -> str:
    """sha256 of 16-bit samples, little endian, one waveform after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for waveform in waveforms:
        digest.update(to_int16(waveform).astype("<i2").tobytes())
    return digest.hexdigest()


def _sweep(time_s: np.ndarray, drawn: np.ndarray, _: np.ndarray, top_hz: float) -> np.ndarray:
    low_hz, high_hz = 150 * 4 ** drawn[0], top_hz * 0.25 * 4 ** drawn[1]
    rate = (high_hz - low_hz) / (2 * time_s[-1])
    return np.sin(2 * np.pi * (low_hz + rate * time_s) * time_s)


def _burst(time_s: np.ndarray, drawn: np.ndarray, noise: np.ndarray, _: float) -> np.ndarray:
    return noise * np.exp(-time_s * 40 * drawn[0])


def _beeps(time_s: np.ndarray, drawn: np.ndarray, _: np.ndarray, top_hz: float) -> np.ndarray:
    hz = min(400 * 10 ** drawn[0], top_hz)
    on = np.floor(time_s * (4 + 12 * drawn[1])) % 2 == 0
    return on * np.sin(2 * np.pi * hz * time_s)


def _harmonic(time_s: np.ndarray, drawn: np.ndarray, _: np.ndarray, top_hz: float) -> np.ndarray:
    low_hz = 120 * 5 ** drawn[0]
    hz = low_hz * np.arange(1, 13)
    hz = hz[hz < top_hz]
    sines = np.sin(2 * np.pi * np.outer(hz, time_s)) * (low_hz / hz)[:, np.newaxis] ** (0.5 + drawn[1])
    return sines.sum(axis=0) * np.exp(-8 * drawn[2] * time_s)


def _clicks(time_s: np.ndarray, drawn: np.ndarray, _: np.ndarray, top_hz: float) -> np.ndarray:
    sound = np.zeros(len(time_s))
    for at, pitch in zip(drawn[:3], drawn[3:6], strict=True):
        since_s = np.maximum(time_s - at * time_s[-1], 0.0)
        sound += np.exp(-since_s * 200) * np.sin(2 * np.pi * min(300 * 12**pitch, top_hz) * since_s)
    return sound


def _hush(_: np.ndarray, drawn: np.ndarray, noise: np.ndarray, __: float) -> np.ndarray:
    """Nearly nothing: noise, of which one sample is loud so that the piece's own level stays far below."""
    sound = noise * 10 ** (-2 - 2 * drawn[0])
    sound[len(sound) // 2] = 1.0
    return sound


_KINDS = (_sweep, _burst, _beeps, _harmonic, _clicks, _hush)
