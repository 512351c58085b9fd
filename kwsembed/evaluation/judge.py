"""Judges one model on one split: clip metrics, false alarms and misses on streams, operating curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsembed.clip_scores import clip_evidence, probabilities_of
from kwsembed.data.cache import ClipStore
from kwsembed.detection.operating import OperatingPoint, choose_threshold, measure, operating_curve
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import LabelReplay, ScoredStream
from kwsembed.evaluation.calibration import fit_bias
from kwsembed.evaluation.clip_metrics import clip_metrics
from kwsembed.evaluation.scoring import Scorer, score_clips
from kwsembed.evaluation.streams import Stream, background_streams, event_streams
from kwsembed.progress import Progress, silent


@dataclass(frozen=True)
class SplitAudio:
    """The audio of one split, ready to be scored by any number of models.

    Attributes:
        store: Decoded clips.
        clips: `(clips,)` indices of the split's clips in the store.
        classes: `(clips,)` class of each.
        labels: Names of the classes, events first.
        event_count: How many labels are events.
        sample_rate_hz: Rate of the store.
        window_samples: Window of the models.
        seed: Chooses the background between events.
    """

    store: ClipStore
    clips: np.ndarray
    classes: np.ndarray
    labels: tuple[str, ...]
    event_count: int
    sample_rate_hz: int
    window_samples: int
    seed: int = 0

    def negative_streams(self) -> Iterator[Stream]:
        """The split's background as streams."""
        return background_streams(self.store, self._backgrounds(), sample_rate_hz=self.sample_rate_hz)

    def positive_streams(self, label: str) -> Iterator[Stream]:
        """The split's events of one label between its background."""
        return event_streams(
            self.store,
            self.clips[self.classes == self.labels.index(label)],
            self._backgrounds(),
            label_of=[clip.label for clip in self.store.clips],
            sample_rate_hz=self.sample_rate_hz,
            seed=self.seed,
        )

    def _backgrounds(self) -> np.ndarray:
        return self.clips[self.classes >= self.event_count]


@dataclass(frozen=True)
class Judgement:
    """What one model scored on one split.

    Attributes:
        evidence: `(clips, labels)` pooled per clip; see `clip_evidence`.
        negatives: Scored background streams.
        positives: Scored event streams by label.
        audio: The split.
        post: Smoothing and refractory time of the detector.
    """

    evidence: np.ndarray
    negatives: list[ScoredStream]
    positives: Mapping[str, list[ScoredStream]]
    audio: SplitAudio
    post: PostProcessing

    def fit_bias(self) -> np.ndarray:
        """`(labels,)` the bias of clip probabilities that suits this split best."""
        return fit_bias(self.evidence, self.audio.classes)

    def replay(self, label: str) -> LabelReplay:
        """The split's streams of one event label; those of other events are negative, as background is."""
        others = [stream for other, streams in self.positives.items() if other != label for stream in streams]
        return LabelReplay(
            label,
            self.audio.labels,
            [*self.negatives, *others],
            self.positives[label],
            post=self.post,
            window_s=self.audio.window_samples / self.audio.sample_rate_hz,
        )

    def choose_thresholds(self, target_false_alarms_per_hour: float) -> dict[str, OperatingPoint]:
        """One operating point per event label, chosen on this split."""
        return {
            label: choose_threshold(
                self.replay(label), target_false_alarms_per_hour=target_false_alarms_per_hour
            )
            for label in self._event_labels()
        }

    def metrics(self, points: Mapping[str, OperatingPoint] | None, bias: np.ndarray) -> dict[str, Any]:
        """Clip metrics with a bias, and for each event label what its threshold costs on this split.

        Without operating points, clip metrics alone.
        """
        probabilities = probabilities_of(self.evidence, bias=bias)
        result = clip_metrics(
            probabilities, self.audio.classes, labels=self.audio.labels, event_count=self.audio.event_count
        )
        for label, point in (points or {}).items():
            measured = measure(
                self.replay(label),
                point.threshold,
                target_false_alarms_per_hour=point.target_false_alarms_per_hour,
            ).to_dict()
            del measured["label"]
            result["per_class"][label].update(measured)
        return result

    def curves(self, points: Mapping[str, OperatingPoint]) -> dict[str, dict[str, Any]]:
        """Miss rate against false alarms per hour, per event label; empty without background audio.

        Among their thresholds are those of `points`, and the one that this very split would have chosen:
        what it misses, no threshold finds within the target.
        """
        curves = {}
        for label in self._event_labels():
            replay = self.replay(label)
            if replay.hours > 0:
                target = points[label].target_false_alarms_per_hour
                best = choose_threshold(replay, target_false_alarms_per_hour=target)
                thresholds = [points[label].threshold, best.threshold]
                curves[label] = operating_curve(replay, thresholds=thresholds).to_dict()
        return curves

    def _event_labels(self) -> Sequence[str]:
        return self.audio.labels[: self.audio.event_count]


def judge(
    scorer: Scorer,
    audio: SplitAudio,
    *,
    post: PostProcessing,
    progress: Progress = silent,
) -> Judgement:
    """Scores the clips and the streams of a split with one model.

    Args:
        scorer: The model.
        audio: The split.
        post: Smoothing and refractory time.
        progress: Called as clips are scored.
    """
    hop_samples = round(post.hop_s * audio.sample_rate_hz)
    background_mask = np.arange(len(audio.labels)) >= audio.event_count
    scores = score_clips(
        audio.store,
        audio.clips,
        scorer,
        window_samples=audio.window_samples,
        hop_samples=hop_samples,
        progress=progress,
    )
    evidence = [clip_evidence(rows, background_mask) for rows in scores]

    def heard(streams: Iterable[Stream]) -> list[ScoredStream]:
        return [
            stream.scored(
                scorer,
                window_samples=audio.window_samples,
                hop_samples=hop_samples,
                sample_rate_hz=audio.sample_rate_hz,
            )
            for stream in streams
            if len(stream.waveform) >= audio.window_samples
        ]

    return Judgement(
        evidence=np.array(evidence).reshape(-1, len(audio.labels)),
        negatives=heard(audio.negative_streams()),
        positives={
            label: heard(audio.positive_streams(label)) for label in audio.labels[: audio.event_count]
        },
        audio=audio,
        post=post,
    )
