"""What a search came to: its best trial, its table, and the command that trains the best one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kwsembed.config import TrainConfig
from kwsembed.errors import KwsembedError, RunError
from kwsembed.tuning.account import sentence
from kwsembed.tuning.distribution import CHIEF, WORKER
from kwsembed.tuning.search_folder import COMPLETED, SearchFolder, Trial


@dataclass(frozen=True)
class TuneResult:
    """What a search found.

    Attributes:
        out: Folder of the search, with `best.toml` and `results.csv`.
        trials: Finished trials by number, failed ones too.
        best: The completed trial with the highest objective.
    """

    out: Path
    trials: tuple[Trial, ...]
    best: Trial


def result_of(
    folder: SearchFolder, asked: TrainConfig, role: str, *, command: str, say: Callable[[str], None]
) -> TuneResult:
    """The finished trials and the best of them, which is told, and written unless by a worker.

    Args:
        folder: Of the search.
        asked: The configuration that the search began with, at full length.
        role: Of this process; see `kwsembed.tuning.distribution`.
        command: Trains the best one.
        say: Receives lines for the user.

    Raises:
        RunError: The workers' results are elsewhere.
        KwsembedError: No trial succeeded.
    """
    trials = folder.read_trials()
    completed = [trial for trial in trials if trial.status == COMPLETED]
    if not completed:
        if role == CHIEF and not trials:
            raise RunError(
                "the workers' results are not in the folder of the search",
                where=folder.root,
                fix="give chief and workers the same --out on a drive that all of them see",
            )
        raise KwsembedError(
            "no trial succeeded",
            received=f"{len(trials)} failed, the first: {trials[0].message if trials else 'none ran'}",
            fix="lower the learning rates in --config",
        )
    best = max(completed, key=lambda trial: trial.merit)
    if role != WORKER:
        folder.write_results(trials, unshortened=asked)
        say(f"best: {sentence(best)}")
        if best.number and trials[0].number == 0 and trials[0].status == COMPLETED:
            say(f"default: {sentence(trials[0])}")
        say(
            f"the best of {len(completed)} on one validation split looks better than it is; the test split, "
            "which was not looked at, tells:"
        )
        say(command)
    return TuneResult(folder.root, tuple(trials), best)


def train_command(
    data: str | os.PathLike[str],
    folder: SearchFolder,
    *,
    background: Sequence[str],
    test_folds: Sequence[int] | None,
    validation_folds: Sequence[int] | None,
) -> str:
    """The command that trains the best configuration on the same splits."""
    words = ["kwsembed", "train", str(data), "--out", "RUN", "--config", str(folder.best)]
    for label in background:
        words += ["--background", label]
    for option, folds in (("--test-folds", test_folds), ("--validation-folds", validation_folds)):
        if folds is not None:
            words += [option, ",".join(map(str, folds)) or "none"]
    return shlex.join(words)
