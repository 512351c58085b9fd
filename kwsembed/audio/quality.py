"""What is wrong with a decoded waveform: silence, clipping, values that are no numbers."""

from __future__ import annotations

import numpy as np

from kwsembed.audio.decode import AudioFileError

SILENT_BELOW_DB = -90.0  # of full scale; one step of 16-bit audio
SHORT_BELOW_S = 0.05  # two analysis windows

_FULL_SCALE = 0.9995
_CLIPPED_RUN = 4  # samples in a row at full scale; the crest of a normalised sound has fewer
_CLIPPED_LEAST = 8


class QualityMeter:
    """Collects the findings of a waveform that comes in blocks.

    Example:
        >>> meter = QualityMeter(16000)
        >>> meter.add(np.zeros(16000, np.float32))
        >>> meter.findings()
        ['silent']
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._samples = 0
        self._peak = 0.0
        self._clipped = 0
        self._finite = True

    def add(self, block: np.ndarray) -> None:
        """Takes the next samples, float (samples,)."""
        self._samples += len(block)
        if not len(block):
            return
        magnitude = np.abs(block)
        peak = float(magnitude.max())
        self._finite = self._finite and bool(np.isfinite(peak))
        self._peak = max(self._peak, peak)
        if peak >= _FULL_SCALE:
            self._clipped += _count_in_runs(magnitude >= _FULL_SCALE)

    def findings(self) -> list[str]:
        """Returns the codes that apply: empty, nan or silent (unusable), clipped, short."""
        if not self._samples:
            return ["empty"]
        if not self._finite:
            return ["nan"]
        found = []
        if self._peak < 10 ** (SILENT_BELOW_DB / 20):
            found.append("silent")
        if self._clipped >= _CLIPPED_LEAST:
            found.append("clipped")
        if self._samples < SHORT_BELOW_S * self._sample_rate_hz:
            found.append("short")
        return found


def inspect(waveform: np.ndarray, sample_rate_hz: int) -> list[str]:
    """Returns the codes that apply to `waveform` (samples,), as `QualityMeter.findings` does.

    "clipped" means runs of at least 4 samples at full scale; "silent" a peak below -90 dB of full scale;
    "short" less than 50 ms.
    """
    meter = QualityMeter(sample_rate_hz)
    meter.add(np.asarray(waveform))
    return meter.findings()


def refuse_silence(path: object, findings: list[str]) -> None:
    """Raises AudioFileError if `findings` of the file at `path` say that it is silent: no class sounds so."""
    if "silent" in findings:
        raise AudioFileError(
            path,
            reason="silent",
            detail=f"the file is silent: no sample exceeds {SILENT_BELOW_DB:.0f} dB of full scale",
            fix="remove it or record it anew",
        )


def _count_in_runs(full: np.ndarray) -> int:
    """Samples that lie in runs of at least `_CLIPPED_RUN` true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _CLIPPED_RUN].sum())
