"""The demonstration's data: a folder of clips per class, and one long stream with known events."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kwsembed.audio import wav
from kwsembed.demo.sounds import EVENTS, background
from kwsembed.detection.replay import Event

_SAMPLE_RATE_HZ = 16000
_CLIPS_PER_EVENT = 24
_BACKGROUND_CLIPS = 160


def write_corpus(folder: Path, *, seed: int = 0) -> None:
    """Writes `folder/LABEL/NNN.wav`: rare events over noise, and background.

    Args:
        folder: New or empty folder.
        seed: Seed of all sounds.
    """
    random = np.random.default_rng(seed)
    for label, sound in EVENTS.items():
        for number in range(_CLIPS_PER_EVENT):
            event = sound(random, _SAMPLE_RATE_HZ)
            margin = round(random.uniform(0.1, 0.6) * _SAMPLE_RATE_HZ)
            bed = background(random, _SAMPLE_RATE_HZ, duration_s=len(event) / _SAMPLE_RATE_HZ + 1.2)
            _write(folder / label / f"{number:03d}.wav", _mix(bed, event, margin, random.uniform(0, 18)))
    for number in range(_BACKGROUND_CLIPS):
        clip = background(random, _SAMPLE_RATE_HZ, duration_s=float(random.uniform(2.0, 5.0)))
        _write(folder / "background" / f"{number:03d}.wav", clip)


def write_stream(path: Path, *, duration_s: float = 60.0, seed: int = 1) -> list[Event]:
    """Writes a WAV of changing background with an event every few seconds; returns the truth.

    Args:
        path: The file.
        duration_s: Its length.
        seed: Seed of all sounds; not that of the corpus.
    """
    random = np.random.default_rng(seed)
    part_s = 10.0
    parts = [
        background(random, _SAMPLE_RATE_HZ, duration_s=part_s) for _ in range(round(duration_s / part_s))
    ]
    waveform = np.concatenate(parts)
    truth: list[Event] = []
    labels = list(EVENTS)
    start_s = 3.0
    while start_s < duration_s - 5.0:
        label = labels[len(truth) % len(labels)]
        event = EVENTS[label](random, _SAMPLE_RATE_HZ)
        waveform = _mix(waveform, event, round(start_s * _SAMPLE_RATE_HZ), random.uniform(6, 18))
        truth.append(Event(label, start_s, start_s + len(event) / _SAMPLE_RATE_HZ))
        start_s += float(random.uniform(4.5, 7.5))
    _write(path, waveform)
    return truth


def _mix(bed: np.ndarray, event: np.ndarray, start: int, ratio_db: float) -> np.ndarray:
    """Adds an event to a background at a signal-to-noise ratio, over the event's duration."""
    mixed = bed.copy()
    under = bed[start : start + len(event)]
    noise = np.sqrt(np.mean(under**2)) + 1e-5
    loud = np.sqrt(np.mean(event**2)) + 1e-9
    factor = min(noise / loud * 10 ** (ratio_db / 20), 1.0 / float(np.max(np.abs(event))))
    mixed[start : start + len(event)] += factor * event
    return np.clip(mixed, -1.0, 1.0)


def _write(path: Path, waveform: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wav.write(path, waveform, _SAMPLE_RATE_HZ)
