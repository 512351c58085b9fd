"""What a calibration says: each point, how sure it is, and what the audio cannot tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from kwsembed.calibration.candidates import FEWEST_EVENTS
from kwsembed.detection.operating import OperatingCurve, OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.tradeoff import CurvePoint, tradeoff_lines

OTHER_CLIENTS = (
    "model.tflite is unchanged: clients that take thresholds from its metadata, as MediaPipe does, keep the "
    "old ones"
)


def point_sentence(point: OperatingPoint, before: OperatingPoint, *, by_hand: bool = False) -> str:
    """One line on a label's new operating point beside the old one."""
    origin = "set by hand to" if by_hand else "threshold"
    text = f"{point.label}: {origin} {point.threshold:.4f} (was {before.threshold:.4f})"
    return f"{text}; {_alarms(point)}; {_misses(point, before)}"


def _alarms(point: OperatingPoint) -> str:
    target, upper = point.target_false_alarms_per_hour, point.false_alarms_per_hour_upper
    if upper is None:
        return "its false alarms per hour are unknown"
    text = f"{point.false_alarms} false alarms in {point.hours:.2f} h, with 95 % confidence at most "
    text += f"{upper:.2f} per hour"
    return f"{text}, certified for {target:g}" if point.certified else f"{text}, NOT certified for {target:g}"


def _misses(point: OperatingPoint, before: OperatingPoint) -> str:
    if point.events:
        return f"misses {point.misses} of {point.events} events"
    text = "misses unknown"
    if before.events:
        text += f" (before, at {before.threshold:.4f}: {before.misses} of {before.events})"
    return text


def notes(
    points: Mapping[str, OperatingPoint],
    *,
    kept: Sequence[str],
    before: PostProcessing,
    after: PostProcessing,
    hours: float,
    annotated: bool,
    tried: Sequence[PostProcessing],
    events: int,
    repeated: int,
) -> Iterator[str]:
    """Sentences on the calibration as a whole.

    Args:
        points: The new points, by label.
        kept: Labels whose threshold was not lowered.
        before: The old setting.
        after: The new one.
        hours: Of the audio.
        annotated: Whether it came with annotations.
        tried: The settings tried.
        events: How many annotated events were heard.
        repeated: How many files were left out since the same audio had come before.
    """
    if repeated:
        yield f"left out {repeated} repeated file{'s'[: repeated > 1]}: the same audio counts once"
    yield setting_sentence(before, after, tried=tried, events=events)
    if not annotated:
        yield (
            "all the audio was taken to hold no event: one that is in it counts as a false alarm "
            "and raises its threshold"
        )
    if kept:
        yield (
            f"not lowered, since {hours:.2f} h are no more than the old threshold rests on: {', '.join(kept)}"
        )
    short = sorted({point.target_false_alarms_per_hour for point in points.values() if not point.certified})
    for target in short:
        needed = -math.log(0.05) / target
        if hours < needed:
            yield (
                f"too few hours: {hours:.2f} h cannot certify {target:g} false alarms per hour; that takes "
                f"{needed:.1f} h without one"
            )
    yield (
        "the bounds are those of the audio that the thresholds were chosen on; "
        "`kwsembed evaluate` on other audio confirms them"
    )


def setting_sentence(
    before: PostProcessing, after: PostProcessing, *, tried: Sequence[PostProcessing], events: int
) -> str:
    """One line on the setting, and why it is that one."""
    number = "1 annotated event is" if events == 1 else f"{events} annotated events are"
    few = f"{number} too few to choose by; it takes {FEWEST_EVENTS}"
    if after == before:
        text = f"setting: {_setting(after)}, as before"
        if len(tried) == 1:
            return text
        if events < FEWEST_EVENTS:
            return f"{text}: {few}"
        return f"{text}, since no other misses clearly fewer of the annotated events"
    text = f"setting: {_setting(after)} (was {_setting(before)})"
    if len(tried) == 1:
        return f"{text}, as you asked"
    if before in tried:
        return f"{text}, which misses clearly fewer of the annotated events"
    if events < FEWEST_EVENTS:
        return f"{text}, as you asked, and else as near to it as can be: {few}"
    return f"{text}, which of those that you asked for misses fewest of the annotated events"


def other_points(curves: Mapping[str, OperatingCurve]) -> Iterator[str]:
    """A table of the points that `--set` or another target would get from the same audio."""
    yield "other points on the same curves, for --set or another target:"
    yield from tradeoff_lines(
        {label: CurvePoint.along(curve) for label, curve in curves.items()},
        hours={label: curve.hours for label, curve in curves.items()},
        events={label: curve.events for label, curve in curves.items()},
    )


def _setting(post: PostProcessing) -> str:
    return (
        f"mean of {post.smoothing_windows} windows, {post.min_consecutive} hits in a row, "
        f"{post.refractory_s:g} s quiet after a detection"
    )
