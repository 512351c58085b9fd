"""Compares remedies for imbalance on one's own data: from a plan to cells, a table and a page."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kwsembed.comparison.clips import (
    check_judged_clips,
    has_splits,
    judged_clips,
    record_judged_clips,
    training_digests,
)
from kwsembed.comparison.contender import DEFAULT_CONTENDERS, Contender, parse_contender
from kwsembed.comparison.plan_checks import check_plan, tell_unreached_ratios, tell_unused_settings
from kwsembed.comparison.processes import run_cells
from kwsembed.comparison.results import write_results
from kwsembed.comparison.study import WHOLE, Cell, StudyPlan
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore, build_cache, default_cache_dir
from kwsembed.data.surroundings import Surroundings
from kwsembed.data.unlabelled import Unlabelled, check_unlabelled
from kwsembed.manifest import Manifest, read_manifest
from kwsembed.progress import ProgressLine
from kwsembed.report.wording import counted
from kwsembed.sole_use import sole_use
from kwsembed.training.record import versions
from kwsembed.training.same_surroundings import check_same_surroundings
from kwsembed.training.teacher import teacher_record

Say = Callable[[str], None]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def compare(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    methods: Sequence[str] | None = None,
    ratios: Sequence[float] = (WHOLE,),
    folds: Sequence[int] | None = None,
    seeds: Sequence[int] = (0,),
    steps: int = 1600,
    trials: int = 1,
    streams: bool = True,
    background: Sequence[str] = (),
    config: TrainConfig | None = None,
    processes: int = 2,
    cache_dir: str | os.PathLike[str] | None = None,
    report_only: bool = False,
    command: str | None = None,
    say: Say = _say,
) -> Path:
    """Trains methods side by side and says what beats class weights; as `kwsembed compare DATA --out DIR`.

    A stopped study goes on where it was: a finished cell is never run again, one that was under way goes on
    from its last epoch. More methods, ratios, folds and seeds may be added later. Results are written from
    the cells that are there, also when it is interrupted.

    Args:
        data: Folder with a folder per class, or a CSV manifest.
        out: Folder of the study.
        methods: What to compare, class weights among them, written as `Contender` says; the best known ones
            if None.
        ratios: Background clips per clip of each event, reached by leaving out training events; 0 for the
            data as they are.
        folds: Folds that are tested in turn; all but 0 if None. Where the data have none, seeds of the split.
        seeds: Seeds; every method meets the same.
        steps: Budget of every method; a multiple of the schedule's `epoch_steps`.
        trials: Settings that are tried for each method on validation before the comparison.
        streams: Whether misses at the target of false alarms are measured, which takes longer.
        background: Further labels that are background.
        config: Settings that all methods share; the defaults if None.
        processes: Cells that run at a time, each on one core.
        cache_dir: Where decoded audio is kept; a folder in the user's cache if None.
        report_only: Trains nothing; writes the results of what is there.
        command: What the page shows as the command that made it.
        say: Receives lines for the user.

    Returns:
        The page to look at.

    Raises:
        ConfigError: A method, fold or number that cannot be used, or methods without class weights.
        DataError: The data cannot be trained on.
        RunError: `out` holds another study, or a process died.

    Example:
        >>> compare("sounds", "STUDY", ratios=[30, 100], seeds=[0, 1, 2])  # doctest: +SKIP
        PosixPath('STUDY/report.html')
    """
    manifest = read_manifest(data, background=background)
    plan = StudyPlan(
        data=str(data),
        contenders=tuple(dict.fromkeys(DEFAULT_CONTENDERS if methods is None else methods)),
        ratios=tuple(dict.fromkeys(float(ratio) for ratio in ratios)),
        folds=tuple(dict.fromkeys(_all_folds(manifest) if folds is None else folds)),
        seeds=tuple(dict.fromkeys(seeds)),
        steps=steps,
        trials=trials,
        streams=streams,
        background=tuple(background),
        # Cells have their own seed; here it would only keep seeds from being added.
        config=dataclasses.replace(config or TrainConfig(), seed=0),
    )
    check_plan(plan, manifest, processes=processes)
    tell_unused_settings(plan, say)
    return _run_study(
        plan,
        manifest,
        StudyFolder(out),
        teacher=_teacher(plan),
        processes=processes,
        cache_dir=str(cache_dir or default_cache_dir(data)),
        report_only=report_only,
        command=command,
        say=say,
    )


def _run_study(
    plan: StudyPlan,
    manifest: Manifest,
    folder: StudyFolder,
    *,
    teacher: dict[str, str] | None,
    processes: int,
    cache_dir: str,
    report_only: bool,
    command: str | None,
    say: Say,
) -> Path:
    # Once, here, so that processes find it done; and before the folder is claimed, so that data that cannot
    # be used leave nothing behind.
    store = build_cache(
        manifest,
        cache_dir=cache_dir,
        sample_rate_hz=plan.config.frontend.sample_rate_hz,
        progress=ProgressLine("decoding", unit="clips"),
    )
    surroundings = Surroundings.of(
        plan.config.augment,
        manifest,
        cache_dir=store.folder,
        sample_rate_hz=plan.config.frontend.sample_rate_hz,
        progress=ProgressLine("reading noise", unit="files"),
    )
    unlabelled = _unlabelled(plan, store)
    judged = judged_clips(manifest, store, plan.folds)
    training = training_digests(manifest, store, plan.folds)
    folder.check(plan, teacher=teacher, training=training)
    check_judged_clips(folder.clips, judged)
    begun = folder.plan.exists()
    if begun:  # before anything is written
        check_same_surroundings(folder.surroundings, surroundings)
        check_same_surroundings(folder.unlabelled, unlabelled)
    if begun and report_only:  # changes nothing that is planned, and may look at a study under way
        record_judged_clips(folder.clips, judged)
        return write_results(folder, say=say)
    folder.root.mkdir(parents=True, exist_ok=True)
    with sole_use(folder.root):
        folder.claim(plan, command=command, versions=versions(), teacher=teacher, training=training)
        check_same_surroundings(folder.surroundings, surroundings)
        check_same_surroundings(folder.unlabelled, unlabelled)
        record_judged_clips(folder.clips, judged)
        if not report_only:
            tell_unreached_ratios(plan, manifest, store, say)
            _run_cells_of(plan, folder, processes=processes, cache_dir=cache_dir, say=say)
        return write_results(folder, say=say)


def _unlabelled(plan: StudyPlan, store: ClipStore) -> Unlabelled | None:
    """The recordings without labels that some contenders hear, decoded; None if none does."""
    folder = plan.config.taught.unlabelled
    if not folder or not any(parse_contender(name).taught for name in plan.contenders):
        return None
    return Unlabelled.of(
        folder,
        store.clips,
        cache_dir=store.folder,
        sample_rate_hz=plan.config.frontend.sample_rate_hz,
        progress=ProgressLine("reading recordings without labels", unit="files"),
    )


def _run_cells_of(plan: StudyPlan, folder: StudyFolder, *, processes: int, cache_dir: str, say: Say) -> None:
    """Tunes and trains what is missing; after an error the results so far are written."""

    def run(cells: Sequence[Cell], title: str) -> None:
        run_cells(plan, folder, cells, processes=processes, cache_dir=cache_dir, title=title)

    try:
        tuned = _tune(plan, folder, run, say)
        say(
            f"{counted(plan.size, 'cell')} of {plan.steps} steps: {counted(len(plan.contenders), 'method')}, "
            f"{counted(len(plan.ratios), 'ratio')}, {counted(len(plan.folds), 'fold')}, "
            f"{counted(len(plan.seeds), 'seed')}"
        )
        run(list(plan.cells(tuned)), "comparing")
    except BaseException:
        _write_what_is_there(folder, say)
        raise


def _write_what_is_there(folder: StudyFolder, say: Say) -> None:
    """Writes results after an error, without hiding it behind another."""
    try:
        write_results(folder, say=say)
    except Exception as error:
        say(f"the results so far could not be written: {error}")


def _all_folds(manifest: Manifest) -> Sequence[int]:
    """All folds that may be tested, which fold 0 never is; one split where the data have none."""
    if has_splits(manifest):
        return (1,)
    return sorted({clip.fold for clip in manifest.clips if clip.fold}) or (1,)


def _teacher(plan: StudyPlan) -> dict[str, str] | None:
    """The teacher of those contenders that have one; what cannot be asked or heard is refused beforehand."""
    contenders = map(parse_contender, plan.contenders)
    learning = [one for one in contenders if one.pretrain or one.taught]
    configs = [one.config(plan.config, steps=plan.steps, seed=0) for one in learning]
    for folder in {config.taught.unlabelled for config in configs if config.taught.unlabelled}:
        check_unlabelled(folder)
    records = [teacher_record(config) for config in configs]
    return next((record for record in records if record is not None), None)


def _tune(
    plan: StudyPlan, folder: StudyFolder, run: Callable[[Sequence[Cell], str], None], say: Say
) -> dict[str, Contender]:
    """The settings with the highest macro average precision on validation, for each contender."""
    trials = plan.tuning_cells()
    if not trials:
        return {}
    # What finished cells were trained with stays, whatever seeds, ratios and folds are asked for now: others
    # would tune anew, and a name would stand for two settings.
    settled = folder.settled()
    trials = {name: column for name, column in trials.items() if name not in settled}
    if trials:
        say(f"tuning: {plan.trials} settings for each of {len(trials)} methods, chosen on validation")
        run([cell for column in zip(*trials.values(), strict=True) for cell in column], "tuning")
    return {**settled, **{name: _best(folder, column) for name, column in trials.items()}}


def _best(folder: StudyFolder, trials: Sequence[Cell]) -> Contender:
    def merit(cell: Cell) -> float:
        record: dict[str, Any] = folder.result(cell) or {}
        return (record.get("validation") or {}).get("macro_average_precision") or -1.0

    return max(trials, key=merit).contender
