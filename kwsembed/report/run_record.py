"""Reads a run directory into plain records, so that the rest of the report never meets a missing key."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.errors import RunError

_END_TO_END = "end_to_end"
_NAMES = {
    "pretrain": "pretraining",
    "companion": "companion, to learn from",
    "class_weighted": "class weights only",
    "frozen": "pretrained, frozen",
    _END_TO_END: "pretrained, end to end",
}


@dataclass(frozen=True)
class ClassFigures:
    """What was measured for one label in one split; None where it cannot be computed."""

    average_precision: float | None = None
    prevalence: float | None = None
    clips: int = 0
    error: float | None = None
    threshold: float | None = None
    target_false_alarms_per_hour: float | None = None
    false_alarms: int | None = None
    hours: float | None = None
    false_alarms_per_hour: float | None = None
    false_alarms_per_hour_upper: float | None = None
    certified: bool | None = None
    events: int | None = None
    misses: int | None = None
    miss_rate: float | None = None

    @property
    def is_certified(self) -> bool | None:
        """Whether the hours prove the target at 95 %; None where that was not measured."""
        if self.certified is not None or self.false_alarms_per_hour_upper is None:
            return self.certified
        target = self.target_false_alarms_per_hour
        return None if target is None else self.false_alarms_per_hour_upper <= target


@dataclass(frozen=True)
class Figures:
    """What was measured for one model in one split."""

    macro_average_precision: float | None
    balanced_error: float | None
    clips: int
    labels: tuple[str, ...]
    confusion: np.ndarray | None  # (true labels, predicted labels), clips
    per_class: Mapping[str, ClassFigures]

    def of(self, label: str) -> ClassFigures:
        """The figures of `label`, all of them empty where it was not measured."""
        return self.per_class.get(label, ClassFigures())


@dataclass(frozen=True)
class Predictions:
    """Clip scores of one model in one split."""

    names: tuple[str, ...]
    true_labels: np.ndarray  # (clips,) str
    scores: np.ndarray  # (clips, labels)
    clips: tuple[Mapping[str, str], ...]  # the data.csv row of each clip; empty where there is none


@dataclass(frozen=True)
class RunRecord:
    """Everything in a run directory that the report shows."""

    folder: Path
    metrics: Mapping[str, Any]
    labels: tuple[str, ...]
    event_labels: tuple[str, ...]
    variants: Mapping[str, Mapping[str, Figures | None]]  # variant, then split
    models: Mapping[str, Mapping[str, Figures | None]]  # "int8" and "float" of the chosen variant, then split
    history: Mapping[str, Mapping[str, list[tuple[float, float]]]]  # stage, metric, (epoch, value)
    predictions: Mapping[tuple[str, str], Predictions]  # (model, split)
    curves: Mapping[str, Mapping[str, Any]]  # label, split
    embeddings: Mapping[str, np.ndarray]
    data_rows: Sequence[Mapping[str, str]]  # of data.csv
    suspected_labels: Sequence[Mapping[str, str]]  # the most probable first
    config: str

    @property
    def chosen(self) -> str:
        """Name of the variant that was kept."""
        return str(self.metrics.get("chosen", {}).get("variant", ""))

    @property
    def pretrained_variants(self) -> tuple[str, ...]:
        """The variants that start from the pretrained weights."""
        without = {"class_weighted"}
        if self.metrics.get(_END_TO_END, {}).get("pretrained") is False:
            without.add(_END_TO_END)
        return tuple(variant for variant in self.variants if variant not in without)

    def name_of(self, stage: str) -> str:
        """A stage or variant as people call it: `end_to_end` is "pretrained, end to end", if it was."""
        if stage == _END_TO_END and stage in self.variants and stage not in self.pretrained_variants:
            return "end to end, not pretrained"
        return _NAMES.get(stage, stage.replace("_", " "))

    @property
    def split(self) -> str:
        """The split that conclusions rest on: test where there is one, else validation."""
        return "test" if self.models["int8"]["test"] is not None else "validation"

    @property
    def figures(self) -> Figures | None:
        """The int8 figures that conclusions rest on."""
        return self.models["int8"][self.split]


def read_run(folder: str | Path) -> RunRecord:
    """Reads `folder`; only metrics.json must be there, every other part may be missing.

    Raises:
        RunError: metrics.json is missing or unreadable.

    Example:
        >>> read_run("RUN").chosen  # doctest: +SKIP
        'end_to_end'
    """
    folder = Path(folder)
    metrics = _read_metrics(folder / "metrics.json")
    data = metrics.get("data", {})
    labels = tuple(data.get("labels", ()))
    chosen = metrics.get("chosen", {})
    int8 = chosen.get("int8") or {split: chosen.get(split) for split in ("validation", "test")}
    return RunRecord(
        folder=folder,
        metrics=metrics,
        labels=labels,
        event_labels=tuple(data.get("event_labels", ())),
        variants={name: _splits(value) for name, value in metrics.get("variants", {}).items() if value},
        models={"int8": _splits(int8), "float": _splits(chosen.get("float"))},
        history=_read_history(folder / "details" / "history.csv"),
        predictions=_read_predictions(folder, labels),
        curves=_read_json(folder / "details" / "curves.json"),
        embeddings=_read_embeddings(folder / "details" / "embeddings.npz"),
        data_rows=_rows(folder / "data.csv"),
        suspected_labels=_rows(folder / "details" / "suspected_labels.csv"),
        config=_read_text(folder / "config.toml"),
    )


def _read_metrics(path: Path) -> Mapping[str, Any]:
    fix = "give the folder that `kwsembed train --out` wrote"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(
            "there is no metrics.json, so this is no finished run", where=path.parent, fix=fix
        ) from None
    except (OSError, ValueError) as error:
        raise RunError(f"metrics.json cannot be read: {error}", where=path, fix=fix) from error
    if not isinstance(metrics, dict):
        raise RunError("metrics.json holds no table", expected="an object", where=path, fix=fix)
    return metrics


def _splits(value: Mapping[str, Any] | None) -> dict[str, Figures | None]:
    return {split: _figures((value or {}).get(split)) for split in ("validation", "test")}


def _figures(value: Mapping[str, Any] | None) -> Figures | None:
    if not value:
        return None
    known = {field.name for field in fields(ClassFigures)}
    confusion = value.get("confusion")
    return Figures(
        macro_average_precision=value.get("macro_average_precision"),
        balanced_error=value.get("balanced_error"),
        clips=int(value.get("clips") or 0),
        labels=tuple(value.get("labels", ())),
        confusion=np.asarray(confusion, dtype=np.int64) if confusion else None,
        per_class={
            label: ClassFigures(**{key: entry[key] for key in known & entry.keys()})
            for label, entry in value.get("per_class", {}).items()
        },
    )


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(_read_text(path) or "{}")


def _lines(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _rows(path: Path) -> list[dict[str, str]]:
    lines = _lines(path)
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def _read_history(path: Path) -> dict[str, dict[str, list[tuple[float, float]]]]:
    history: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in _rows(path):
        if row["value"] and row["epoch"]:
            points = history.setdefault(row["stage"], {}).setdefault(row["metric"], [])
            points.append((float(row["epoch"]), float(row["value"])))
    return history


def _read_predictions(folder: Path, labels: tuple[str, ...]) -> dict[tuple[str, str], Predictions]:
    # A long file may hold several events, so a path can come more than once: clips are matched in order.
    clips: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in _rows(folder / "data.csv"):
        clips.setdefault((row.get("split", ""), row["path"], row["label"]), []).append(row)
    # By position, not by name: a label may be called "path" or "model".
    grouped: dict[tuple[str, str], list[tuple[str, str, list[str]]]] = {}
    columns: list[int] = []
    for split, name, label, model, *scores in _lines(folder / "details" / "predictions.csv"):
        if not columns:
            columns = [scores.index(known) for known in labels]
            continue
        grouped.setdefault((model, split), []).append((name, label, [scores[column] for column in columns]))
    predictions = {}
    for (model, split), rows in grouped.items():
        seen: dict[tuple[str, str, str], int] = {}
        matched: list[Mapping[str, str]] = []
        for name, label, _ in rows:
            key = (split, name, label)
            candidates, position = clips.get(key, []), seen.get(key, 0)
            matched.append(candidates[position] if position < len(candidates) else {})
            seen[key] = position + 1
        predictions[model, split] = Predictions(
            names=tuple(name for name, _, _ in rows),
            true_labels=np.array([label for _, label, _ in rows]),
            scores=np.array([scores for _, _, scores in rows], dtype=np.float64),
            clips=tuple(matched),
        )
    return predictions


def _read_embeddings(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as arrays:  # never pickle: a run may come from a stranger
        return {name: arrays[name] for name in arrays.files}
