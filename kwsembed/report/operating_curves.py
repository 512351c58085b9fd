"""Reads operating curves: the points that a DET curve is drawn through, and the fewest misses on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kwsembed.report.run_record import ClassFigures


def det_points(curve: Mapping[str, Any], figures: ClassFigures) -> list[tuple[float, float]]:
    """False alarms per hour and miss rate at a curve's thresholds, at the one in use, and above all scores.

    A curve samples its thresholds, and those of early runs were without the one in use; yet it is as good a
    threshold as they are, and without it the operating point could lie below its own curve.

    Args:
        curve: Of curves.json; none, or one of a label without events, has no points.
        figures: What was measured at the threshold in use.
    """
    if curve.get("miss_rate") is None:
        return []
    pairs = zip(curve["false_alarms_per_hour"], curve["miss_rate"], strict=True)
    sampled = [(rate, miss) for rate, miss in pairs if rate is not None and miss is not None]
    if not sampled:
        return []
    silent = (0.0, 1.0)
    if figures.false_alarms_per_hour is None or figures.miss_rate is None:
        return [silent, *sampled]
    return [silent, *sampled, (figures.false_alarms_per_hour, figures.miss_rate)]


def lower_edge(rates: np.ndarray, misses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fewest misses that any threshold reaches with no more false alarms.

    At low thresholds detections melt into one, so that the raw curve folds back on itself.

    Args:
        rates: (thresholds,) false alarms per hour.
        misses: (thresholds,) miss rates.

    Returns:
        Rates in rising order, and miss rates that never rise.

    Example:
        >>> lower_edge(np.array([0.0, 9.0, 4.0]), np.array([0.5, 0.2, 0.1]))[1]
        array([0.5, 0.1, 0.1])
    """
    order = np.lexsort((misses, rates))
    return rates[order], np.minimum.accumulate(misses[order])


def fewest_misses(curve: Mapping[str, Any], figures: ClassFigures) -> int | None:
    """The fewest misses at any threshold of a curve that makes no more false alarms than are granted.

    Granted are those made at the threshold in use, or those that the target allows in these hours, whichever
    is more. None where the curve has no such threshold.

    Args:
        curve: Of curves.json, on the audio that the figures are of.
        figures: What was measured at the threshold in use.

    Example:
        >>> curve = {"false_alarms_per_hour": [0, 2, 4], "miss_rate": [0.5, 0.25, 0.0], "events": 4}
        >>> fewest_misses(curve, ClassFigures(false_alarms=1, hours=0.5))
        1
    """
    made, listened_h = figures.false_alarms or 0, figures.hours or 0.0
    granted = max(made, math.floor((figures.target_false_alarms_per_hour or 0.0) * listened_h + 1e-9))
    misses = [
        round(miss * curve["events"])
        for rate, miss in zip(
            curve.get("false_alarms_per_hour") or (), curve.get("miss_rate") or (), strict=False
        )
        if rate is not None and miss is not None and round(rate * listened_h) <= granted
    ]
    return min(misses, default=None)
