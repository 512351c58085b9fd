"""The folder of a study: what belongs where, what may be gone on with, and the records of its cells."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kwsembed import atomic
from kwsembed.comparison.contender import OVERRIDDEN, Contender
from kwsembed.comparison.study import Cell, StudyPlan
from kwsembed.comparison.trained_options import refuse_other_options
from kwsembed.config import TrainConfig
from kwsembed.errors import RunError
from kwsembed.training.same_teacher import refuse_another

_TEACHER, _TAUGHT = "teacher", "taught"
_TAUGHT_WEIGHT, _UNLABELLED = f"config.{_TAUGHT}.weight", f"config.{_TAUGHT}.unlabelled"


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
        self.unlabelled = self.root / "unlabelled.json"
        self.results = self.root / "results.csv"
        self.page = self.root / "report.html"
        self._unfinished = self.root / "unfinished"

    def check(
        self,
        plan: StudyPlan,
        *,
        teacher: dict[str, str] | None = None,
        training: dict[str, str] | None = None,
    ) -> None:
        """Checks that what the folder holds can be gone on with, and writes nothing.

        A study may be given more contenders, a teacher, ratios, folds or seeds later; not other data or
        settings.

        Args:
            plan: The study.
            teacher: File and SHA-256 of the model that some contenders imitate; None if none does.
            training: By fold the digest of its training clips.

        Raises:
            RunError: The folder holds something else, or a study that differs in more than its extent, or
                the teacher's file is another one than before, or a method's default has changed since, or
                training clips have.
        """
        now = _lasting(plan)
        known = self.description()
        if known:
            # A setting that the version of then did not know stood where that version had it.
            earlier = {**_flat({"config": TrainConfig.recorded({}).to_dict()}), **_flat(known["settings"])}
            asked = {**_flat({"config": TrainConfig().to_dict()}), **_flat(now)}
            # Where the teacher lies does not matter, and one may join later: its file is compared below.
            left_out = {f"config.{name}" for name in (*OVERRIDDEN, _TEACHER)}
            compared = (earlier.keys() | asked.keys()) - left_out
            # Nor need it be said again, or before any contender does it, how some are taught by it.
            if not (earlier[_TAUGHT_WEIGHT] and asked[_TAUGHT_WEIGHT]):
                compared -= {name for name in compared if name.startswith(f"config.{_TAUGHT}.")}
            for values in (earlier, asked):  # nor where recordings without labels lie: their checksum is kept
                values[_UNLABELLED] = bool(values[_UNLABELLED])
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
            before = known.get("training_clips", {})
            for fold, digest in (training or {}).items():
                if before.get(fold, digest) != digest:
                    raise RunError(
                        f"the training clips of fold {fold} are others than when the study began",
                        expected=f"SHA-256 {before[fold][:12]}... of their names, labels and groups",
                        received=f"{digest[:12]}...",
                        where=self.plan,
                        fix="bring the data back as they were, or choose another --out",
                    )
        elif self.root.exists() and any(self.root.iterdir()):
            raise RunError(
                "the output folder is not empty and holds no study",
                received=f"out={self.root}",
                fix="choose an empty or new folder for --out",
            )

    def claim(
        self,
        plan: StudyPlan,
        *,
        command: str | None = None,
        versions: dict[str, str] | None = None,
        teacher: dict[str, str] | None = None,
        training: dict[str, str] | None = None,
    ) -> None:
        """Makes the folder, or notes that what it holds is gone on with, if that can be.

        Args:
            plan: The study.
            command: What it was called with; kept, sitting by sitting.
            versions: Of the packages in use; kept with it.
            teacher: As in `check`.
            training: As in `check`.

        Raises:
            RunError: As `check`.
        """
        self.check(plan, teacher=teacher, training=training)
        known = self.description()
        teacher = teacher or known.get("teacher")
        training = {**known.get("training_clips", {}), **(training or {})}
        self.cells.mkdir(parents=True, exist_ok=True)
        sittings = known.get("sittings", [])
        settings = _lasting(plan)
        if known and not plan.config.teacher:
            settings["config"][_TEACHER] = known["settings"]["config"].get(_TEACHER, "")
        if known and not plan.config.taught.weight and _TAUGHT in known["settings"]["config"]:
            settings["config"][_TAUGHT] = known["settings"]["config"][_TAUGHT]
        sitting = {"command": command, "versions": versions or {}}
        if sitting not in sittings:
            sittings.append(sitting)
        described: dict[str, Any] = {
            "settings": settings,
            "extent": _extent(plan),
            "sittings": sittings,
        }
        if teacher:
            described["teacher"] = teacher
        if training:
            described["training_clips"] = training
        atomic.write_json(self.plan, described)

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
        return [{**_record(path), "name": path.stem} for path in paths]

    def settled(self) -> dict[str, Contender]:
        """By name the contenders that cells of the comparison were trained as, tuning included."""
        records = [record for record in self.records() if record["trial"] == 0]
        return {record["contender"]["name"]: Contender(**record["contender"]) for record in records}

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """The record of a finished cell, or None."""
        path = self.cells / f"{cell.name}.json"
        return _record(path) if path.exists() else None

    def work_of(self, cell: Cell) -> Path:
        """Where a cell keeps what it needs to go on, until its record is written."""
        return self._unfinished / cell.name

    def remove_work(self, cells: Iterable[Cell]) -> None:
        """Removes what finished cells left that were killed between writing their record and tidying up."""
        for cell in cells:
            shutil.rmtree(self.work_of(cell), ignore_errors=True)


def _record(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunError(
            "the record of a cell is damaged",
            received=f"{type(error).__name__}: {error}",
            where=path,
            fix="remove this cell's files and run the command of the study again",
        ) from None


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
