"""Setting a bundle's thresholds by hand, with what an earlier calibration knows about them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kwsembed.bundle import Bundle
from kwsembed.calibration import wording
from kwsembed.calibration.from_audio import Calibration, check_request, write_calibrated
from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound
from kwsembed.detection.operating import OperatingPoint
from kwsembed.errors import ConfigError


def set_thresholds(
    bundle: str | os.PathLike[str], out: str | os.PathLike[str], thresholds: Mapping[str, float]
) -> Calibration:
    """Writes a bundle with other thresholds; the same as `kwsembed calibrate BUNDLE --set LABEL=X --out OUT`.

    No audio is heard. Where the bundle was calibrated before, the curve of that calibration stands in for it:
    the new point is recorded with the false alarms of the curve's next lower threshold and the misses of the
    next higher one, the cautious neighbours. Else the point's costs are unknown.

    Args:
        bundle: Bundle folder; it is read only.
        out: Folder of the new bundle; must not exist.
        thresholds: By label; at least one.

    Raises:
        BundleError: The bundle cannot be used, or `out` exists.
        ConfigError: A label or threshold cannot be set.

    Example:
        >>> set_thresholds("tuned", "bolder", {"dog_bark": 0.8})  # doctest: +SKIP
    """
    source, folder = Bundle.load(bundle), Path(out)
    if not thresholds:
        raise ConfigError("nothing to set", expected="audio to calibrate on, or --set LABEL=THRESHOLD")
    check_request(source, folder, thresholds)
    record = dict(source.extra.get("calibration", {}))
    points = {
        label: _known(record, point, thresholds[label]) if label in thresholds else point
        for label, point in source.operating_points.items()
    }
    record["by_hand"] = sorted({*record.get("by_hand", ()), *thresholds})
    write_calibrated(source, folder, post=source.post, points=points, record=record)
    return Calibration(
        bundle=folder,
        points=points,
        lines=(
            *(
                wording.point_sentence(points[label], source.operating_points[label], by_hand=True)
                for label in source.event_labels
                if label in thresholds
            ),
            wording.OTHER_CLIENTS,
        ),
    )


def _known(record: Mapping[str, Any], own: OperatingPoint, threshold: float) -> OperatingPoint:
    """The point at a threshold, with the costs of its neighbours on the curve; none where that is silent."""
    curve = record.get("curves", {}).get(own.label, [])
    lower = [point for point in curve if point["threshold"] <= threshold]
    higher = [point for point in curve if point["threshold"] >= threshold]
    unknown: dict[str, Any] = dict.fromkeys(
        ("false_alarms_per_hour", "false_alarms_per_hour_upper", "miss_rate")
    )
    point = replace(
        own, threshold=threshold, false_alarms=0, hours=0.0, certified=False, events=0, misses=0, **unknown
    )
    if lower:
        alarms, hours = max(lower, key=lambda one: one["threshold"])["false_alarms"], record["hours"]
        upper = false_alarm_upper_bound(alarms, hours)
        point = replace(
            point,
            false_alarms=alarms,
            hours=hours,
            false_alarms_per_hour=alarms / hours,
            false_alarms_per_hour_upper=upper,
            certified=upper <= own.target_false_alarms_per_hour,
        )
    misses = min(higher, key=lambda one: one["threshold"])["misses"] if higher else None
    events = record.get("events", {}).get(own.label, 0)
    if misses is not None and events:
        point = replace(point, events=events, misses=misses, miss_rate=misses / events)
    return point
