"""The folder of a search: what belongs where, what may be resumed, and the results of its trials."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kwsembed import atomic
from kwsembed.config import ScheduleConfig, TrainConfig
from kwsembed.errors import ConfigError, RunError
from kwsembed.manifest import Manifest, manifest_text
from kwsembed.training.run_directory import config_toml

COMPLETED = "completed"
FAILED = "failed"
BACKGROUND_LABELS = "background_labels"
"""Setting of a search that its data.csv does not tell."""
_FIGURES = ("objective", "recall", "macro_average_precision")


@dataclass(frozen=True)
class Trial:
    """A finished trial as the table has it.

    Attributes:
        number: 0 is the configuration that the search started from.
        status: `completed`, or `failed` if a network diverged.
        config: What was trained, its seed the first one.
        values: The searched settings; empty for trial 0.
        seconds: How long it took.
        message: Why it failed.
        objective: What is maximised; None if it failed.
        recall: Mean over event labels and seeds.
        macro_average_precision: Mean over seeds.
        recall_by_label: Mean over seeds.
        by_seed: For each seed its recall, average precision and judged variant.
    """

    number: int
    status: str
    config: TrainConfig
    values: dict[str, float | str]
    seconds: float
    message: str = ""
    objective: float | None = None
    recall: float | None = None
    macro_average_precision: float | None = None
    recall_by_label: dict[str, float] = field(default_factory=dict)
    by_seed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def merit(self) -> tuple[float, int]:
        """Sorts trials: the higher objective, the earlier one of equals."""
        return (-1.0 if self.objective is None else self.objective, -self.number)


class SearchFolder:
    """Paths of a search and the records of its trials.

    Args:
        root: The folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.search = self.root / "search.json"
        self.data = self.root / "data.csv"
        self.surroundings = self.root / "surroundings.json"
        self.unlabelled = self.root / "unlabelled.json"
        self.table = self.root / "results.csv"
        self.best = self.root / "best.toml"
        self.best_at_full_length = self.root / "best_at_full_length.toml"
        self.logs = self.root / "logs"

    def trial(self, number: int) -> Path:
        """Folder of a trial."""
        return self.root / "trials" / f"{number:04d}"

    def start(self, settings: dict[str, Any], manifest: Manifest) -> None:
        """Claims the folder for these settings and data, after `check`."""
        if self.check(settings, manifest):
            return
        atomic.write_text(self.data, manifest_text(manifest))
        # Last, since it marks the folder as a search.
        atomic.write_json(self.search, settings)

    def check(self, settings: dict[str, Any], manifest: Manifest) -> bool:
        """Whether an earlier call claimed the folder, with the same settings and data; nothing is written.

        Raises:
            RunError: The folder holds something else, or another search, or a damaged one.
        """
        # A chief and its workers start at once. Listed first: what another one adds later belongs to a
        # search that is seen below; its unfinished files begin with a dot.
        found = os.listdir(self.root) if self.root.exists() else []
        if self.search.exists():
            self._check_same(settings, manifest)
            return True
        if {name for name in found if not name.startswith(".")} - {self.data.name, self.search.name}:
            raise RunError(
                "the output folder is not empty and holds no search",
                received=f"out={self.root}",
                fix="choose an empty or new folder for --out",
            )
        return False

    def _check_same(self, settings: dict[str, Any], manifest: Manifest) -> None:
        try:
            kept = json.loads(self.search.read_text(encoding="utf-8"))
            # What an older version did not write down is what it did.
            before = _flat_json({**kept, "config": TrainConfig.recorded(kept["config"]).to_dict()})
        except (ValueError, AttributeError, KeyError, TypeError, ConfigError) as error:
            raise _damaged("the description of the search", self.search, error) from None
        now = _flat_json(settings)
        if BACKGROUND_LABELS not in before:
            now.pop(BACKGROUND_LABELS, None)  # begun by a version that did not note them
        changed = [name for name in {**now, **before} if before.get(name) != now.get(name)]
        if changed:
            raise RunError(
                "this search was started with other settings, so it cannot go on",
                expected=f"{changed[0]}={before.get(changed[0])}",
                received=f"{changed[0]}={now.get(changed[0])}",
                where=self.search,
                fix="give the same options as before, or choose another --out",
            )
        if self.data.read_text(encoding="utf-8").splitlines() != manifest_text(manifest).splitlines():
            raise RunError(
                "this search was started with other data, so it cannot go on",
                where=self.data,
                fix="give the same data as before, or choose another --out",
            )

    def write_trial(self, trial: Trial) -> None:
        """Records a finished trial."""
        record = {**dataclasses.asdict(trial), "config": trial.config.to_dict()}
        atomic.write_json(self.trial(trial.number) / "result.json", record)

    def read_trial(self, number: int) -> Trial | None:
        """A finished trial, or None.

        Raises:
            RunError: Its record is damaged.
        """
        path = self.trial(number) / "result.json"
        if not path.exists():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            return Trial(**{**record, "config": TrainConfig.recorded(record["config"])})
        except (ValueError, KeyError, TypeError, ConfigError) as error:
            raise _damaged(f"the record of trial {number}", path, error) from None

    def read_trials(self) -> list[Trial]:
        """All finished trials, by number."""
        folders = sorted((self.root / "trials").glob("[0-9]*"))
        found = [self.read_trial(int(folder.name)) for folder in folders]
        return [trial for trial in found if trial is not None]

    def write_results(self, trials: Sequence[Trial], *, unshortened: TrainConfig) -> None:
        """Writes the table, best first, and the best configuration.

        Args:
            trials: Finished trials.
            unshortened: What the search started from, with its full schedule.
        """
        atomic.write_text(self.table, table_text(trials))
        completed = [trial for trial in trials if trial.status == COMPLETED]
        if not completed:
            return
        best = max(completed, key=lambda trial: trial.merit)
        headline = (
            f"# Trial {best.number}, the best of {len(completed)} on validation: recall {best.recall:.4f}, "
            f"macro average precision {best.macro_average_precision:.4f} (seeds: {len(best.by_seed)}).\n"
        )
        full = dataclasses.replace(
            best.config, schedule=_with_epochs_of(best.config.schedule, unshortened.schedule)
        )
        atomic.write_text(
            self.best,
            f"{headline}# Trained with its first seed, it gives that seed's figures again.\n\n"
            f"{config_toml(best.config)}",
        )
        if full != best.config:
            atomic.write_text(
                self.best_at_full_length,
                headline
                + "# The trial's schedule was shorter (best.toml); with this full one: not measured.\n\n"
                + config_toml(full),
            )


def table_text(trials: Sequence[Trial]) -> str:
    """The trials as CSV, best first; a setting that does not apply to a trial is left empty.

    Example:
        >>> print(table_text([Trial(0, "failed", TrainConfig(), {}, 1.5, "it diverged")]), end="")
        trial,status,objective,recall,macro_average_precision,recall_by_seed,seconds,message
        0,failed,,,,,1.5,it diverged
    """
    settings = list(dict.fromkeys(name for trial in trials for name in trial.values))
    labels = list(dict.fromkeys(label for trial in trials for label in trial.recall_by_label))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    recalls = [f"recall.{label}" for label in labels]
    writer.writerow(
        ["trial", "status", *_FIGURES, *recalls, "recall_by_seed", *settings, "seconds", "message"]
    )
    for trial in sorted(trials, key=lambda trial: trial.merit, reverse=True):
        writer.writerow(
            [
                trial.number,
                trial.status,
                *(_digits(getattr(trial, name)) for name in _FIGURES),
                *(_digits(trial.recall_by_label.get(label)) for label in labels),
                " ".join(f"{figures['recall']:.4f}" for figures in trial.by_seed.values()),
                *(_digits(trial.values.get(name)) for name in settings),
                f"{trial.seconds:.1f}",
                trial.message,
            ]
        )
    return out.getvalue()


def _digits(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.6g}"


def _damaged(what: str, path: Path, error: Exception) -> RunError:
    return RunError(
        f"{what} is damaged",
        received=f"{type(error).__name__}: {error}",
        where=path,
        fix="restore the file, or choose another --out",
    )


def _flat_json(values: dict[str, Any]) -> dict[str, Any]:
    """The values as JSON keeps them, where tuples are lists."""
    return _flat(json.loads(json.dumps(values)))


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted name, without nesting."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _with_epochs_of(schedule: ScheduleConfig, full: ScheduleConfig) -> ScheduleConfig:
    names = [entry.name for entry in dataclasses.fields(full) if entry.name.endswith("_epochs")]
    return dataclasses.replace(schedule, **{name: getattr(full, name) for name in names})
