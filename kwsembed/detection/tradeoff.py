"""What other thresholds of a curve would cost, as a table that a user can pick a point from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound
from kwsembed.detection.operating import OperatingCurve
from kwsembed.detection.proportion import proportion_interval

_LEAST_PROBABILITY = 1e-7  # as in `choose_threshold`
_HEADER = ("label", "threshold", "false alarms", "per hour, at most", "missed", "95 % interval")


@dataclass(frozen=True)
class CurvePoint:
    """One threshold of a curve.

    Args:
        threshold: A smoothed score that reaches it is a hit.
        false_alarms: The most at this threshold or any higher one.
        misses: Events that no detection hits; None without events.
    """

    threshold: float
    false_alarms: int
    misses: int | None

    @classmethod
    def along(cls, curve: OperatingCurve) -> list[CurvePoint]:
        """All points of a curve, by falling threshold."""
        return cls.of(curve.to_dict())

    @classmethod
    def of(cls, curve: Mapping[str, Any]) -> list[CurvePoint]:
        """All points of what `OperatingCurve.to_dict` gave."""
        rates = curve["miss_rate"] or [None] * len(curve["threshold"])
        return [
            cls(
                threshold,
                round(alarms * curve["hours"]),
                None if rate is None else round(rate * curve["events"]),
            )
            for threshold, alarms, rate in zip(
                curve["threshold"], curve["false_alarms_per_hour"], rates, strict=True
            )
        ]

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain values for JSON."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, float | int | None]) -> CurvePoint:
        """The inverse of `to_dict`."""
        return cls(**values)  # type: ignore[arg-type]


def best_within(points: Sequence[CurvePoint], most_false_alarms: int) -> CurvePoint | None:
    """The point with the fewest misses among those with no more false alarms; None if there is none.

    Of those it is the one with the fewest false alarms, and of equal ones that in their middle, in logits, as
    `choose_threshold` has it. Without events it is the lowest threshold.

    Example:
        >>> curve = [CurvePoint(0.9, 0, 5), CurvePoint(0.8, 0, 3), CurvePoint(0.5, 2, 3)]
        >>> best_within(curve, 0)
        CurvePoint(threshold=0.8, false_alarms=0, misses=3)
    """
    allowed = [point for point in points if point.false_alarms <= most_false_alarms]
    if not allowed:
        return None
    if allowed[0].misses is None:
        return min(allowed, key=lambda point: point.threshold)
    fewest = min((point.misses or 0, point.false_alarms) for point in allowed)
    equal = [point for point in allowed if (point.misses, point.false_alarms) == fewest]
    logits = np.array([_logit(point.threshold) for point in equal])
    return equal[int(np.abs(logits - (logits.min() + logits.max()) / 2).argmin())]


def corners(points: Sequence[CurvePoint], *, most: int = 6) -> list[CurvePoint]:
    """The points worth choosing between: the best within 0, 1, 2, 5, 10, 20, ... false alarms.

    Args:
        points: A curve, by falling threshold.
        most: So many at most, those with the fewest false alarms.

    Example:
        >>> curve = [CurvePoint(0.9, 0, 5), CurvePoint(0.7, 1, 5), CurvePoint(0.5, 2, 3)]
        >>> [point.false_alarms for point in corners(curve)]
        [0, 2]
    """
    found: list[CurvePoint] = []
    for allowed in (0, *(step * 10**power for power in range(7) for step in (1, 2, 5))):
        best = best_within(points, allowed)
        if best is not None and (not found or _better(best, found[-1])):
            found.append(best)
        if len(found) == most or all(point.false_alarms <= allowed for point in points):
            break
    return found


def _better(point: CurvePoint, than: CurvePoint) -> bool:
    if point.misses is None or than.misses is None:
        return point.threshold < than.threshold
    return point.misses < than.misses


def tradeoff_lines(
    curves: Mapping[str, Sequence[CurvePoint]],
    *,
    hours: Mapping[str, float],
    events: Mapping[str, int],
    most: int = 6,
) -> Iterator[str]:
    """The corners of each label's curve as the lines of a table, with the intervals that the counts allow.

    Args:
        curves: By label.
        hours: Of audio that false alarms were counted in, above 0, by label.
        events: By label.
        most: Lines of a label.
    """
    rows = [_HEADER]
    for label, points in curves.items():
        for point in corners(points, most=most):
            upper = false_alarm_upper_bound(point.false_alarms, hours[label])
            missed, interval = "unknown", ""
            if point.misses is not None and events[label]:
                share = proportion_interval(point.misses, events[label])
                missed = f"{point.misses} of {events[label]}"
                interval = f"{100 * share.low:.0f} to {100 * share.high:.0f} %"
            alarms = f"{point.false_alarms} in {hours[label]:.2f} h"
            rows.append((label, f"{point.threshold:.4f}", alarms, f"{upper:.2f}", missed, interval))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _logit(threshold: float) -> float:
    p = min(max(threshold, _LEAST_PROBABILITY), 1 - _LEAST_PROBABILITY)
    return math.log(p / (1 - p))
