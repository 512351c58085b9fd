"""Tables of what else could have been chosen: settings of the detector, and other points on the curves."""

from __future__ import annotations

from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound
from kwsembed.detection.proportion import proportion_interval
from kwsembed.detection.tradeoff import CurvePoint, corners
from kwsembed.report.run_record import RunRecord
from kwsembed.report.tables import Cell, Table, table
from kwsembed.report.wording import UNKNOWN, decimal, hours, percent, short

_MOST_SETTINGS = 6


def settings_table(run: RunRecord) -> Table | None:
    """The settings that missed fewest events on validation, and the default; None for runs of before."""
    setting = run.metrics.get("chosen", {}).get("setting")
    if not setting:
        return None
    names = ("smoothing_windows", "min_consecutive", "refractory_s")
    own, default = ([values[name] for name in names] for values in (setting, setting["default"]))
    rows: list[list[Cell | str]] = []
    for rank, candidate in enumerate(setting["candidates"]):
        values = [candidate[name] for name in names]
        if rank >= _MOST_SETTINGS and values not in (own, default):
            continue
        roles = [role for role, other in (("chosen", own), ("default", default)) if values == other]
        cells = [f"{value:g}" for value in values]
        rows.append([*cells, percent(candidate["miss_rate"]), Cell(", ".join(roles), tone="strong")])
    return table(
        ["windows averaged", "hits in a row", "quiet after, s", "missed, mean", ""],
        rows,
        note=f"{len(setting['candidates'])} settings were tried on validation; the best and the default are "
        f"shown. Criterion: {setting['criterion']}.",
    )


def other_points_table(run: RunRecord) -> Table | None:
    """For each event, thresholds that allow more or fewer false alarms, as counted on validation."""
    rows: list[list[Cell | str]] = []
    for label in run.event_labels:
        curve = (run.curves.get(label) or {}).get("validation") or {}
        rates = curve.get("miss_rate")
        if not curve.get("hours") or not rates or None in rates:
            continue
        for point in corners(CurvePoint.of(curve)):
            missed, interval = UNKNOWN, UNKNOWN
            if point.misses is not None and curve["events"]:
                share = proportion_interval(point.misses, curve["events"])
                missed = f"{point.misses} of {curve['events']} ({percent(share.estimate)})"
                interval = f"{percent(share.low)} to {percent(share.high)}"
            rows.append(
                [
                    label,
                    decimal(point.threshold, 4),
                    f"{point.false_alarms} in {hours(curve['hours'])}",
                    short(point.false_alarms / curve["hours"]),
                    short(false_alarm_upper_bound(point.false_alarms, curve["hours"])),
                    missed,
                    interval,
                ]
            )
    if not rows:
        return None
    return table(
        ["event", "threshold", "false alarms", "per hour", "proven below", "missed", "95 % interval"],
        rows,
        note="Counted on validation, which thresholds are chosen on; the bundle carries these curves. "
        "`kwsembed calibrate RUN/bundle --target-false-alarms-per-hour X --out OTHER` takes another point of "
        "each, `--set LABEL=THRESHOLD` any.",
    )
