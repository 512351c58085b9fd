"""From window scores to detections: smoothing, threshold, consecutive hits, refractory time.

Evaluation and the device run this same code, so an operating point chosen in one holds in the other.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kwsembed.detection.post_processing import PostProcessing, moving_average, smooth
from kwsembed.errors import ConfigError

_ROUNDING = 1e-9  # how far rounding can lift a mean above the highest of its scores, and much more
_PIECES = 64  # that recent scores may lie in before they are joined

__all__ = ["Detection", "EventDetector", "PostProcessing", "find_runs", "smooth"]


@dataclass(frozen=True)
class Detection:
    """One reported event: label, onset and offset in seconds from the stream's start, peak smoothed score."""

    label: str
    onset_s: float
    offset_s: float
    score: float


class _Track:
    """Finds the runs of hits of one label, chunk by chunk; hops are counted from the stream's start."""

    def __init__(self, threshold: float, post: PostProcessing) -> None:
        self._threshold = threshold
        self._post = post
        self._begin: int | None = None  # first counted hop of the run under way
        self._peak = -math.inf
        self._ready = 0  # first hop past the refractory time

    @property
    def idle(self) -> bool:
        """Whether no run is under way: scores below the threshold then change nothing."""
        return self._begin is None

    def advance(self, smoothed: np.ndarray, *, first_hop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Takes (hops,) smoothed scores; returns first hop, stop hop and peak of each run that closed."""
        hit = smoothed >= self._threshold
        edges = np.flatnonzero(np.diff(hit, prepend=self._begin is not None)) + first_hop
        bounds: list[int] = ([] if self._begin is None else [self._begin]) + edges.tolist()
        kept: list[tuple[int, int]] = []
        for rise, fall in zip(bounds[0::2], bounds[1::2], strict=False):
            begin = max(rise, self._ready)
            if fall - begin >= self._post.min_consecutive:
                kept.append((begin, fall))
                self._ready = fall + self._post.refractory_hops
        begins, stops = np.array(kept, dtype=np.int64).reshape(-1, 2).T
        peaks = _range_maxima(smoothed, np.maximum(begins - first_hop, 0), stops - first_hop)
        if len(begins) and begins[0] < first_hop:
            peaks[0] = max(peaks[0], self._peak)
        self._remember(smoothed, first_hop, max(bounds[-1], self._ready) if len(bounds) % 2 else None)
        return begins, stops, peaks

    def _remember(self, smoothed: np.ndarray, first_hop: int, begin: int | None) -> None:
        if begin is None or begin != self._begin:
            self._peak = -math.inf
        self._begin = begin
        if begin is not None:
            self._peak = max(self._peak, smoothed[max(begin - first_hop, 0) :].max(initial=-math.inf))

    def is_open(self, *, hops: int) -> bool:
        """Whether the run under way is long enough to be reported when it ends."""
        return self._begin is not None and hops - self._begin >= self._post.min_consecutive

    def close(self, *, hops: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ends the stream after `hops` hops, as if the next score lay below any threshold."""
        return self.advance(np.array([-math.inf]), first_hop=hops)


def _range_maxima(values: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Largest of values[begin:stop] for ordered, disjoint ranges; -inf for an empty one."""
    if not len(begins):
        return np.zeros(0)
    padded = np.append(values, -math.inf)  # so that a range may stop at the very end
    maxima = np.maximum.reduceat(padded, np.stack([begins, stops], axis=1).ravel())[::2]
    return np.where(stops > begins, maxima, -math.inf)


def find_runs(smoothed: np.ndarray, threshold: float, post: PostProcessing) -> tuple[np.ndarray, np.ndarray]:
    """First and last hop of each detection in one label's whole stream: the fast way to try many thresholds.

    Args:
        smoothed: (hops,), what `smooth` returned for the label.
        threshold: A smoothed score that reaches it is a hit.
        post: Consecutive hits and refractory time; nothing is smoothed again.

    Returns:
        Two integer arrays (detections,), in order.

    Example:
        >>> find_runs(np.array([0.1, 0.9, 0.8, 0.1]), 0.5, PostProcessing())
        (array([1]), array([2]))
    """
    track = _Track(threshold, post)
    begins, stops, _ = track.advance(smoothed, first_hop=0)
    last_begins, last_stops, _ = track.close(hops=len(smoothed))
    return np.concatenate([begins, last_begins]), np.concatenate([stops, last_stops]) - 1


class EventDetector:
    """Turns window scores into detections, in chunks of any size; the chunking never changes the result.

    A label opens at the first of `min_consecutive` smoothed scores in a row that reach its threshold, all at
    least `refractory_s` after it last closed; it closes at the first smoothed score below, and is reported.

    Args:
        labels: Event labels, in the order of the columns of the scores.
        thresholds: A threshold for each label, above 0; above 1 it silences its label.
        post: Smoothing, consecutive hits, refractory time.
        window_s: Length of a window in seconds.

    Raises:
        ConfigError: If thresholds and labels do not match, or a threshold is not above 0.

    Example:
        >>> detector = EventDetector(["dog_bark"], {"dog_bark": 0.5}, PostProcessing(), window_s=1.0)
        >>> detector.process(np.array([[0.1], [0.9], [0.9], [0.0], [0.0]]))
        [Detection(label='dog_bark', onset_s=0.625, offset_s=0.875, score=0.9)]
    """

    def __init__(
        self, labels: Sequence[str], thresholds: Mapping[str, float], post: PostProcessing, window_s: float
    ) -> None:
        if set(labels) != set(thresholds):
            raise ConfigError(
                "thresholds do not match the labels", expected=sorted(labels), received=sorted(thresholds)
            )
        for label, threshold in thresholds.items():
            if not (math.isfinite(threshold) and threshold > 0):
                raise ConfigError(
                    f"the threshold of {label} is out of range", expected="above 0", received=f"{threshold=}"
                )
        self._labels = tuple(labels)
        self._thresholds = np.array([float(thresholds[label]) for label in labels])
        self._within_reach = (self._thresholds * (1 - _ROUNDING)).tolist()
        self._post = post
        self._window_s = window_s
        self.reset()

    @property
    def hearing(self) -> tuple[str, ...]:
        """Labels of the events under way: each will be reported once it ends, whatever comes."""
        open_now = (track.is_open(hops=self._hops) for track in self._tracks)
        return tuple(itertools.compress(self._labels, open_now))

    def reset(self) -> None:
        """Forgets the stream; the next scores start at 0 s."""
        self._hops = 0
        # First hop whose mean holds none of the high scores so far, and that finds no run under way: a run
        # ends at the first mean that holds none.
        self._quiet_from = 0
        # The last scores, in pieces, the oldest first: at least as many as the next mean needs.
        self._recent = [np.zeros((self._post.smoothing_windows - 1, len(self._labels)))]
        self._tracks = [_Track(threshold, self._post) for threshold in self._thresholds.tolist()]

    def process(self, scores: np.ndarray) -> list[Detection]:
        """Takes the next (hops, labels) scores; returns the detections that closed, in order of closing."""
        if scores.ndim != 2 or scores.shape[1] != len(self._labels):
            raise ConfigError(
                "scores have the wrong shape",
                expected=f"(hops, {len(self._labels)} labels)",
                received=f"shape={scores.shape}",
            )
        first_hop, self._hops = self._hops, self._hops + len(scores)
        if self._any_within_reach(scores):
            self._quiet_from = self._hops + self._post.smoothing_windows
        elif first_hop >= self._quiet_from:
            self._remember(scores)
            return []
        smoothed = moving_average(self._history(), scores, first_hop=first_hop)
        self._remember(scores)
        hit = (smoothed >= self._thresholds).any(axis=0).tolist()
        closed = {
            index: track.advance(smoothed[:, index], first_hop=first_hop)
            for index, track in enumerate(self._tracks)
            if hit[index] or not track.idle
        }
        return self._detections(closed)

    def _any_within_reach(self, scores: np.ndarray) -> bool:
        """Whether any score is high enough for a mean that holds it to reach the threshold of its label.

        Nearly always none is, and a stream of short hops should not pay for more. Hence no NumPy: on the few
        numbers of a hop a comparison of arrays takes ten times as long.
        """
        return any(map(operator.ge, scores.ravel().tolist(), itertools.cycle(self._within_reach)))

    def _remember(self, scores: np.ndarray) -> None:
        self._recent.append(scores.copy())
        if len(self._recent) > _PIECES or len(scores) > self._post.smoothing_windows:
            self._history()

    def _history(self) -> np.ndarray:
        """The last `smoothing_windows - 1` scores, joined only when asked for; what is older is forgotten."""
        joined = np.concatenate(self._recent)
        self._recent = [joined[len(joined) - self._post.smoothing_windows + 1 :].copy()]
        return self._recent[0]

    def flush(self, *, end_s: float | None = None) -> list[Detection]:
        """Ends the stream: closes and returns what is open, then resets.

        Args:
            end_s: Length of the stream in seconds; where given, no returned detection reaches beyond it.
        """
        closed = {index: track.close(hops=self._hops) for index, track in enumerate(self._tracks)}
        found = self._detections(closed)
        self.reset()
        if end_s is None:
            return found
        latest_s = max(end_s - self._post.hop_s, 0.0)
        return [replace(d, onset_s=min(d.onset_s, latest_s), offset_s=min(d.offset_s, end_s)) for d in found]

    def _detections(self, closed: Mapping[int, tuple[np.ndarray, ...]]) -> list[Detection]:
        """What closed, by label's index, in order of closing."""
        found: list[tuple[int, int, Detection]] = []
        for index, (begins, stops, peaks) in closed.items():
            onsets_s, offsets_s = self._post.span_s(begins, stops - 1, window_s=self._window_s)
            for stop, *numbers in zip(
                stops.tolist(), onsets_s.tolist(), offsets_s.tolist(), peaks.tolist(), strict=True
            ):
                found.append((stop, index, Detection(self._labels[index], *numbers)))
        return [detection for _, _, detection in sorted(found, key=lambda item: item[:2])]
