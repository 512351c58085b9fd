"""A clip store in memory, filled with synthesised tones and noise: what training sees, without any file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kwsembed.data.cache import SkippedFile
from kwsembed.manifest import Clip

RATE_HZ = 16000
LABELS = ("tone_1k", "tone_3k", "hiss", "quiet")  # the last two are background
EVENT_COUNT = 2
TONE_HZ = {"tone_1k": 1000, "tone_3k": 3000}


@dataclass(frozen=True)
class ToyStore:
    """Has the reading half of `kwsembed.data.cache.ClipStore`, and counts what is read."""

    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    pcm: tuple[np.ndarray, ...]
    segments: list[np.ndarray]
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    skipped: tuple[SkippedFile, ...] = ()

    @property
    def samples(self) -> np.ndarray:
        return np.array([len(pcm) for pcm in self.pcm], np.int64)

    def read(self, i: int, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= len(self.pcm[i]), "read beyond the clip"
        self.reads.append((i, start, stop))
        return self.pcm[i][start:stop]

    def waveform(self, i: int) -> np.ndarray:
        return self.pcm[i].astype(np.float32) / 32768


def clip_of(label: str, number: int, *, split: str = "train") -> Clip:
    name = f"{label}/{number}.wav"
    return Clip(path=Path("/toy") / name, name=name, label=label, group=f"{label}{number}", split=split)


def noise(duration_s: float, *, random: np.random.Generator, amplitude: float = 0.01) -> np.ndarray:
    return amplitude * random.standard_normal(round(duration_s * RATE_HZ))


def tone_in_noise(hz: float, *, duration_s: float, onset_s: float, offset_s: float, random) -> np.ndarray:
    waveform = noise(duration_s, random=random)
    begin, end = round(onset_s * RATE_HZ), round(offset_s * RATE_HZ)
    waveform[begin:end] += 0.5 * np.sin(2 * np.pi * hz * np.arange(end - begin) / RATE_HZ)
    return waveform


def store_of(pieces) -> ToyStore:
    """A store of `(clip, waveform, segments)` pieces; segments in samples, None for the whole clip."""
    clips, waveforms, segments = zip(*pieces, strict=True)
    return ToyStore(
        clips=tuple(clips),
        labels=LABELS,
        pcm=tuple(np.round(np.clip(w, -1, 1 - 2**-15) * 32768).astype(np.int16) for w in waveforms),
        segments=[
            np.array([[0, len(w)]] if spans is None else spans, np.int64)
            for w, spans in zip(waveforms, segments, strict=True)
        ],
    )


def tones(
    *, events: int = 3, backgrounds: int = 4, splits: tuple[str, ...] = ("train",), seed: int = 0
) -> ToyStore:
    """So many clips of each event and each background in every split: tones of 0.5 s in 2 s, noise of 3 s."""
    random = np.random.default_rng(seed)
    pieces = []
    for split in splits:
        for label, hz in TONE_HZ.items():
            for number in range(events):
                onset_s = random.uniform(0.2, 1.2)
                waveform = tone_in_noise(
                    hz, duration_s=2.0, onset_s=onset_s, offset_s=onset_s + 0.5, random=random
                )
                span = [round(onset_s * RATE_HZ), round((onset_s + 0.5) * RATE_HZ)]
                pieces.append((clip_of(label, number, split=split), waveform, [span]))
        for label, amplitude in (("hiss", 0.1), ("quiet", 0.005)):
            for number in range(backgrounds):
                waveform = noise(3.0, random=random, amplitude=amplitude)
                pieces.append((clip_of(label, number, split=split), waveform, None))
    return store_of(pieces)


def classes_of(store: ToyStore) -> np.ndarray:
    return np.array([LABELS.index(clip.label) for clip in store.clips])


def tone_probabilities(windows: np.ndarray) -> np.ndarray:
    """`(windows, samples)` -> `(windows, 4)`: sure of a tone if a fortieth of a second holds it."""
    blocks = windows[:, : windows.shape[1] // 400 * 400].reshape(len(windows), -1, 400)
    time_s = np.arange(400) / RATE_HZ
    heard = np.stack(
        [np.abs(blocks @ np.exp(2j * np.pi * hz * time_s)).max(axis=1) / 200 for hz in TONE_HZ.values()],
        axis=1,
    )
    logits = np.concatenate([40 * (heard - 0.25), np.zeros((len(windows), 2))], axis=1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
