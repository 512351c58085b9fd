"""The curves of a calibration on disk: a CSV of every setting, and a picture where matplotlib is there."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed import atomic
from kwsembed.calibration.candidates import Candidate
from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound
from kwsembed.detection.operating import OperatingCurve
from kwsembed.detection.proportion import proportion_interval
from kwsembed.detection.tradeoff import CurvePoint

COLUMNS = (
    "label",
    "smoothing_windows",
    "min_consecutive",
    "refractory_s",
    "threshold",
    "false_alarms",
    "hours",
    "false_alarms_per_hour",
    "false_alarms_per_hour_upper",
    "events",
    "misses",
    "miss_rate",
    "miss_rate_low",
    "miss_rate_high",
    "chosen_setting",
)


def write_csv(path: Path, candidates: Sequence[Candidate], chosen: Candidate) -> None:
    """Writes every point of every setting's curves; what is unknown is an empty cell."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for candidate in candidates:
        post = candidate.post
        for label, curve in candidate.curves.items():
            for point in CurvePoint.along(curve):
                alarms, missed = point.false_alarms, point.misses
                share = None if missed is None else proportion_interval(missed, curve.events)
                bounds = ("", "", "") if share is None else (share.estimate, share.low, share.high)
                rows.writerow(
                    [
                        label,
                        post.smoothing_windows,
                        post.min_consecutive,
                        post.refractory_s,
                        repr(point.threshold),
                        alarms,
                        f"{curve.hours:.4f}",
                        f"{alarms / curve.hours:.4f}",
                        f"{false_alarm_upper_bound(alarms, curve.hours):.4f}",
                        curve.events,
                        "" if missed is None else missed,
                        *(value if value == "" else f"{value:.4f}" for value in bounds),
                        "yes" if candidate is chosen else "no",
                    ]
                )
    atomic.write_text(path, text.getvalue())


def draw(path: Path, candidates: Sequence[Candidate], chosen: Candidate) -> bool:
    """Draws a panel per label as SVG; returns False, having drawn nothing, where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    labels = list(chosen.points)
    figure = Figure(figsize=(4.2 * len(labels), 3.6), layout="constrained")
    panels = figure.subplots(1, len(labels), squeeze=False)[0]
    for panel, label in zip(panels, labels, strict=True):
        for candidate in sorted(candidates, key=lambda one: one is chosen):
            look: Mapping[str, Any] = {"color": "0.8", "linewidth": 0.7}
            if candidate is chosen:
                look = {"color": "C0", "linewidth": 1.8, "label": "chosen setting"}
            curve = candidate.curves[label]
            rates = curve.threshold if curve.miss_rate is None else curve.miss_rate
            panel.step(curve.false_alarms_per_hour, rates, where="post", **look)
        _draw_bounds(panel, chosen.curves[label])
        point = chosen.points[label]
        if point.miss_rate is not None:
            panel.plot(
                [point.false_alarms_per_hour], [point.miss_rate], "o", color="C3", label="chosen point"
            )
        else:
            panel.axhline(point.threshold, color="C3", label="chosen threshold")
        panel.axvline(point.target_false_alarms_per_hour, color="0.4", linestyle=":", label="target")
        panel.set_xscale("symlog", linthresh=max(1 / chosen.curves[label].hours, 1e-3))
        panel.set(
            title=label,
            xlabel="false alarms per hour",
            ylabel="threshold" if point.miss_rate is None else "miss rate",
        )
        panel.legend(fontsize="x-small")
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, format="svg")
    return True


def _draw_bounds(panel: Any, curve: OperatingCurve) -> None:
    """The 95 % bounds of the chosen curve: of its false alarms to the right, of its misses around it."""
    rates = curve.threshold if curve.miss_rate is None else curve.miss_rate
    points = CurvePoint.along(curve)
    uppers = [false_alarm_upper_bound(point.false_alarms, curve.hours) for point in points]
    panel.step(uppers, rates, where="post", color="C0", linewidth=0.8, linestyle="--", label="95 % bound")
    if curve.miss_rate is not None:
        shares = [proportion_interval(point.misses or 0, curve.events) for point in points]
        low, high = np.array([(share.low, share.high) for share in shares]).T
        panel.fill_between(curve.false_alarms_per_hour, low, high, step="post", color="C0", alpha=0.12)
