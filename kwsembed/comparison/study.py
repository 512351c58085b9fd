"""A study: which cells it consists of, and the folder that keeps them from one sitting to the next."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsembed import atomic
from kwsembed.comparison.contender import OVERRIDDEN, Contender, parse_contender
from kwsembed.comparison.trained_options import refuse_other_options
from kwsembed.comparison.trials import tuning_trials
from kwsembed.config import TrainConfig
from kwsembed.errors import RunError
from kwsembed.training.same_teacher import refuse_another

WHOLE = 0.0
"""Stands for data that are not thinned, where a ratio is expected."""


@dataclass(frozen=True)
class Cell:
    """One training: a contender under a ratio, on a fold, with a seed.

    Attributes:
        contender: What is trained.
        ratio: Background clips per clip of each event class; `WHOLE` for data as they are.
        fold: Fold that is tested; where the data have no folds, seed of their split.
        seed: Of weights, draws, and of which groups are kept.
        trial: 0 for a cell of the comparison; 1, 2, ... for one of the tuning before it.
    """

    contender: Contender
    ratio: float
    fold: int
    seed: int
    trial: int = 0

    @property
    def name(self) -> str:
        """Name of its files; different settings never share one."""
        word = "".join(c if c.isalnum() else "-" for c in self.contender.name)
        values = dataclasses.asdict(self.contender)
        for name in ("sublabels", "backwards", "pretrain_sampling", "even_groups", "distilled"):
            if not values[name]:
                del values[name]  # as cells were called before there was such a thing
        settings = json.dumps(values, sort_keys=True)
        ratio = "whole" if self.ratio == WHOLE else f"{self.ratio:g}"
        trial = f"-trial{self.trial}" if self.trial else ""
        return f"{word}-{zlib.crc32(settings.encode()):08x}-r{ratio}-f{self.fold}-s{self.seed}{trial}"


@dataclass(frozen=True)
class StudyPlan:
    """What a study compares.

    Attributes:
        data: Folder or manifest.
        contenders: Names; see `kwsembed.comparison.contender.Contender`.
        ratios: Imbalances.
        folds: Folds that are tested in turn.
        seeds: Seeds; every contender meets the same.
        steps: Budget of steps of every contender.
        trials: Settings that are tried for each contender before the comparison; 1 takes them as named.
        streams: Whether misses at the target of false alarms are measured, which takes longer.
        background: Further labels that are background.
        config: Settings that all contenders share.
    """

    data: str
    contenders: tuple[str, ...]
    ratios: tuple[float, ...]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    trials: int = 1
    streams: bool = True
    background: tuple[str, ...] = ()
    config: TrainConfig = dataclasses.field(default_factory=TrainConfig)

    @property
    def size(self) -> int:
        """How many cells the comparison has, those of the tuning not counted."""
        return len(self.contenders) * len(self.ratios) * len(self.folds) * len(self.seeds)

    def tuning_cells(self) -> dict[str, list[Cell]]:
        """For each contender one cell a trial: at the middle ratio, on the first fold, with their own seed.

        The fold's validation clips choose among them; its test clips are not looked at.
        """
        if self.trials < 2:
            return {}
        ratio = sorted(self.ratios)[len(self.ratios) // 2]
        seed = max(self.seeds) + 1000
        return {
            name: [
                Cell(contender, ratio, self.folds[0], seed, trial=number)
                for number, contender in enumerate(
                    tuning_trials(parse_contender(name), self.trials, seed=seed), start=1
                )
            ]
            for name in self.contenders
        }

    def cells(self, tuned: dict[str, Contender]) -> Iterator[Cell]:
        """The cells of the comparison, one replication of everything before the next.

        Args:
            tuned: The settings to use for a contender's name, where they are not the named ones.
        """
        for seed, fold in itertools.product(self.seeds, self.folds):
            for ratio, name in itertools.product(self.ratios, self.contenders):
                yield Cell(tuned.get(name) or parse_contender(name), ratio, fold, seed)


class StudyFolder:
    """The folder of a study.

    Args:
        root: Its path.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.cells = self.root / "cells"
        self.plan = self.root / "study.json"
        self.clips = self.root / "clips.csv"
        self.surroundings = self.root / "surroundings.json"
        self.results = self.root / "results.csv"
        self.page = self.root / "report.html"
        self._unfinished = self.root / "unfinished"

    def claim(
        self,
        plan: StudyPlan,
        *,
        command: str | None = None,
        versions: dict[str, str] | None = None,
        teacher: dict[str, str] | None = None,
    ) -> None:
        """Makes the folder, or checks that what it holds can be gone on with.

        A study may be given more contenders, ratios, folds or seeds later; not other data or settings.

        Args:
            plan: The study.
            command: What it was called with; kept, sitting by sitting.
            versions: Of the packages in use; kept with it.
            teacher: File and SHA-256 of the model that some contenders imitate; None if none does.

        Raises:
            RunError: The folder holds something else, or a study that differs in more than its extent, or
                the teacher's file is another one than before, or a method's default has changed since.
        """
        now = _lasting(plan)
        known = self.description()
        if known:
            # A setting that the version of then did not know stood where that version had it.
            earlier = {**_flat({"config": TrainConfig.recorded({}).to_dict()}), **_flat(known["settings"])}
            asked = {**_flat({"config": TrainConfig().to_dict()}), **_flat(now)}
            compared = (earlier.keys() | asked.keys()) - {f"config.{name}" for name in OVERRIDDEN}
            changed = sorted(name for name in compared if earlier.get(name) != asked.get(name))
            if changed:
                name = changed[0]
                raise RunError(
                    f"the folder holds a study with another {name}, whose cells cannot be compared",
                    expected=f"{name}={earlier.get(name)}",
                    received=f"{name}={asked.get(name)}",
                    where=self.plan,
                    fix="give the same settings, or choose another --out",
                )
            refuse_other_options(self.records(), where=self.cells)
            earlier_teacher = known.get("teacher")
            if teacher and earlier_teacher:
                refuse_another(earlier_teacher, teacher, where=self.plan)
            teacher = teacher or earlier_teacher
        elif self.root.exists() and any(self.root.iterdir()):
            raise RunError(
                "the output folder is not empty and holds no study",
                received=f"out={self.root}",
                fix="choose an empty or new folder for --out",
            )
        self.cells.mkdir(parents=True, exist_ok=True)
        sittings = known.get("sittings", [])
        sitting = {"command": command, "versions": versions or {}}
        if sitting not in sittings:
            sittings.append(sitting)
        described = {"settings": now, "extent": _extent(plan), "sittings": sittings}
        atomic.write_json(self.plan, {**described, "teacher": teacher} if teacher else described)

    def description(self) -> dict[str, Any]:
        """Content of study.json: settings, extent and sittings; empty where there is none.

        Raises:
            RunError: The file is damaged.
        """
        if not self.plan.exists():
            return {}
        try:
            found = json.loads(self.plan.read_text(encoding="utf-8"))
            return {"settings": found["settings"], "extent": found["extent"], **found}
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                "the description of the study is damaged",
                received=f"{type(error).__name__}: {error}",
                where=self.plan,
                fix="restore the file, or choose another --out",
            ) from None

    def records(self) -> list[dict[str, Any]]:
        """Records of all finished cells in the order of their names, each with its `name`."""
        # What a killed process began to write has a dot before its name.
        paths = sorted(path for path in self.cells.glob("*.json") if not path.name.startswith("."))
        return [{**json.loads(path.read_text(encoding="utf-8")), "name": path.stem} for path in paths]

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """The record of a finished cell, or None."""
        path = self.cells / f"{cell.name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def work_of(self, cell: Cell) -> Path:
        """Where a cell keeps what it needs to go on, until its record is written."""
        return self._unfinished / cell.name

    def remove_work(self, cells: Iterable[Cell]) -> None:
        """Removes what finished cells left that were killed between writing their record and tidying up."""
        for cell in cells:
            shutil.rmtree(self.work_of(cell), ignore_errors=True)


def _lasting(plan: StudyPlan) -> dict[str, Any]:
    """What two sittings of a study must share, in JSON's types."""
    values = {
        "data": plan.data,
        "steps": plan.steps,
        "trials": plan.trials,
        "background": plan.background,
        "config": plan.config.to_dict(),
    }
    return json.loads(json.dumps(values))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level, named like `config.schedule.batch_size`; tuples as lists, as in JSON."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = list(value) if isinstance(value, tuple) else value
    return found


def _extent(plan: StudyPlan) -> dict[str, Any]:
    return {
        "contenders": list(plan.contenders),
        "ratios": list(plan.ratios),
        "folds": list(plan.folds),
        "seeds": list(plan.seeds),
        "streams": plan.streams,
    }
