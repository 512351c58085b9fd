"""The report's curves: learning, precision and recall, misses against false alarms, float against int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator
from sklearn.metrics import precision_recall_curve

from kwsembed.detection.proportion import proportion_interval
from kwsembed.report import svg, wording
from kwsembed.report.operating_curves import det_points, lower_edge
from kwsembed.report.run_record import ClassFigures, RunRecord

HIGHER_IS_BETTER = ("precision", "accuracy", "recall", "silhouette")


@dataclass(frozen=True)
class Panel:
    """One plot: its heading, its SVG and a sentence on what it shows."""

    heading: str
    svg: str
    note: str


def learning_curves(run: RunRecord, stage: str) -> tuple[list[Panel], list[Panel]]:
    """The curves of one stage: loss and validation first, then whatever else was recorded."""
    metrics = run.history[stage]
    losses = [name for name in metrics if name.removeprefix("val_") == "loss"]
    validation = [name for name in metrics if name.startswith("val_") and name not in losses]
    rest = [name for name in metrics if name not in losses and name not in validation]
    main = [
        _learning_panel(run, stage, names, heading)
        for heading, names in (("Loss", losses), ("Validation", validation))
        if names
    ]
    return main, [_learning_panel(run, stage, [name], name.replace("_", " ")) for name in rest]


def _learning_panel(run: RunRecord, stage: str, names: Sequence[str], heading: str) -> Panel:
    notes = []
    description = f"{heading} of the stage {stage}"
    with svg.drawing(f"learn-{stage}-{names[0]}", description, width_px=240, height_px=180) as plot:
        axes = plot.axes
        for index, name in enumerate(names):
            epochs, values = np.array(run.history[stage][name]).T
            best = int(
                np.argmax(values) if any(word in name for word in HIGHER_IS_BETTER) else np.argmin(values)
            )
            color = svg.series(1 if name == "val_loss" else index)
            plain = {"loss": "training", "val_loss": "validation"}.get(name) or _plain(name)
            axes.plot(epochs, values, color=color, label=plain, marker="o" if len(values) < 3 else None)
            if name.startswith("val_"):
                axes.plot(epochs[best], values[best], "o", color=color)
                notes.append(f"{plain}: best {values[best]:.3f} in epoch {epochs[best]:g} of {epochs[-1]:g}")
            elif len(values) == 1:
                notes.append(f"{plain}: {values[0]:.3f} after the only epoch")
            else:
                notes.append(f"{plain}: from {values[0]:.3f} to {values[-1]:.3f}")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(epochs) == 1:
            # Around a single point matplotlib zooms in until ticks differ by hundredths of an epoch.
            axes.set_xticks(epochs, [f"{epoch:g}" for epoch in epochs])
        if len(names) > 1:
            axes.legend()
        return Panel(heading, plot.inline(), "; ".join(notes) + ".")


def _plain(metric: str) -> str:
    return metric.removeprefix("val_").replace("_", " ").replace("average precision", "AP")


def precision_recall(run: RunRecord, label: str, number: int) -> Panel | None:
    """Precision against recall of the int8 model, the network without pretraining in grey behind it."""
    shown = {model: run.predictions.get((model, run.split)) for model in ("class_weighted", "int8")}
    int8 = shown["int8"]
    if int8 is None or not 0 < (positives := int(np.sum(int8.true_labels == label))) < len(int8.names):
        return None
    column = run.labels.index(label)
    with svg.drawing(f"pr-{number}", f"Precision against recall for {label}") as plot:
        axes = plot.axes
        for model, color, width in (("class_weighted", svg.MUTED, 1.3), ("int8", svg.ACCENT, 2.2)):
            predictions = shown[model]
            if predictions is not None:
                precision, recall, _ = precision_recall_curve(
                    predictions.true_labels == label, predictions.scores[:, column]
                )
                best = np.append(
                    np.diff(recall) < 0, True
                )  # the last of each recall is its highest precision
                axes.plot(recall[best], precision[best], drawstyle="steps-post", color=color, linewidth=width)
        axes.axhline(positives / len(int8.names), color=svg.WARN, linestyle=(0, (2, 2)), linewidth=1.2)
        _unit_square(axes)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        measured = run.figures.of(label) if run.figures else ClassFigures()
        note = (
            f"AP {wording.decimal(measured.average_precision)}, "
            f"chance {wording.decimal(positives / len(int8.names))}; {wording.counted(positives, 'clip')}."
        )
        return Panel(label, plot.inline(), note)


def misses_against_false_alarms(run: RunRecord, label: str, number: int) -> Panel | None:
    """The DET curve of the int8 detector: operating point, its bound, what the hours cannot resolve."""
    curves = run.curves.get(label) or {}
    curve: Any = curves.get(run.split) or {}
    figures = run.figures.of(label) if run.figures else ClassFigures()
    points = det_points(curve, figures)
    if not points or not curve.get("hours"):
        return None
    resolution = 1 / curve["hours"]
    target = figures.target_false_alarms_per_hour
    left = min(resolution, target or resolution) / 2
    with svg.drawing(f"det-{number}", f"Miss rate against false alarms per hour for {label}") as plot:
        axes = plot.axes
        rates, misses = lower_edge(*np.array(points).T)
        right = max(rates.max(), figures.false_alarms_per_hour_upper or 0, 4 * resolution) * 1.15
        axes.axvspan(left, resolution, color=svg.MUTED, alpha=0.13, linewidth=0)
        reached, reached_misses = np.append(np.maximum(rates, left), right), np.append(misses, misses[-1])
        axes.plot(reached, reached_misses, drawstyle="steps-post", color=svg.ACCENT)
        if events := curve.get("events"):
            shares = [proportion_interval(round(miss * events), events) for miss in reached_misses]
            low, high = np.array([(share.low, share.high) for share in shares]).T
            axes.fill_between(reached, low, high, step="post", color=svg.ACCENT, alpha=0.13, linewidth=0)
        if target:
            axes.axvline(target, color=svg.WARN, linestyle=(0, (2, 2)), linewidth=1.2)
        if figures.miss_rate is not None and figures.false_alarms_per_hour is not None:
            at = max(figures.false_alarms_per_hour, left)
            if figures.false_alarms_per_hour_upper:
                axes.plot(
                    [at, figures.false_alarms_per_hour_upper],
                    [figures.miss_rate] * 2,
                    color=svg.INK,
                    linewidth=1,
                )
                axes.plot(
                    figures.false_alarms_per_hour_upper, figures.miss_rate, "|", color=svg.INK, markersize=9
                )
            axes.plot(at, figures.miss_rate, "o", color=svg.INK, markersize=7, clip_on=False, zorder=5)
        axes.set_xscale("log")
        axes.set_xlim(left, right)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("false alarms per hour")
        axes.set_ylabel("missed")
        return Panel(
            label, plot.inline(), _det_note(figures, events=curve.get("events"), hours=curve["hours"])
        )


def _det_note(figures: ClassFigures, *, events: int | None, hours: float) -> str:
    heard = f"{wording.counted(events or 0, 'event')}, {wording.hours(hours)} without one."
    if figures.misses is None or figures.false_alarms is None:
        return heard
    return (
        f"At the threshold {wording.decimal(figures.threshold)}: {figures.misses} of {figures.events} "
        f"missed, {wording.counted(figures.false_alarms, 'false alarm')} in {wording.hours(figures.hours)}, "
        f"fewer than {wording.short(figures.false_alarms_per_hour_upper)} per hour."
    )


def float_against_int8(run: RunRecord, *, most_points: int = 1500) -> Panel | None:
    """Scores of the same clips by the float and the int8 model, as log-odds; changed decisions stand out."""
    pair = [run.predictions.get((model, run.split)) for model in (run.chosen, "int8")]
    if pair[0] is None or pair[1] is None or pair[0].names != pair[1].names or not run.event_labels:
        return None
    columns = [run.labels.index(label) for label in run.event_labels]
    before, after = (predictions.scores[:, columns] for predictions in pair if predictions is not None)
    thresholds = [run.figures.of(label).threshold if run.figures else None for label in run.event_labels]
    cut = np.array([2.0 if threshold is None else threshold for threshold in thresholds])
    changed = ((before >= cut) != (after >= cut)).ravel()
    kept = np.sort(np.argsort(-np.abs(after - before).ravel(), kind="stable")[:most_points])
    x, y = (np.log(p / (1 - p)) for p in (np.clip(s.ravel(), 1e-3, 1 - 1e-3) for s in (before, after)))
    with svg.drawing("float-int8", "Float score against int8 score of each clip", height_px=320) as plot:
        axes = plot.axes
        axes.axline((0, 0), slope=1, color=svg.MUTED, linewidth=1)
        plain, odd = kept[~changed[kept]], np.flatnonzero(changed)
        axes.plot(x[plain], y[plain], "o", color=svg.ACCENT, markersize=3, alpha=0.45, markeredgewidth=0)
        axes.plot(x[odd], y[odd], "D", color=svg.WARN, markersize=6)
        ticks = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(np.log(ticks / (1 - ticks)), [f"{tick:g}" for tick in ticks])
        axes.set_xlabel("float score")
        axes.set_ylabel("int8 score")
        note = (
            f"A point is a clip's score for an event class ({run.split}, {wording.counted(len(x), 'score')}"
        )
        note += f", the {len(kept):,} that differ most are drawn). " if len(kept) < len(x) else "). "
        return Panel("Scores", plot.inline(), note + _change_note(np.abs(after - before), int(changed.sum())))


def _change_note(difference: np.ndarray, changed: int) -> str:
    crossing = "No score crosses its threshold"
    if changed:
        crossing = f"{wording.counted(changed, 'score')} (diamonds) on the other side of the threshold"
    return (
        f"{crossing}; half of the scores move by no more than {wording.short(float(np.median(difference)))}, "
        f"the largest move is {wording.short(float(difference.max()))}."
    )


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
