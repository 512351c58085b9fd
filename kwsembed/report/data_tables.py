"""Tables of what was trained on: clips, groups and hours, and what the batches were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kwsembed.report.run_record import RunRecord
from kwsembed.report.tables import Cell, Table, table
from kwsembed.report.wording import UNKNOWN, counted, decimal, hours, percent

SPLITS = ("train", "validation", "test")


def clips_table(run: RunRecord) -> Table:
    """Clips, groups and hours of each label in each split, with their sums."""
    splits: Mapping[str, Any] = run.metrics.get("data", {}).get("splits", {})
    present = [split for split in SPLITS if splits.get(split)]
    rows = [[label, *_counts([splits[split].get(label) for split in present])] for label in run.labels]
    sums = [
        {
            key: sum((entry or {}).get(key) or 0 for entry in splits[split].values())
            for key in ("clips", "groups", "hours")
        }
        for split in present
    ]
    rows.append([Cell("all", tone="strong"), *_counts(sums)])
    absent = [split for split in SPLITS if split not in present]
    note = "A group is one recording or speaker; no group is in two splits."
    if absent:
        note += f" There is no {' and no '.join(absent)} split."
    sublabels = run.metrics.get("data", {}).get("sublabels")
    if sublabels:
        note += (
            f" Training clips are divided further into {len(sublabels)} sublabels, which the "
            "end-to-end network learned to tell apart besides."
        )
    note += _surroundings(run.metrics.get("data", {}).get("surroundings") or {})
    return table(
        ["label", *["clips", "groups", "audio"] * len(present)],
        rows,
        groups=[("", 1), *((split, 3) for split in present)],
        note=note,
    )


def _surroundings(record: Mapping[str, Any]) -> str:
    """Which noise and rooms of the user's training clips were heard in, as further sentences."""
    text = ""
    if record.get("noise_files"):
        text += (
            f" Into training clips {counted(record['noise_files'], 'recording')} of noise "
            f"({hours(record['noise_hours'])}) were mixed, besides background of the training split."
        )
    if record.get("impulse_responses"):
        rooms = counted(record["impulse_responses"], "measured impulse response")
        text += f" The rooms that some of them were put in are {rooms}."
    return text


def _counts(entries: Sequence[Mapping[str, Any] | None]) -> list[Cell | str]:
    cells: list[Cell | str] = []
    for entry in entries:
        clips = (entry or {}).get("clips") or 0
        cells.append(Cell(f"{clips:,}", tone="" if clips else "bad"))
        cells.append(f"{entry['groups']:,}" if entry and entry.get("groups") is not None else UNKNOWN)
        cells.append(hours(entry.get("hours")) if entry and clips else UNKNOWN)
    return cells


def composition_table(run: RunRecord) -> Table | None:
    """Share of each label in the training clips and in the batches of each stage, and its class weight."""
    stages = {name: shares for name, shares in run.metrics.get("batch_composition", {}).items() if shares}
    weights: Mapping[str, float] = run.metrics.get("class_weights") or {}
    train = run.metrics.get("data", {}).get("splits", {}).get("train") or {}
    clips = {label: (train.get(label) or {}).get("clips") or 0 for label in run.labels}
    if not stages and not weights:
        return None
    columns: dict[str, Mapping[str, float]] = {
        "clips": {label: count / (sum(clips.values()) or 1) for label, count in clips.items()}
    }
    columns |= {run.name_of(stage): shares for stage, shares in stages.items()}
    in_loss = _share_in_loss(stages.get("class_weighted", {}), weights)
    rows: list[list[Cell | str]] = [
        [
            label,
            *(_share(shares.get(label)) for shares in columns.values()),
            *([decimal(weights.get(label), 2)] if weights else []),
            *([_share(in_loss.get(label))] if in_loss else []),
        ]
        for label in run.labels
    ]
    groups = [("", 1), ("", 1), ("share of the batches", len(stages))]
    headings = ["label", "share of clips", *list(columns)[1:]]
    if weights:
        headings.append("class weight")
        groups.append(("", 1))
    if in_loss:
        headings.append("share in the loss")
        groups.append(("", 1))
    note = ""
    if in_loss:
        note = "Share in the loss: share of the batches with class weights only, times the class weight."
    if run.metrics.get("rebalance"):
        note = f"{note} Frozen and end to end against imbalance: {run.metrics['rebalance']}.".lstrip()
    if run.metrics.get("end_to_end", {}).get("start"):
        note = f"{note} End to end starts {run.metrics['end_to_end']['start']}.".lstrip()
    if run.metrics.get("taught"):
        note = f"{note} {_taught(run.metrics['taught'])}".lstrip()
    return table(headings, rows, groups=groups, note=note)


def _share(value: float | None) -> Cell:
    return Cell(UNKNOWN) if value is None else Cell(percent(value, 1), share=min(1.0, max(0.0, value)))


def _share_in_loss(shares: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    weighted = {label: share * weights[label] for label, share in shares.items() if label in weights}
    total = sum(weighted.values())
    return {label: value / total for label, value in weighted.items()} if total else {}


def _taught(record: dict[str, Any]) -> str:
    """Who teaches the end-to-end network, and of what."""
    sentence = f"End to end is taught by a head on {record['teacher']}"
    if not record.get("unlabelled_files"):
        return f"{sentence}, of training windows."
    return (
        f"{sentence}, of training windows and of "
        f"{counted(record['unlabelled_files'], 'recording')} without labels, "
        f"{hours(record['unlabelled_hours'])}."
    )
