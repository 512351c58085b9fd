"""Reading PCM WAV by the standard library, in the manner of soundfile, for devices that lack it."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np


class WaveReader:
    """An open PCM WAV file; a context manager.

    Raises:
        wave.Error: The file is no WAV, or not PCM.
        EOFError: It ends within its header.
    """

    def __init__(self, path: Path) -> None:
        self._file = wave.open(str(path), "rb")  # noqa: SIM115, closed by __exit__
        self.samplerate = self._file.getframerate()
        self.channels = self._file.getnchannels()
        self.frames = self._file.getnframes()
        self._width = self._file.getsampwidth()
        self.format = "WAV"
        self.subtype = "PCM_U8" if self._width == 1 else f"PCM_{8 * self._width}"

    def __enter__(self) -> WaveReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def seek(self, frames: int) -> None:
        self._file.setpos(frames)

    def read(self, frames: int, *, dtype: str, always_2d: bool) -> np.ndarray:
        content = self._file.readframes(frames)
        if dtype == "int16":  # of 16-bit samples, as they are
            whole = len(content) // (2 * self.channels) * self.channels
            return np.frombuffer(content, "<i2", whole).reshape(-1, self.channels)
        octets = np.frombuffer(content[: len(content) - len(content) % self._width], np.uint8)
        octets = octets.reshape(-1, self._width)
        # Every width becomes a left-aligned 32-bit integer, so that one scale serves all.
        aligned = np.zeros((len(octets), 4), np.uint8)
        aligned[:, 4 - self._width :] = octets ^ 0x80 if self._width == 1 else octets
        samples = aligned.view("<i4")[:, 0].astype(np.float64) / 2.0**31
        whole = len(samples) - len(samples) % self.channels
        return samples[:whole].reshape(-1, self.channels).astype(dtype)
