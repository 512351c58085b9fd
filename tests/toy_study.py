"""A study made in code: cells whose evidence is drawn, with the files that real ones have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.clip_scores import probabilities_of
from kwsembed.comparison.clips import JudgedClips, record_judged_clips
from kwsembed.comparison.stream_misses import miss_rates
from kwsembed.comparison.study import Cell, StudyPlan
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.evaluation.clip_metrics import clip_metrics

LABELS = ("dog", "siren", "noise")
EVENT_COUNT = 2
STRENGTHS = {"class_weight": 1.0, "none": 1.05, "clustering": 4.0, "clustering/frozen": 0.2, "siamese": 1.0}


def plan_of(
    *,
    contenders: Sequence[str] = tuple(STRENGTHS),
    ratios: Sequence[float] = (100.0,),
    folds: Sequence[int] = (1, 2),
    seeds: Sequence[int] = (0,),
    **other,
) -> StudyPlan:
    return StudyPlan(
        "sounds", tuple(contenders), tuple(ratios), tuple(folds), tuple(seeds), steps=200, **other
    )


def write_toy_study(
    root: Path,
    plan: StudyPlan,
    *,
    strengths: Mapping[str, float] = STRENGTHS,
    clips: Sequence[int] = (12, 12, 60),
    failing: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    streams: bool = False,
    effective_rank: float = 2.0,
) -> StudyFolder:
    """Writes a study.

    Args:
        root: Its folder.
        plan: What it compares.
        strengths: How clearly each contender tells labels apart; 0 is by chance.
        clips: Of each label in each split; two clips share a group.
        failing: Contenders whose first fold diverged.
        leave_out: Contenders whose cells are not there yet.
        streams: Whether misses in streams were measured: one of four of each event, one false alarm in 2 h.
        effective_rank: Of all embeddings.
    """
    folder = StudyFolder(root)
    folder.claim(plan, command="kwsembed compare sounds --out STUDY", versions={"numpy": "1.26.4"})
    classes = np.repeat(np.arange(len(LABELS)), clips)
    judged = {}
    for fold in plan.folds:
        for split in ("validation", "test"):
            names = tuple(f"{LABELS[c]}/{split}{fold}-{i}.wav" for i, c in enumerate(classes))
            groups = tuple(f"{split}{fold}-{i // 2}" for i in range(len(classes)))
            judged[fold, split] = JudgedClips(names, tuple(LABELS[c] for c in classes), groups)
    record_judged_clips(folder.clips, judged)
    for cell in plan.cells({}):
        name = cell.contender.name
        if name not in leave_out:
            strength = strengths[name]
            failed = name in failing and cell.fold == plan.folds[0]
            _write_cell(folder, cell, classes, strength, failed, streams, effective_rank)
    return folder


def _write_cell(
    folder: StudyFolder,
    cell: Cell,
    classes: np.ndarray,
    strength: float,
    failed: bool,
    streams: bool,
    effective_rank: float,
) -> None:
    # Every contender meets the same difficulties, as it does in truth.
    random = np.random.default_rng((cell.fold, cell.seed, int(cell.ratio)))
    bias = np.array([0.1, -0.1, 0.0])
    record = {
        "contender": dataclasses.asdict(cell.contender),
        "ratio": cell.ratio,
        "fold": cell.fold,
        "seed": cell.seed,
        "trial": cell.trial,
        "steps": 200,
        "labels": list(LABELS),
        "event_count": EVENT_COUNT,
        "counts": {"train": {label: {"clips": 5, "groups": 5, "hours": 0.1} for label in LABELS}},
        "wall_s": 2.0,
        "cpu_s": 1.5,
    }
    evidence = {}
    for split in ("validation", "test"):
        logits = random.normal(size=(len(classes), len(LABELS))) + strength * np.eye(len(LABELS))[classes]
        evidence[split] = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
        metrics = clip_metrics(
            probabilities_of(evidence[split].astype(np.float64), bias=bias),
            classes,
            labels=LABELS,
            event_count=EVENT_COUNT,
        )
        metrics["balanced_error_without_bias"] = metrics["balanced_error"]
        for label in LABELS[:EVENT_COUNT] if streams else ():
            metrics["per_class"][label] |= {
                "threshold": 0.9, "miss_rate": 0.25, "misses": 1, "events": 4,
                "false_alarms": 1, "hours": 2.0, "false_alarms_per_hour": 0.5,
            }  # fmt: skip
        record[split] = metrics
    record["spread"] = {
        "effective_rank": effective_rank,
        "within": dict.fromkeys(LABELS, 0.1) | {"noise": None},
        "between": 0.5 * strength,
    }
    if failed:
        for part in ("validation", "test", "spread"):
            del record[part]
        record["failure"] = "the loss is not finite"
    else:
        arrays = {f"{split}_evidence": values for split, values in evidence.items()}
        hits = _hits(record, evidence["test"], classes) if streams else {}
        np.savez_compressed(folder.cells / f"{cell.name}.npz", bias=bias, **arrays, **hits)
    atomic.write_json(folder.cells / f"{cell.name}.json", record)


def _hits(record: dict, evidence: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Event clips count as found where their label's evidence is high enough, at more alarms all the more."""
    own = evidence[np.arange(len(classes)), classes]
    hits = np.stack([own >= floor for floor in (-0.2, -0.6)]).astype(np.int8)
    hits[:, classes >= EVENT_COUNT] = -1
    arrays = {"rates_per_hour": np.array([3.0, 10.0]), "test_hits": hits}
    for index, label in enumerate(LABELS[:EVENT_COUNT]):
        rates = miss_rates(arrays, classes == index)
        record["test"]["per_class"][label]["miss_rate_at_false_alarms_per_hour"] = rates
    return arrays
