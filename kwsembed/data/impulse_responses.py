"""Measured impulse responses of rooms, read from audio files as reverberation needs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kwsembed.audio import decode
from kwsembed.audio.quality import QualityMeter, refuse_silence
from kwsembed.audio.resample import resample
from kwsembed.data.cache import SkippedFile
from kwsembed.errors import AudioError, DataError

_LONGEST_S = 1.0  # a longer tail costs a longer transform for what is hardly heard within a window
_MOST = 256  # at 1 s and 16 kHz, 34 MB of transfer functions


def measured_rooms(files: Sequence[Path], *, sample_rate_hz: int) -> tuple[np.ndarray, list[SkippedFile]]:
    """Impulse responses of equal length and energy, each from its direct sound on.

    What comes before the direct sound (the first sample of at least half the peak's magnitude) is cut off, so
    that a sound stays where it was; what comes more than a second after it, too. Channels are averaged, as in
    every other recording. Of more than 256 files, 256 are taken, evenly along the list.

    Args:
        files: Audio files, one impulse response each.
        sample_rate_hz: The model's rate.

    Returns:
        `(rooms, samples)` float32, each of energy 1, and the files that could not be used.

    Raises:
        DataError: Not one file can be used.

    Example:
        >>> measured_rooms([Path("kitchen.wav")], sample_rate_hz=16000)  # doctest: +SKIP
    """
    chosen = [files[index] for index in np.linspace(0, len(files) - 1, min(len(files), _MOST)).astype(int)]
    longest = round(_LONGEST_S * sample_rate_hz)
    rooms, skipped = [], []
    for path in chosen:
        try:
            rooms.append(_from_direct_sound(path, sample_rate_hz, longest))
        except AudioError as error:
            skipped.append(SkippedFile(str(path), getattr(error, "detail", str(error))))
    if not rooms:
        raise DataError(
            "not one impulse response can be used",
            received=f"{len(skipped)} skipped, the first: {skipped[0].name}: {skipped[0].reason}",
        )
    responses = np.zeros((len(rooms), max(map(len, rooms))), np.float32)
    for response, room in zip(responses, rooms, strict=True):
        response[: len(room)] = room
    return responses, skipped


def _from_direct_sound(path: Path, sample_rate_hz: int, longest: int) -> np.ndarray:
    waveform, rate_hz = decode.read(path, stop_s=60.0)
    meter = QualityMeter(rate_hz)
    meter.add(waveform)
    # A short file is no fault here: an impulse response may end soon.
    refuse_silence(path, meter.findings())
    response = resample(waveform, rate_hz, sample_rate_hz).astype(np.float64)
    magnitude = np.abs(response)
    first = int(np.argmax(magnitude >= 0.5 * magnitude.max()))
    kept = response[first : first + longest]
    energy = float(np.sum(kept**2))
    if energy < 0.5 * float(np.sum(response**2)):
        raise decode.AudioFileError(
            path,
            reason="not an impulse response",
            detail="more than half of its energy lies outside the second after its first peak, so this is no "
            "impulse response",
            fix="leave it out",
        )
    return kept / np.sqrt(energy)
