"""The one definition of the front end, which turns waveforms into log-mel features wherever kwsembed runs."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwsembed.errors import ConfigError

_WHOLE_NUMBERS = ("sample_rate_hz", "fft_length", "mel_count")


@dataclass(frozen=True)
class FrontendConfig:
    """Settings of the front end; validates itself and round-trips through `to_dict` and `from_dict`.

    Frame `i` is the samples `[i * hop, i * hop + window)`, without padding, under a periodic Hann window. Its
    power spectrum `|rfft|^2` passes through HTK mel triangles of peak 1. A feature is `ln(mel + log_offset)`.

    Args:
        sample_rate_hz: Rate of the waveform; the device resamples to it.
        window_ms: Length of a frame; a whole number of samples, at most `fft_length`.
        hop_ms: Step between frames; a whole number of samples, at most the window.
        fft_length: Length of the Fourier transform, in samples; even. Frames are zero-padded to it.
        mel_count: Number of mel bands. Each must hold at least one bin of the transform.
        mel_low_hz: Lower edge of the first triangle.
        mel_high_hz: Upper edge of the last triangle, at most half the sample rate.
        log_offset: Added to the mel power before the logarithm: the floor of the features of every clip.

    Raises:
        ConfigError: A value is of the wrong type or makes no front end.

    Example:
        >>> config = FrontendConfig()
        >>> config.window_samples, config.hop_samples, config.frame_count(16000)
        (400, 160, 98)
    """

    sample_rate_hz: int = 16000
    window_ms: float = 25.0
    hop_ms: float = 10.0
    fft_length: int = 512
    mel_count: int = 64
    mel_low_hz: float = 125.0
    mel_high_hz: float = 7500.0
    log_offset: float = 1e-6

    def __post_init__(self) -> None:
        for name in (field.name for field in dataclasses.fields(self)):
            self._check_number(name, getattr(self, name))
        if self.mel_low_hz < 0:
            raise _refusal("mel_low_hz", self.mel_low_hz, "0 or more")
        half_rate_hz = self.sample_rate_hz / 2
        if not self.mel_low_hz < self.mel_high_hz <= half_rate_hz:
            expected = f"above mel_low_hz={self.mel_low_hz:g} and at most half the rate, {half_rate_hz:g}"
            raise _refusal("mel_high_hz", self.mel_high_hz, expected)
        for name in ("window_ms", "hop_ms"):
            self._check_whole_samples(name)
        if self.hop_samples > self.window_samples:
            expected = f"at most window_ms={self.window_ms:g}, or samples would be skipped"
            raise _refusal("hop_ms", self.hop_ms, expected)
        if self.fft_length % 2 or self.fft_length < self.window_samples:
            expected = f"an even number of at least the window's {self.window_samples} samples"
            raise _refusal("fft_length", self.fft_length, expected)
        self._check_bands()

    @functools.cached_property
    def window_samples(self) -> int:
        """Length of a frame in samples."""
        return round(self.window_ms * self.sample_rate_hz / 1000)

    @functools.cached_property
    def hop_samples(self) -> int:
        """Step between frames in samples."""
        return round(self.hop_ms * self.sample_rate_hz / 1000)

    @functools.cached_property
    def bin_range(self) -> tuple[int, int]:
        """`(first, stop)`: the bins of the transform that some mel triangle weighs; no others are needed."""
        bins_per_hz = self.fft_length / self.sample_rate_hz
        return math.floor(self.mel_low_hz * bins_per_hz) + 1, math.ceil(self.mel_high_hz * bins_per_hz)

    def frame_count(self, samples: int) -> int:
        """Number of whole frames in a waveform of `samples` samples."""
        return max(0, 1 + (samples - self.window_samples) // self.hop_samples)

    def samples_for(self, frames: int) -> int:
        """Fewest samples that hold `frames` frames; 0 for none."""
        return 0 if frames < 1 else self.window_samples + (frames - 1) * self.hop_samples

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain numbers, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> FrontendConfig:
        """Makes a config from what `to_dict` gave; settings left out take their defaults.

        Raises:
            ConfigError: A key is unknown or a value makes no front end.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ConfigError(
                f"The front end has no setting named {', '.join(unknown)}",
                expected=f"one of {', '.join(known)}",
                received=", ".join(f"{name}={settings[name]!r}" for name in unknown),
            )
        return cls(**settings)

    def _check_number(self, name: str, value: object) -> None:
        if name in _WHOLE_NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise _refusal(name, value, "a whole number of 1 or more")
        elif not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise _refusal(name, value, "a finite number")
        elif name != "mel_low_hz" and value <= 0:
            raise _refusal(name, value, "a number above 0")

    def _check_whole_samples(self, name: str) -> None:
        samples = getattr(self, name) * self.sample_rate_hz / 1000
        if samples < 1 or abs(samples - round(samples)) > 1e-6:
            expected = f"a whole number of samples at sample_rate_hz={self.sample_rate_hz}, not {samples:g}"
            raise _refusal(name, getattr(self, name), expected)

    def _check_bands(self) -> None:
        from kwsembed.frontend.mel import mel_matrix  # mel.py needs this module's class

        empty = [band for band, peak in enumerate(mel_matrix(self).max(axis=0, initial=0.0)) if peak <= 0]
        if empty:
            raise _refusal(
                "mel_count",
                self.mel_count,
                f"in each band a bin of the transform, every {self.sample_rate_hz / self.fft_length:g} Hz; "
                f"band {empty[0]} has none",
                fix="take fewer mels or a longer fft_length",
            )


def _refusal(name: str, value: object, expected: str, *, fix: str | None = None) -> ConfigError:
    what = f"The front end cannot use this {name}"
    return ConfigError(what, expected=expected, received=f"{name}={value!r}", fix=fix)
