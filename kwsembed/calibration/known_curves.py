"""The curves of misses against false alarms that a bundle carries, and other points on them.

They are those of the validation split where training made the bundle, and of the audio of the last
calibration after one: always the audio that its thresholds were chosen on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kwsembed.bundle import Bundle
from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound, most_false_alarms_within
from kwsembed.detection.operating import OperatingCurve, OperatingPoint
from kwsembed.detection.tradeoff import CurvePoint, best_within
from kwsembed.errors import ConfigError

RECORD = "calibration"
"""Where `Bundle.extra` holds them."""

VALIDATION = "validation"
"""What the record of a bundle as training made it names as its source."""


def curve_record(curves: Mapping[str, OperatingCurve]) -> dict[str, Any]:
    """What a bundle carries of its curves, by label: hours, events, and the points by falling threshold."""
    return {
        "hours_of": {label: curve.hours for label, curve in curves.items()},
        "events": {label: curve.events for label, curve in curves.items()},
        "curves": {
            label: [point.to_dict() for point in CurvePoint.along(curve)] for label, curve in curves.items()
        },
    }


@dataclass(frozen=True)
class KnownCurves:
    """The curves of a bundle.

    Args:
        record: What the bundle carries; empty if it has none.
    """

    record: Mapping[str, Any]

    @classmethod
    def of(cls, bundle: Bundle) -> KnownCurves:
        """Those that a bundle carries."""
        return cls(bundle.extra.get(RECORD, {}))

    @property
    def origin(self) -> str:
        """A sentence on the audio that they were counted on."""
        if self.record.get("source") == VALIDATION:
            return "counted on the validation split of the training, which chose the old thresholds too"
        return "counted on the audio of the last calibration, which chose the old thresholds too"

    def points(self, label: str) -> Sequence[CurvePoint]:
        """The points of a label, by falling threshold; none where nothing is known."""
        return [CurvePoint.from_dict(point) for point in self.record.get("curves", {}).get(label, ())]

    def hours(self, label: str) -> float:
        """Hours that the false alarms of a label were counted in."""
        by_label = self.record.get("hours_of", {})
        return float(by_label[label] if label in by_label else self.record.get("hours", 0.0))

    def at(self, own: OperatingPoint, threshold: float) -> OperatingPoint:
        """The point at a threshold, with the costs of its neighbours; none where the curve is silent."""
        points = self.points(own.label)
        lower = [point for point in points if point.threshold <= threshold]
        higher = [point for point in points if point.threshold >= threshold]
        alarms = max(lower, key=lambda point: point.threshold).false_alarms if lower else None
        misses = min(higher, key=lambda point: point.threshold).misses if higher else None
        return self._costing(own, threshold, alarms, misses)

    def within(self, own: OperatingPoint, target: float) -> OperatingPoint:
        """The point that misses fewest within a target, as the source of the curves would have chosen it."""
        points, hours = self.points(own.label), self.hours(own.label)
        if not points or not hours > 0:
            raise ConfigError(
                f"the bundle carries no curve of {own.label} to take another point from",
                fix="give audio to calibrate on, or set the threshold by hand",
            )
        if self.record.get("source") == VALIDATION:
            allowed = math.floor(target * hours + 1e-9)
        else:
            allowed = most_false_alarms_within(target, hours) or 0
        best = best_within(points, allowed)
        if best is None:
            raise ConfigError(
                f"no threshold on the curve of {own.label} keeps the target", received=f"{target=}"
            )
        own = replace(own, target_false_alarms_per_hour=target)
        return self._costing(own, best.threshold, best.false_alarms, best.misses)

    def _costing(
        self, own: OperatingPoint, threshold: float, alarms: int | None, misses: int | None
    ) -> OperatingPoint:
        hours, events = self.hours(own.label), self.record.get("events", {}).get(own.label, 0)
        unknown: dict[str, Any] = dict.fromkeys(
            ("false_alarms_per_hour", "false_alarms_per_hour_upper", "miss_rate")
        )
        point = replace(
            own,
            threshold=threshold,
            false_alarms=0,
            hours=0.0,
            certified=False,
            events=0,
            misses=0,
            **unknown,
        )
        if alarms is not None and hours > 0:
            upper = false_alarm_upper_bound(alarms, hours)
            point = replace(
                point,
                false_alarms=alarms,
                hours=hours,
                false_alarms_per_hour=alarms / hours,
                false_alarms_per_hour_upper=upper,
                certified=upper <= own.target_false_alarms_per_hour,
            )
        if misses is not None and events > 0:
            point = replace(point, events=events, misses=misses, miss_rate=misses / events)
        return point
