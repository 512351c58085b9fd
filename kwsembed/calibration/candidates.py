"""Candidate settings of the event detection, replayed over scores that were computed once, and the choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from kwsembed.detection.setting_choice import choose_setting, mean_miss_rate
from kwsembed.progress import Progress, silent

FEWEST_EVENTS = 24
"""Annotated events, of all labels, below which no other setting is chosen by what it misses."""

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


def choose_candidate(
    candidates: Sequence[Candidate], own: PostProcessing, targets: Mapping[str, float]
) -> Candidate:
    """The candidate that misses clearly fewer events than the bundle's own setting, else that setting.

    Fewer than `FEWEST_EVENTS` annotated events tell settings apart by luck: the candidate nearest to the
    bundle's own setting is taken then, which is that setting itself where it was tried.
    """
    events = sum(curve.events for curve in candidates[0].curves.values())
    if events < FEWEST_EVENTS:
        return min(candidates, key=lambda candidate: _distance(candidate.post, own))
    miss_rates = [mean_miss_rate(candidate.curves, targets) for candidate in candidates]
    return candidates[choose_setting([candidate.post for candidate in candidates], miss_rates, own)]


def _distance(post: PostProcessing, own: PostProcessing) -> tuple[float, ...]:
    """How far a setting is from another: first how many of its values differ, then by how much."""
    apart = [
        abs(post.smoothing_windows - own.smoothing_windows) * own.hop_s,
        abs(post.min_consecutive - own.min_consecutive) * own.hop_s,
        abs(post.refractory_s - own.refractory_s),
    ]
    return sum(value > 0 for value in apart), sum(apart)
