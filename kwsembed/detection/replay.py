"""Replaying scored streams at any threshold, and counting what is hit, missed and falsely reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kwsembed.detection.events import Detection
from kwsembed.detection.post_processing import PostProcessing, smooth
from kwsembed.detection.sparse_runs import SparseRuns
from kwsembed.errors import ConfigError


@dataclass(frozen=True)
class Event:
    """One true event: label, onset and offset in seconds from its stream's start."""

    label: str
    onset_s: float
    offset_s: float


@dataclass(frozen=True)
class ScoredStream:
    """One recording as the model heard it.

    Args:
        scores: (hops, labels), one row per window.
        duration_s: Length of the recording in seconds.
        events: What truly happens in it, any label.
    """

    scores: np.ndarray
    duration_s: float
    events: tuple[Event, ...] = ()

    def scored_s(self, hop_s: float) -> float:
        """Seconds that count as listened to: a hop for each score, never more than the recording lasts.

        The warm-up before the first window is full yields no score and so counts in no hours.
        """
        return min(len(self.scores) * hop_s, self.duration_s)


@dataclass(frozen=True)
class Matches:
    """Which events were detected, and which detections were of an event.

    Args:
        hit: (events,) bool, in the order given.
        true: (detections,) bool, in the order given.
    """

    hit: np.ndarray
    true: np.ndarray

    @property
    def misses(self) -> int:
        """Events without a detection."""
        return int((~self.hit).sum())

    @property
    def false_alarms(self) -> int:
        """Detections without an event."""
        return int((~self.true).sum())


def match_events(
    truth: Sequence[Event], detections: Sequence[Detection], *, collar_s: float = 0.5
) -> Matches:
    """Matches the detections in one stream with its true events.

    A detection hits an event of its label when its span touches the event's, extended by `collar_s` at both
    ends. An event is hit at most once: further detections in it are neither hits nor false alarms.

    Args:
        truth: The events of the stream.
        detections: What was reported in it.
        collar_s: Tolerance at both ends, in seconds, >= 0.

    Example:
        >>> match_events([Event("dog", 1.0, 2.0)], [Detection("dog", 2.4, 2.6, 0.9)]).misses
        0
    """
    same = np.array([e.label for e in truth])[:, None] == np.array([d.label for d in detections])[None, :]
    after = _column(truth, "offset_s")[:, None] + collar_s >= _column(detections, "onset_s")[None, :]
    before = _column(truth, "onset_s")[:, None] - collar_s <= _column(detections, "offset_s")[None, :]
    touching = same & after & before
    return Matches(hit=touching.any(axis=1), true=touching.any(axis=0))


def _column(items: Sequence[Event] | Sequence[Detection], name: str) -> np.ndarray:
    return np.array([getattr(item, name) for item in items], dtype=np.float64)


class LabelReplay:
    """All streams of one label, smoothed once, ready to be counted at any threshold.

    Args:
        label: The event label.
        labels: The labels of the scores' columns.
        negatives: Streams without the event, in which false alarms are counted.
        positives: Streams with events, in which misses are counted.
        post: Smoothing, consecutive hits, refractory time: those of the device.
        window_s: Length of a window in seconds.
        collar_s: Tolerance of a match, in seconds.

    Raises:
        ConfigError: If the label is none of `labels`, or a negative stream holds the event.

    Example:
        >>> quiet = ScoredStream(np.array([[0.1], [0.7], [0.2]]), duration_s=1.5)
        >>> post = PostProcessing(smoothing_windows=1)
        >>> replay = LabelReplay("dog", ["dog"], [quiet], [], post=post, window_s=1.0)
        >>> replay.false_alarms(0.5), replay.false_alarms(0.8)
        (1, 0)
    """

    def __init__(
        self,
        label: str,
        labels: Sequence[str],
        negatives: Sequence[ScoredStream],
        positives: Sequence[ScoredStream],
        *,
        post: PostProcessing,
        window_s: float,
        collar_s: float = 0.5,
    ) -> None:
        if label not in labels:
            raise ConfigError("no scores for the label", expected=list(labels), received=f"label={label!r}")
        if any(event.label == label for stream in negatives for event in stream.events):
            raise ConfigError(
                f"a negative stream holds an event of {label}", fix="pass it with the positives"
            )
        self.label = label
        self._post = post
        self._window_s = window_s
        column = list(labels).index(label)
        self.negative_smoothed, _ = _join([stream.scores[:, column] for stream in negatives], post)
        self.positive_smoothed, self._starts = _join([stream.scores[:, column] for stream in positives], post)
        self._negative_runs = SparseRuns(self.negative_smoothed, post)
        self._positive_runs = SparseRuns(self.positive_smoothed, post)
        self.hours = sum(stream.scored_s(post.hop_s) for stream in negatives) / 3600

        spans = [
            (index, event.onset_s - collar_s, event.offset_s + collar_s)
            for index, stream in enumerate(positives)
            for event in stream.events
            if event.label == label
        ]
        stream_index, self._begins_s, self._ends_s = np.array(spans, dtype=np.float64).reshape(-1, 3).T
        self.events = len(spans)
        # Streams are laid on one time axis, too far apart for a span in one to touch a span in another.
        longest_s = max([len(s.scores) * post.hop_s + window_s for s in positives] + [0.0, *self._ends_s])
        self._spacing_s = 2 * math.ceil(longest_s + collar_s + abs(post.onset_shift_s) + 1)
        self._begins_s = self._begins_s + stream_index * self._spacing_s
        self._ends_s = self._ends_s + stream_index * self._spacing_s

    def false_alarms(self, threshold: float) -> int:
        """Detections in the negative streams."""
        return len(self._negative_runs.find(threshold)[0])

    def misses(self, threshold: float) -> int:
        """Events of the positive streams that no detection hits; the rule is that of `match_events`."""
        return int((~self.hits(threshold)).sum())

    def hits(self, threshold: float) -> np.ndarray:
        """Which events of the positive streams a detection hits, `(events,)` bool in the streams' order."""
        onsets_s, offsets_s = self._spans(threshold)
        # Both are in ascending order: the first detection that ends after an event begins decides.
        nearest = np.searchsorted(offsets_s, self._begins_s)
        return np.append(onsets_s, np.inf)[nearest] <= self._ends_s

    def _spans(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Onsets and offsets of the detections in the positive streams, on their common time axis."""
        return self._placed(*self._positive_runs.find(threshold))

    def _placed(self, first_hops: np.ndarray, last_hops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        stream_index = np.searchsorted(self._starts, first_hops, side="right") - 1
        start_hops = self._starts[stream_index] if len(self._starts) else first_hops
        onsets_s, offsets_s = self._post.span_s(
            first_hops - start_hops, last_hops - start_hops, window_s=self._window_s
        )
        return onsets_s + stream_index * self._spacing_s, offsets_s + stream_index * self._spacing_s


def _join(streams: Sequence[np.ndarray], post: PostProcessing) -> tuple[np.ndarray, np.ndarray]:
    """Smooths each stream and joins them, with gaps that close detections and outlast the refractory time."""
    gap = np.full(max(post.refractory_hops, 1), -np.inf)
    pieces: list[np.ndarray] = []
    for scores in streams:
        pieces += [smooth(scores, post.smoothing_windows), gap]
    lengths = [len(scores) + len(gap) for scores in streams]
    starts = np.cumsum([0, *lengths])[:-1]
    return np.concatenate(pieces) if pieces else np.zeros(0), starts
