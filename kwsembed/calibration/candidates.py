"""Candidate settings of the event detection, replayed over scores that were computed once, and the choice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kwsembed.bundle import Bundle
from kwsembed.detection.false_alarm_bound import most_false_alarms_within
from kwsembed.detection.operating import (
    OperatingCurve,
    OperatingPoint,
    choose_threshold,
    measure,
    operating_curve,
)
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.recording_replay import RecordingReplay
from kwsembed.detection.replay import ScoredStream
from kwsembed.progress import Progress, silent

SMOOTHING_WINDOWS = (1, 2, 3, 4)
MIN_CONSECUTIVE = (1, 2, 3)
REFRACTORY_S = (1.0, 2.0, 5.0)

_CURVE_POINTS = 40


@dataclass(frozen=True)
class Candidate:
    """One setting of the event detection and what it costs on the audio, label by label.

    Attributes:
        post: The setting.
        points: The threshold chosen for each event label.
        curves: Misses against false alarms per hour, for each event label.
    """

    post: PostProcessing
    points: Mapping[str, OperatingPoint]
    curves: Mapping[str, OperatingCurve]

    @property
    def miss_rate(self) -> float:
        """Mean over the labels with annotated events; 0 without any."""
        rates = [point.miss_rate for point in self.points.values() if point.miss_rate is not None]
        return sum(rates) / len(rates) if rates else 0.0


def candidate_posts(
    own: PostProcessing,
    *,
    smoothing_windows: Sequence[int] | None = None,
    min_consecutive: Sequence[int] | None = None,
    refractory_s: Sequence[float] | None = None,
) -> list[PostProcessing]:
    """Every combination of the settings, the bundle's own first where it is among them.

    Args:
        own: The bundle's setting; hop and onset shift stay as they are.
        smoothing_windows: Values to try; the bundle's own if None.
        min_consecutive: Likewise.
        refractory_s: Likewise.

    Example:
        >>> [post.min_consecutive for post in candidate_posts(PostProcessing(), min_consecutive=(3, 1))]
        [1, 3]
    """
    posts = [
        replace(own, smoothing_windows=windows, min_consecutive=hits, refractory_s=quiet_s)
        for windows, hits, quiet_s in itertools.product(
            sorted(set(smoothing_windows or (own.smoothing_windows,))),
            sorted(set(min_consecutive or (own.min_consecutive,))),
            sorted(set(refractory_s or (own.refractory_s,))),
        )
    ]
    return sorted(posts, key=lambda post: post != own)


def judge_candidates(
    bundle: Bundle,
    recordings: Sequence[ScoredStream],
    posts: Sequence[PostProcessing],
    *,
    targets: Mapping[str, float],
    collar_s: float,
    by_hand: Mapping[str, float],
    progress: Progress = silent,
) -> Iterator[Candidate]:
    """Replays the recordings with every setting and chooses each label's threshold.

    Args:
        bundle: The detector whose scores they are.
        recordings: Scores with the annotated events.
        posts: Settings to try.
        targets: False alarms per hour of each event label.
        collar_s: Tolerance of a match, in seconds.
        by_hand: Thresholds that the user has set.
        progress: Called with settings tried and settings in all.
    """
    for done, post in enumerate(posts, start=1):
        points, curves = {}, {}
        for label in bundle.event_labels:
            replay = RecordingReplay(
                label, bundle.labels, recordings, post=post, window_s=bundle.window_s, collar_s=collar_s
            )
            curves[label] = operating_curve(replay, points=_CURVE_POINTS)
            if label in by_hand:
                points[label] = measure(replay, by_hand[label], target_false_alarms_per_hour=targets[label])
            else:
                points[label] = _point(replay, bundle.operating_points[label], target=targets[label])
        yield Candidate(post, points, curves)
        progress(done, len(posts))


def _point(replay: RecordingReplay, own: OperatingPoint, *, target: float) -> OperatingPoint:
    """The threshold whose upper bound keeps the target; with too few hours, one above every false alarm.

    Without events of the label nothing speaks for a low threshold but quiet. So it is then lowered only on
    more hours than the bundle's own threshold rests on.
    """
    allowed = most_false_alarms_within(target, replay.hours) or 0
    point = choose_threshold(replay, target_false_alarms_per_hour=target, most_false_alarms=allowed)
    if point.events == 0 and point.threshold < own.threshold and replay.hours <= own.hours:
        return measure(replay, own.threshold, target_false_alarms_per_hour=target)
    return point


def choose_candidate(candidates: Sequence[Candidate], own: PostProcessing) -> Candidate:
    """The candidate with the lowest mean miss rate; the bundle's own setting, then the fastest, if equal.

    Without annotated events nothing tells settings apart: the first candidate is taken then.
    """
    if not any(point.events for point in candidates[0].points.values()):
        return candidates[0]

    def delay_s(post: PostProcessing) -> float:
        return (post.smoothing_windows + post.min_consecutive) * post.hop_s + post.refractory_s

    return min(candidates, key=lambda one: (one.miss_rate, one.post != own, delay_s(one.post)))
