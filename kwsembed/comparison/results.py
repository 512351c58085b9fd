"""Results of a study: one tidy table of all cells, and the page that says what follows from them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kwsembed import atomic
from kwsembed.comparison.page import write_page
from kwsembed.comparison.study_folder import StudyFolder

COLUMNS = ("contender", "ratio", "fold", "seed", "trial", "split", "label", "metric", "value")

_OF_SPLIT = ("macro_average_precision", "balanced_error", "balanced_error_without_bias")
_OF_LABEL = (
    "average_precision",
    "prevalence",
    "error",
    "threshold",
    "miss_rate",
    "false_alarms_per_hour",
    "false_alarms_per_hour_upper",
)
_AT_RATES = "miss_rate_at_false_alarms_per_hour"


def tidy_rows(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """One row a number; see `COLUMNS`. `label` is empty for numbers of a cell; undefined are left out."""
    for record in records:
        key = (
            record["contender"]["name"],
            record["ratio"],
            record["fold"],
            record["seed"],
            record["trial"],
        )
        for split in ("validation", "test"):
            for label, metric, value in _numbers(record.get(split)):
                yield (*key, split, label, metric, value)
        spread = record.get("spread") or {}
        for metric in ("effective_rank", "between"):
            if metric in spread:
                yield (*key, "validation", "", metric, spread[metric])
        for label, value in (spread.get("within") or {}).items():
            if value is not None:
                yield (*key, "validation", label, "within", value)
        for label, count in record["counts"]["train"].items():
            yield (*key, "train", label, "clips", count["clips"])
        yield (*key, "train", "", "cpu_s", record["cpu_s"])
        yield (*key, "train", "", "failed", int("failure" in record))


def tidy_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `tidy_rows` below their `COLUMNS`, numbers to six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in tidy_rows(records):
        writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    return text.getvalue()


def _numbers(metrics: Mapping[str, Any] | None) -> Iterator[tuple[str, str, float]]:
    if not metrics:
        return
    for metric in _OF_SPLIT:
        if metrics.get(metric) is not None:
            yield "", metric, metrics[metric]
    for label, values in metrics["per_class"].items():
        for metric in _OF_LABEL:
            if values.get(metric) is not None:
                yield label, metric, values[metric]
        for rate, share in (values.get(_AT_RATES) or {}).items():
            yield label, f"miss_rate_at_{rate}_false_alarms_per_hour", share


def write_results(folder: StudyFolder, *, say: Callable[[str], None]) -> Path:
    """Writes results.csv and report.html from the finished cells, however few; returns the page's path.

    Args:
        folder: The study, claimed; its clips.csv tells which clips each fold tests.
        say: Receives lines for the user.

    Raises:
        RunError: A cell does not fit the clips of its fold.
    """
    atomic.write_text(folder.results, tidy_csv(folder.records()))
    page = write_page(folder, say=say)
    say(f"table: {folder.results}")
    say(f"report: {page}")
    return page
