"""What the cells of a study add up to: means with intervals, and how contenders differ."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.clip_scores import probabilities_of
from kwsembed.comparison import bootstrap
from kwsembed.comparison.bootstrap import CellDraws, GroupDraws
from kwsembed.comparison.clips import JudgedClips, read_judged_clips
from kwsembed.comparison.contender import YARDSTICK
from kwsembed.comparison.differences import Key, adjusted, difference, pairs_asked_for, rates_of_all
from kwsembed.comparison.standing import Difference, Missed, Standing, Statistics
from kwsembed.comparison.stream_misses import misses_under
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.errors import RunError
from kwsembed.report.intervals import Interval, proportion_interval


def statistics_of(folder: StudyFolder, *, resamples: int | None = None, seed: int = 0) -> Statistics | None:
    """Statistics from the cells that are there; None while there are none.

    Args:
        folder: The study; its clips.csv must be there.
        resamples: Draws of the bootstrap; as many as the study's comparisons need if None.
        seed: Of the draws.

    Raises:
        RunError: A cell does not fit the clips of its fold.
    """
    records = [record for record in folder.records() if record["trial"] == 0]
    if not records:
        return None
    resamples = _enough_resamples(records) if resamples is None else resamples
    judged = read_judged_clips(folder.clips)
    folds = sorted({record["fold"] for record in records})
    test = {fold: _test_clips(folder, judged, fold) for fold in folds}
    groups = bootstrap.draw_groups(
        {fold: clips.groups for fold, clips in test.items()}, resamples=resamples, seed=seed
    )
    seeds = bootstrap.draw_seeds(
        {fold: [r["seed"] for r in records if r["fold"] == fold] for fold in folds},
        resamples=resamples,
        seed=seed,
    )
    labels, event_count = tuple(records[0]["labels"]), int(records[0]["event_count"])
    standings: dict[tuple[str, float], Standing] = {}
    against: dict[tuple[str, float], Difference] = {}
    pairs: list[Difference] = []
    ratios = sorted({record["ratio"] for record in records})
    for ratio in ratios:  # one after the other: draws of one imbalance are all that memory holds
        here = [record for record in records if record["ratio"] == ratio]
        cells: dict[str, dict[Key, CellDraws]] = {}
        for record in here:
            of_contender = cells.setdefault(record["contender"]["name"], {})
            if "failure" not in record:
                fold = record["fold"]
                of_contender[fold, record["seed"]] = _measured(folder, record, test[fold], groups[fold])
        for name in cells:
            own = [record for record in here if record["contender"]["name"] == name]
            standings[name, ratio] = _standing(own, cells[name], seeds, labels[:event_count])
            if name != YARDSTICK and YARDSTICK in cells:
                against[name, ratio] = difference(name, YARDSTICK, ratio, cells, seeds)
        pairs += [difference(a, b, ratio, cells, seeds) for a, b in pairs_asked_for(list(cells))]
    return Statistics(
        labels=labels,
        event_count=event_count,
        ratios=tuple(ratios),
        folds=tuple(folds),
        seeds=tuple(sorted({record["seed"] for record in records})),
        standings=standings,
        against_yardstick=adjusted(against),
        pairs=tuple(pairs),
        groups=len({group for clips in test.values() for group in clips.groups}),
        trainings=len(records),
    )


def _enough_resamples(records: Sequence[Mapping[str, Any]]) -> int:
    """So many that the least p-value there is can hold after Holm's correction for all comparisons."""
    compared = {(r["contender"]["name"], r["ratio"]) for r in records}
    comparisons = sum(name != YARDSTICK for name, _ in compared)
    return max(bootstrap.RESAMPLES, bootstrap.RESAMPLES_PER_COMPARISON * comparisons)


def _test_clips(folder: StudyFolder, judged: Mapping[Any, JudgedClips], fold: int) -> JudgedClips:
    if (fold, "test") not in judged:
        raise RunError(
            f"the study does not say which clips fold {fold} tests",
            where=folder.clips,
            fix="run the command of the study again; finished cells are kept",
        )
    return judged[fold, "test"]


def clip_probabilities(folder: StudyFolder, record: Mapping[str, Any], clips: JudgedClips) -> np.ndarray:
    """`(clips, labels)` probabilities of a cell's test clips.

    Raises:
        RunError: The cell holds another number of clips.
    """
    path, arrays = _evidence_file(folder, record), _evidence(folder, record)
    evidence, bias = arrays["test_evidence"].astype(np.float64), arrays["bias"]
    if len(evidence) != len(clips.names):
        raise RunError(
            "a cell was judged on other clips than the study lists",
            expected=f"{len(clips.names)} clips",
            received=f"{len(evidence)} clips",
            where=path,
            fix="remove this cell's files and run the command of the study again",
        )
    return probabilities_of(evidence, bias=bias)


def _measured(
    folder: StudyFolder, record: Mapping[str, Any], clips: JudgedClips, draws: GroupDraws
) -> CellDraws:
    classes, event_count = clips.classes(record["labels"]), record["event_count"]
    found = bootstrap.measured(
        clip_probabilities(folder, record, clips), classes, draws, event_count=event_count
    )
    misses = misses_under(_evidence(folder, record), classes, draws, event_count=event_count)
    return replace(found, misses=misses)


def _evidence_file(folder: StudyFolder, record: Mapping[str, Any]) -> Path:
    return folder.cells / f"{record['name']}.npz"


def _evidence(folder: StudyFolder, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a cell's clips were given, by name."""
    path = _evidence_file(folder, record)
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in {"test_evidence", "bias", *arrays.files}}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(
            "what a cell gave its clips cannot be read",
            received=f"{type(error).__name__}: {error}",
            where=path,
            fix="remove this cell's files, .json and .npz, and run the command of the study again",
        ) from None


def _standing(
    records: Sequence[Mapping[str, Any]],
    cells: Mapping[Key, CellDraws],
    seeds: Mapping[Key, np.ndarray],
    event_labels: Sequence[str],
) -> Standing:
    counts = [seeds[key] for key in cells]

    def interval(values: list[np.ndarray]) -> Interval | None:
        return bootstrap.interval_of(bootstrap.mean_over_cells(values, counts)) if values else None

    spreads = [record["spread"] for record in records if "spread" in record]
    contender = records[0]["contender"]
    return Standing(
        contender=contender["name"],
        ratio=records[0]["ratio"],
        cells=len(cells),
        failures=tuple(record["failure"] for record in records if "failure" in record),
        precision=interval([cell.macro_average_precision for cell in cells.values()]),
        error=interval([cell.balanced_error for cell in cells.values()]),
        error_without_bias=_mean([(r.get("test") or {}).get("balanced_error_without_bias") for r in records]),
        per_class={
            label: interval([cell.average_precision[:, index] for cell in cells.values()])
            for index, label in enumerate(event_labels)
        },
        missed=_missed(records, event_labels),
        missed_at={
            rate: found
            for rate in rates_of_all(cells.values())
            if (found := interval([cell.misses[rate] for cell in cells.values()])) is not None
        },
        effective_rank=_mean([spread["effective_rank"] for spread in spreads]),
        within=_mean([_mean(list(spread["within"].values())) for spread in spreads]),
        between=_mean([spread["between"] for spread in spreads]),
        cpu_s=_mean([record["cpu_s"] for record in records]) or 0.0,
        settings={key: contender[key] for key in ("pretrain", "rebalance", "learning_rate_factor")},
    )


def _missed(records: Sequence[Mapping[str, Any]], event_labels: Sequence[str]) -> Missed | None:
    measured = [
        (record["fold"], label, record["test"]["per_class"][label])
        for record in records
        for label in event_labels
        if (record.get("test") or {}).get("per_class", {}).get(label, {}).get("miss_rate") is not None
    ]
    if not measured:
        return None
    events = {(fold, label): values["events"] for fold, label, values in measured}
    share = sum(v["misses"] for _, _, v in measured) / sum(v["events"] for _, _, v in measured)
    total = sum(events.values())
    hours = {label: sum(v["hours"] for _, of, v in measured if of == label) for label in event_labels}
    alarms = {label: sum(v["false_alarms"] for _, of, v in measured if of == label) for label in event_labels}
    rates = [alarms[label] / hours[label] for label in event_labels if hours[label] > 0]
    wilson = proportion_interval(round(share * total), total)
    return Missed(
        Interval(share, min(wilson.low, share), max(wilson.high, share)), total, sum(rates) if rates else None
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
