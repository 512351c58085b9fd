"""Other thresholds for a bundle without any audio, from the curves that it carries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kwsembed.bundle import Bundle
from kwsembed.calibration import wording
from kwsembed.calibration.from_audio import Calibration, write_calibrated
from kwsembed.calibration.known_curves import KnownCurves
from kwsembed.calibration.request import check_request, check_target
from kwsembed.errors import ConfigError


def set_thresholds(
    bundle: str | os.PathLike[str],
    out: str | os.PathLike[str],
    thresholds: Mapping[str, float] | None = None,
    *,
    target_false_alarms_per_hour: float | None = None,
) -> Calibration:
    """Writes a bundle with other thresholds; the same as `kwsembed calibrate BUNDLE --set LABEL=X --out OUT`.

    No audio is heard. The curves that the bundle carries stand in for it, those of its training's validation
    or of its last calibration. A threshold set by hand is recorded with the false alarms of the curve's next
    lower threshold and the misses of the next higher one, the cautious neighbours; without a curve its costs
    are unknown. For a target the point of the curve is taken that misses fewest within it.

    Args:
        bundle: Bundle folder; it is read only.
        out: Folder of the new bundle; must not exist.
        thresholds: By label.
        target_false_alarms_per_hour: For each label that is not set by hand; if None, those stay.

    Raises:
        BundleError: The bundle cannot be used, or `out` exists.
        ConfigError: A label or threshold cannot be set, or there is no curve to take a target's point from.

    Example:
        >>> set_thresholds("tuned", "bolder", {"dog_bark": 0.8})  # doctest: +SKIP
        >>> set_thresholds("tuned", "bolder", target_false_alarms_per_hour=5.0)  # doctest: +SKIP
    """
    source, folder = Bundle.load(bundle), Path(out)
    by_hand, target = dict(thresholds or {}), target_false_alarms_per_hour
    if not by_hand and target is None:
        raise ConfigError(
            "nothing to set", expected="audio to calibrate on, or --set LABEL=THRESHOLD, or a target"
        )
    check_request(source, folder, by_hand)
    curves = KnownCurves.of(source)
    points = {}
    for label, point in source.operating_points.items():
        if label in by_hand:
            points[label] = curves.at(point, by_hand[label])
        else:
            points[label] = point if target is None else curves.within(point, check_target(target))
    record = {**curves.record, "by_hand": sorted({*curves.record.get("by_hand", ()), *by_hand})}
    write_calibrated(source, folder, post=source.post, points=points, record=record)
    return Calibration(
        bundle=folder,
        points=points,
        lines=(
            *(
                wording.point_sentence(
                    points[label], source.operating_points[label], by_hand=label in by_hand
                )
                for label in source.event_labels
                if label in by_hand or target is not None
            ),
            *([] if target is None else [curves.origin]),
            wording.OTHER_CLIENTS,
        ),
    )
