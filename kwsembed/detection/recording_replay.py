"""Replaying long annotated recordings: false alarms and misses are counted in the same audio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import LabelReplay, ScoredStream


class RecordingReplay(LabelReplay):
    """All recordings of one label, smoothed once, ready to be counted at any threshold.

    Unlike `LabelReplay`, which has streams without the event and streams for its misses, every recording
    counts for both: a detection that touches no event of the label is a false alarm, and all the audio makes
    up the hours, as in `evaluate --annotations`.

    Args:
        label: The event label.
        labels: The labels of the scores' columns.
        recordings: Scored recordings with their events; one without events is all negative.
        post: Smoothing, consecutive hits, refractory time: those of the device.
        window_s: Length of a window in seconds.
        collar_s: Tolerance of a match, in seconds.

    Example:
        >>> from kwsembed.detection.replay import Event
        >>> scores = np.array([[0.1], [0.9], [0.1], [0.1], [0.1], [0.1], [0.1], [0.8], [0.1]])
        >>> night = ScoredStream(scores, duration_s=9.0, events=(Event("dog", 1.0, 2.0),))
        >>> post = PostProcessing(hop_s=1.0, smoothing_windows=1)
        >>> replay = RecordingReplay("dog", ["dog"], [night], post=post, window_s=1.0)
        >>> replay.false_alarms(0.5), replay.false_alarms(0.85), replay.misses(0.5), replay.misses(0.95)
        (1, 0, 0, 1)
    """

    def __init__(
        self,
        label: str,
        labels: Sequence[str],
        recordings: Sequence[ScoredStream],
        *,
        post: PostProcessing,
        window_s: float,
        collar_s: float = 0.5,
    ) -> None:
        super().__init__(label, labels, [], recordings, post=post, window_s=window_s, collar_s=collar_s)
        self.hours = sum(recording.scored_s(post.hop_s) for recording in recordings) / 3600
        self._eventful = _union(self._begins_s, self._ends_s)
        # Every score may be the level at which a false alarm appears, but only those that a detection in
        # reach of an event may hold decide about misses.
        self.negative_smoothed = self.positive_smoothed
        self.positive_smoothed = self._near_events(self.positive_smoothed)

    def false_alarms(self, threshold: float) -> int:
        """Detections that touch no event of the label."""
        onsets_s, offsets_s = self._spans(threshold)
        begins_s, ends_s = self._eventful
        nearest = np.searchsorted(ends_s, onsets_s)
        touching = np.append(begins_s, np.inf)[nearest] <= offsets_s
        return int((~touching).sum())

    def _near_events(self, smoothed: np.ndarray) -> np.ndarray:
        """The scores of hops that alone would be a detection touching an event; -inf elsewhere."""
        hops = np.flatnonzero(np.isfinite(smoothed))
        onsets_s, offsets_s = self._placed(hops, hops)
        begins_s, ends_s = self._eventful
        touching = np.append(begins_s, np.inf)[np.searchsorted(ends_s, onsets_s)] <= offsets_s
        near = np.full(len(smoothed), -np.inf)
        near[hops[touching]] = smoothed[hops[touching]]
        return near


def _union(begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The union of intervals as ordered, disjoint ones."""
    order = np.argsort(begins, kind="stable")
    begins, reach = begins[order], np.maximum.accumulate(ends[order])
    opens = np.append(True, begins[1:] > reach[:-1]) if len(begins) else np.zeros(0, bool)
    last = np.append(np.flatnonzero(opens)[1:] - 1, len(begins) - 1) if len(begins) else np.zeros(0, int)
    return begins[opens], reach[last]
