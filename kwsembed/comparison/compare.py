"""Runs the cells of a study over processes, goes on where it stopped, and writes the results."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from kwsembed.comparison.contender import YARDSTICK, Contender, parse_contender
from kwsembed.comparison.results import write_results
from kwsembed.comparison.study import Cell, StudyFolder, StudyPlan
from kwsembed.data.cache import build_cache, default_cache_dir
from kwsembed.errors import ConfigError
from kwsembed.manifest import assign_splits, read_manifest
from kwsembed.progress import ProgressLine

# TensorFlow keeps a few hundred megabytes of every network that was traced, until its process ends.
_CELLS_PER_PROCESS = 4


def compare(
    plan: StudyPlan,
    out: str | os.PathLike[str],
    *,
    processes: int = 2,
    cache_dir: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Runs what is missing of a study and writes its results; the same as `kwsembed compare DATA --out DIR`.

    A stopped study goes on where it was: a finished cell is never run again, one that was under way goes on
    from its last epoch. Results are written from the cells that are there, also when it is interrupted.

    Args:
        plan: What to compare.
        out: Folder of the study.
        processes: Cells that run at a time, each on one core.
        cache_dir: Where decoded audio is kept; a folder in the user's cache if None.
        say: Receives lines for the user; standard error if None.

    Returns:
        The page to look at.

    Raises:
        ConfigError: Contenders without the yardstick, or a plan without cells.
        RunError: `out` holds another study.

    Example:
        >>> plan = StudyPlan("sounds", ("class_weight", "clustering"), (100.0,), (5,), (0,), steps=1000)
        >>> compare(plan, "STUDY")  # doctest: +SKIP
    """
    say = say or (lambda line: print(line, file=sys.stderr, flush=True))
    _check(plan)
    manifest = read_manifest(plan.data, background=plan.background)
    for fold in plan.folds:
        has_folds = any(clip.fold is not None for clip in manifest.clips)
        assign_splits(manifest, test_folds=(fold,) if has_folds else None, seed=fold)  # refuses unknown folds
    folder = StudyFolder(out)
    folder.claim(plan)
    cache_dir = str(cache_dir or default_cache_dir(plan.data))
    # Once, here, so that processes find it done.
    build_cache(
        manifest,
        cache_dir=cache_dir,
        sample_rate_hz=plan.config.frontend.sample_rate_hz,
        progress=ProgressLine("decoding", unit="clips"),
    )
    try:
        tuned = _tune(plan, folder, processes, cache_dir, say)
        cells = list(plan.cells(tuned))
        say(
            f"{len(cells)} cells of {plan.steps} steps: {len(plan.contenders)} contenders, "
            f"{len(plan.ratios)} ratios, {len(plan.folds)} folds, {len(plan.seeds)} seeds"
        )
        _run(plan, folder, cells, processes, cache_dir, "comparing")
    finally:
        page = write_results(folder, say=say)
    return page


def _check(plan: StudyPlan) -> None:
    names = [parse_contender(name).name for name in plan.contenders]
    if YARDSTICK not in names:
        raise ConfigError(
            "class weights are what all others are compared with",
            expected=f"{YARDSTICK} among the methods",
            received=f"methods={', '.join(names)}",
        )
    for name, values in (("ratios", plan.ratios), ("folds", plan.folds), ("seeds", plan.seeds)):
        if not values:
            raise ConfigError(f"a study needs {name}", expected="one or more", received=f"{name}=")


def _tune(
    plan: StudyPlan, folder: StudyFolder, processes: int, cache_dir: str, say: Callable[[str], None]
) -> dict[str, Contender]:
    """The settings with the highest macro average precision on validation, for each contender."""
    trials = plan.tuning_cells()
    if not trials:
        return {}
    say(f"tuning: {plan.trials} settings for each of {len(trials)} contenders, chosen on validation")
    cells = [cell for column in zip(*trials.values(), strict=True) for cell in column]
    _run(plan, folder, cells, processes, cache_dir, "tuning")
    return {name: _best(folder, column) for name, column in trials.items()}


def _best(folder: StudyFolder, trials: Sequence[Cell]) -> Contender:
    def merit(cell: Cell) -> float:
        record: dict[str, Any] = folder.result(cell) or {}
        return (record.get("validation") or {}).get("macro_average_precision") or -1.0

    return max(trials, key=merit).contender


def _run(
    plan: StudyPlan, folder: StudyFolder, cells: Sequence[Cell], processes: int, cache_dir: str, title: str
) -> None:
    """Runs the cells that are missing, the order kept, `processes` at a time."""
    missing = [cell for cell in cells if folder.result(cell) is None]
    show = ProgressLine(title, unit="cells", every_s=60.0)
    done = len(cells) - len(missing)
    show(done, len(cells))
    if not missing:
        return
    # Fresh processes, since TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(processes, len(missing)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(plan, str(folder.root), cache_dir),
        max_tasks_per_child=_CELLS_PER_PROCESS,
    ) as pool:
        try:
            for _ in _finished(pool, missing):
                done += 1
                show(done, len(cells))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _finished(pool: ProcessPoolExecutor, cells: Sequence[Cell]) -> Iterator[None]:
    waiting: set[Future[None]] = {pool.submit(_run_cell, cell) for cell in cells}
    while waiting:
        ready, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in ready:
            future.result()
            yield


_runner: Any = None


def _start_worker(plan: StudyPlan, out: str, cache_dir: str) -> None:
    """Prepares a process for cells: one thread, since several cells run side by side."""
    global _runner
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from kwsembed.comparison.cell import CellRunner

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _runner = CellRunner(plan, StudyFolder(out), cache_dir=cache_dir)


def _run_cell(cell: Cell) -> None:
    _runner.run(cell)
