"""Before and after: what a run's bundle and its successor reach on the same clips."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.data.cache import ClipStore
from kwsembed.evaluation.judge import judge
from kwsembed.evaluation.scoring import bundle_scorer
from kwsembed.progress import ProgressLine
from kwsembed.runtime import Detector
from kwsembed.training.data import TrainingData

_FIGURES = ("average_precision", "error", "misses", "events", "false_alarms", "hours")


def judge_bundle(bundle: Bundle, data: TrainingData) -> dict[str, dict[str, Any]]:
    """Metrics of a bundle at its own thresholds on the validation and test clips of its data, by split."""
    scorer = bundle_scorer(bundle)
    bias = bundle.clip_bias if bundle.clip_bias is not None else np.zeros(len(bundle.labels))
    return {
        split: judge(
            scorer,
            data.audio(split),
            post=bundle.post,
            progress=ProgressLine(f"the old bundle on {split}", unit="clips"),
        ).metrics(bundle.operating_points, bias)
        for split in ("validation", "test")
        if len(data.clips_of(split))
    }


def before_and_after(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any] | None]
) -> list[dict[str, Any]]:
    """One row per split and label, `_before` and `_after` for each figure; None where there is none."""
    rows = []
    for split in ("validation", "test"):
        now, then = after.get(split) or {}, before.get(split) or {}
        for label, values in (now.get("per_class") or {}).items():
            row: dict[str, Any] = {"split": split, "label": label}
            for figure in _FIGURES:
                row[f"{figure}_before"] = (then.get("per_class") or {}).get(label, {}).get(figure)
                row[f"{figure}_after"] = values.get(figure)
            rows.append(row)
    return rows


def table_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def table_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as lines for the terminal, `before -> after` in each column."""
    width = max(len("label"), *(len(row["label"]) for row in rows))
    yield (
        f"{'split':<10}  {'label':<{width}}  {'average precision':>17}  {'clips mistaken':>15}  "
        f"{'misses':>16}  {'false alarms':>22}"
    )
    for row in rows:
        precision = _change(row, "average_precision", ".3f")
        error = _change(row, "error", ".1%")
        misses = _of(_change(row, "misses", "d"), row["events_after"], "of {:d}")
        alarms = _of(_change(row, "false_alarms", "d"), row["hours_after"], "in {:.2f} h")
        yield (
            f"{row['split']:<10}  {row['label']:<{width}}  {precision:>17}  {error:>15}  "
            f"{misses:>16}  {alarms:>22}"
        )


def _change(row: Mapping[str, Any], figure: str, form: str) -> str:
    values = [row[f"{figure}_before"], row[f"{figure}_after"]]
    if values == [None, None]:
        return "-"
    return " -> ".join("-" if value is None else format(value, form) for value in values)


def _of(change: str, whole: float | None, form: str) -> str:
    if whole is None:
        return "-"
    return f"{change} {form.format(whole)}" if whole else "-"


def fires_on(bundle: Bundle, store: ClipStore, clips: Sequence[int]) -> int:
    """In how many clips the bundle's detector reports anything."""
    detector, count = Detector(bundle, bundle.sample_rate_hz), 0
    for index in clips:
        found = detector.process(store.waveform(int(index)))
        count += bool(found + detector.flush())
    return count
