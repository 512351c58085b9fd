"""The clips and streams of a run that its network was not trained on, embedded once by the shipped model.

What is tried on them afterwards, scores, settings or distances, needs no network any more.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsembed.audio import decode
from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.clip_scores import clip_windows
from kwsembed.data.cache import build_cache
from kwsembed.detection.replay import Event
from kwsembed.evaluation.streams import Stream, background_streams, event_streams
from kwsembed.runtime.unknown import Embedder
from kwsembed.tflite.parts import parts_of
from kwsembed.training.data import TrainingData
from kwsembed.training.prior_run import PriorRun

PARTS = 10  # of each split, by group: recordings and speakers are never in two of them
_TRAINING_WINDOWS = 8


@dataclass(frozen=True)
class EmbeddedClip:
    """One clip: its label, its split, and `(windows, dim)` of its windows."""

    label: str
    split: str
    embeddings: np.ndarray


@dataclass(frozen=True)
class EmbeddedStream:
    """One stream of a part of a split; `label` is that of its events, None for background."""

    split: str
    part: int
    label: str | None
    embeddings: np.ndarray
    duration_s: float
    events: tuple[Event, ...]


@dataclass(frozen=True)
class ScoredRun:
    """What a run's model makes of its data.

    Attributes:
        bundle: Its bundle.
        clips: All clips; of a training clip some windows.
        streams: Of validation and test.
        weights: `(labels, dim)` of the head.
        bias: `(labels,)`.
    """

    bundle: Bundle
    clips: list[EmbeddedClip]
    streams: list[EmbeddedStream]
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> ScoredRun:
        """Embeds the data of a finished run; some minutes."""
        prior = PriorRun.read(path)
        bundle = prior.bundle
        rate = bundle.sample_rate_hz
        store = build_cache(prior.manifest, cache_dir=prior.cache_dir, sample_rate_hz=rate)
        data = TrainingData.of(store, prior.manifest, prior.config)
        parts, embedder = parts_of(bundle.model, mels=bundle.frontend.mel_count), Embedder(bundle)
        clips = []
        for index, clip in enumerate(store.clips):
            windows = clip_windows(store.waveform(index), bundle.window_samples, bundle.hop_samples)
            if clip.split == "train" and len(windows) > _TRAINING_WINDOWS:
                shown = np.linspace(0, len(windows) - 1, _TRAINING_WINDOWS).round().astype(int)
                windows = windows[shown]
            clips.append(EmbeddedClip(clip.label, clip.split, embedder.embed(windows)))
        streams = [
            _embedded(stream, embedder, bundle, split, part, label)
            for split in ("validation", "test")
            for part, label, stream in _streams(data, split)
        ]
        return cls(bundle, clips, streams, parts.head_weights, parts.head_bias)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """`(windows, labels)` float64."""
        return (embeddings @ self.weights.T + self.bias).astype(np.float64)

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """`(windows, labels)`, the model's scores."""
        logits = self.logits(embeddings)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def _streams(data: TrainingData, split: str) -> list[tuple[int, str | None, Stream]]:
    random = np.random.default_rng(0)
    indices, classes = data.clips_of(split), data.classes_of(split)
    groups = sorted({data.store.clips[i].group for i in indices})
    part_of = {group: int(random.integers(PARTS)) for group in groups}
    parts = np.array([part_of[data.store.clips[i].group] for i in indices])
    label_of, rate = [clip.label for clip in data.store.clips], data.config.frontend.sample_rate_hz
    found: list[tuple[int, str | None, Stream]] = []
    for part in range(PARTS):
        background = random.permutation(indices[(parts == part) & (classes >= data.event_count)])
        for stream in background_streams(data.store, background, sample_rate_hz=rate):
            found.append((part, None, stream))
        for number, label in enumerate(data.labels[: data.event_count]):
            events = indices[(parts == part) & (classes == number)]
            for stream in event_streams(
                data.store, events, background, label_of=label_of, sample_rate_hz=rate, seed=part
            ):
                found.append((part, label, stream))
    return found


def _embedded(
    stream: Stream, embedder: Embedder, bundle: Bundle, split: str, part: int, label: str | None
) -> EmbeddedStream:
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(stream.waveform, (0, max(bundle.window_samples - len(stream.waveform), 0))),
        bundle.window_samples,
    )[:: bundle.hop_samples]
    seconds = len(stream.waveform) / bundle.sample_rate_hz
    return EmbeddedStream(split, part, label, embedder.embed(windows), seconds, stream.events)


def embed_clips(bundle: Bundle, manifest: Path, labels: list[str], folds: list[str]) -> list[np.ndarray]:
    """`(windows, dim)` of each clip of a manifest with one of the labels, and one of the folds if given."""
    embedder, found = Embedder(bundle), []
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in labels]
    for row in rows:
        if folds and row["fold"] not in folds:
            continue
        waveform, rate = decode.read(manifest.parent / row["path"])
        at_rate = resample(np.asarray(waveform, np.float32), rate, bundle.sample_rate_hz)
        found.append(embedder.embed(clip_windows(at_rate, bundle.window_samples, bundle.hop_samples)))
    return found
