"""What fired, or nearly did, in a scored recording: hits of all labels, those of one sound merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.events import find_runs
from kwsembed.detection.post_processing import smooth
from kwsembed.detection.replay import Event


@dataclass(frozen=True)
class Hit:
    """A sound that one or more labels took for their event.

    Attributes:
        label: The label that was surest of it.
        score: Its highest smoothed score.
        onset_s: Where the sound begins in its recording, in seconds.
        offset_s: Where it ends.
        peak_s: The centre of the audio with the highest score.
        fired: Labels whose thresholds it reached, in the order of the bundle's; none of a near miss.
    """

    label: str
    score: float
    onset_s: float
    offset_s: float
    peak_s: float
    fired: tuple[str, ...]


def find_hits(bundle: Bundle, scores: np.ndarray, *, least_score: float) -> list[Hit]:
    """Every sound at which an event label reaches `least_score` or its threshold, by time.

    Args:
        bundle: The detector.
        scores: (hops, labels) of one recording.
        least_score: A smoothed score from which on a hit counts even if it would not fire.

    Returns:
        Hits that do not overlap: runs closer than a window are one sound and one hit.
    """
    found: list[Hit] = []
    for label in bundle.event_labels:
        smoothed = smooth(scores[:, bundle.labels.index(label)], bundle.post.smoothing_windows)
        threshold = bundle.thresholds[label]
        begins, lasts = find_runs(smoothed, threshold, bundle.post)
        # Not the device's rule: a near miss counts without consecutive hits, and refractory time hides none.
        reached = smoothed >= min(least_score, threshold)
        edges = np.flatnonzero(np.diff(reached, prepend=False, append=False))
        for first, stop in zip(edges[::2], edges[1::2], strict=True):
            peak = first + int(smoothed[first:stop].argmax())
            nearest = int(np.searchsorted(lasts, first))
            fired = nearest < len(begins) and begins[nearest] < stop
            if not fired and smoothed[peak] < least_score:
                continue
            (onset_s,), (offset_s,) = _span_s(bundle, first, stop - 1)
            (before_s,), (after_s,) = _span_s(bundle, peak, peak)
            found.append(
                Hit(
                    label=label,
                    score=float(smoothed[peak]),
                    onset_s=float(onset_s),
                    offset_s=float(offset_s),
                    peak_s=float(before_s + after_s) / 2,
                    fired=(label,) if fired else (),
                )
            )
    return list(_merged(found, within_s=bundle.window_s, labels=bundle.event_labels))


def free_of_events(hits: Iterable[Hit], events: Sequence[Event], *, context_s: float) -> list[Hit]:
    """Those hits whose clip, context included, holds nothing of any true event."""
    return [
        hit
        for hit in hits
        if not any(
            event.onset_s < hit.offset_s + context_s and event.offset_s > hit.onset_s - context_s
            for event in events
        )
    ]


def _span_s(bundle: Bundle, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    return bundle.post.span_s(np.array([first]), np.array([last]), window_s=bundle.window_s)


def _merged(hits: list[Hit], *, within_s: float, labels: Sequence[str]) -> Iterator[Hit]:
    """Hits of any label closer than `within_s` become one, with the score and peak of the strongest."""
    group: list[Hit] = []
    for hit in sorted(hits, key=lambda one: one.onset_s):
        if group and hit.onset_s - max(one.offset_s for one in group) > within_s:
            yield _one(group, labels)
            group = []
        group.append(hit)
    if group:
        yield _one(group, labels)


def _one(group: list[Hit], labels: Sequence[str]) -> Hit:
    # What fired comes before what merely scored: thresholds differ from label to label.
    best = max(group, key=lambda one: (bool(one.fired), one.score))
    fired = {label for one in group for label in one.fired}
    return Hit(
        label=best.label,
        score=best.score,
        onset_s=min(one.onset_s for one in group),
        offset_s=max(one.offset_s for one in group),
        peak_s=best.peak_s,
        fired=tuple(label for label in labels if label in fired),
    )
