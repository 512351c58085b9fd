"""The run directory: where each artefact of a training run lies, and what a resumed run may build on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

import tomli_w

from kwsembed import atomic
from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError, RunError
from kwsembed.manifest import Manifest, manifest_text


class RunDirectory:
    """Paths of a run, its configuration, and the results of its finished stages.

    Args:
        root: Folder of the run.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.config = self.root / "config.toml"
        self.data = self.root / "data.csv"
        self.metrics = self.root / "metrics.json"
        self.model = self.root / "model.keras"
        self.report = self.root / "report.html"
        self.bundle = self.root / "bundle"
        self.checkpoints = self.root / "checkpoints"
        self.teacher = self.checkpoints / "teacher.json"
        self.surroundings = self.checkpoints / "surroundings.json"
        self.unlabelled = self.checkpoints / "unlabelled.json"
        self.logs = self.root / "logs"
        self.details = self.root / "details"

    def start(self, config: TrainConfig, manifest: Manifest, *, resume: bool) -> None:
        """Claims the folder for this configuration and data, after `check`."""
        if self.check(config, manifest, resume=resume):
            if TrainConfig.read(self.config, recorded=True).keep != config.keep:
                atomic.write_text(self.config, config_toml(config))
            return
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        atomic.write_text(self.data, manifest_text(manifest))
        # Last, since it marks the folder as a run.
        atomic.write_text(self.config, config_toml(config))

    def check(self, config: TrainConfig, manifest: Manifest, *, resume: bool) -> bool:
        """Whether the folder holds a run of this configuration and data already; nothing is written.

        Which variant is kept may change: nothing was trained for it.

        Raises:
            RunError: The folder holds a run and `resume` is False, holds something else, or its run had
                another configuration or other data.
        """
        if self.config.exists():
            if not resume:
                raise RunError(
                    "the output folder already holds a run",
                    received=f"out={self.root}",
                    fix="choose another --out, or go on with --resume",
                )
            earlier_config = _as_read_now(self.config, keep=config.keep)
            self._check_same(self.config, earlier_config, config_toml(config), "configuration")
            earlier = self.data.read_text(encoding="utf-8") if self.data.exists() else ""
            self._check_same(self.data, earlier, manifest_text(manifest), "data")
            return True
        if self.root.exists() and any(self.root.iterdir()) and not self.data.exists():
            raise RunError(
                "the output folder is not empty and holds no run",
                received=f"out={self.root}",
                fix="choose an empty or new folder for --out",
            )
        return False

    def _check_same(self, path: Path, earlier_text: str, text: str, what: str) -> None:
        earlier, now = earlier_text.splitlines(), text.splitlines()
        if earlier == now:
            return
        changed = next((pair for pair in zip(earlier, now, strict=False) if pair[0] != pair[1]), ("", ""))
        raise RunError(
            f"this run was started with another {what}, so it cannot be resumed",
            expected=changed[0] or f"{len(earlier)} lines",
            received=changed[1] or f"{len(now)} lines",
            where=path,
            fix="give the same options and data as before, or choose another --out",
        )

    def result(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage returned, or None if it has not finished."""
        path = self.checkpoints / f"{stage}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def finish(self, stage: str, result: dict[str, Any]) -> None:
        """Marks a stage as finished, with its result."""
        atomic.write_json(self.checkpoints / f"{stage}.json", result)

    def weights(self, stage: str) -> Path:
        """Where the final weights of a stage lie."""
        return self.checkpoints / f"{stage}.npz"

    def dynamics(self, stage: str) -> Path:
        """Where it is kept what a stage's network thought of its training clips, if it was watched."""
        return self.checkpoints / f"{stage}_dynamics.npz"

    def epochs(self, stage: str) -> Path:
        """Where the checkpoints of an unfinished stage lie."""
        return self.checkpoints / f"{stage}.epochs"

    def drop_checkpoints(self) -> None:
        """Removes the intermediate checkpoints of finished stages."""
        for folder in self.checkpoints.glob("*.epochs"):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_run(out: str | os.PathLike[str], *, prior: RunDirectory) -> Iterator[Path]:
    """Yields a temporary folder for a run made of another; it becomes `out` when the run is whole.

    Such a run takes minutes and is not resumed: ended half way, it leaves nothing in the way of the next.

    Raises:
        RunError: `out` is no new or empty folder, or is the run that it is made of.
        OSError: It cannot be written.
    """
    if not os.fspath(out):
        raise RunError("the output folder has no name", received="out=''", fix="name a new or empty folder")
    final = Path(os.path.realpath(out))
    if final == prior.root.resolve():
        raise RunError("a run is not overwritten by its successor", received=f"out={out}")
    _check_free(final, out)
    atomic.check_folder(out)
    for place in (final.parent, final):
        atomic.remove_leftovers(place, escape(final.name))
    with atomic.replacing_folder(out) as temporary:
        yield temporary
        _check_free(final, out)  # another process may have been faster


def _check_free(final: Path, out: str | os.PathLike[str]) -> None:
    if not final.exists() or atomic.is_empty(final):
        return
    run, fix = RunDirectory(final), "choose a new or empty folder for --out"
    what = "is not empty and holds no run"
    if run.config.exists():
        what = "already holds a run"
        if not run.metrics.exists():
            what, fix = "holds a run that was not finished", f"{fix}, or remove this one"
    raise RunError(f"the output folder {what}", received=f"out={out}", fix=fix)


def config_toml(config: TrainConfig) -> str:
    """The config as TOML, which `TrainConfig.read` reads back as it was."""
    return tomli_w.dumps(_without_tuples(config.to_dict()))


def _as_read_now(path: Path, *, keep: str) -> str:
    """A run's configuration, with settings that its version did not know as that version had them."""
    try:
        return config_toml(replace(TrainConfig.read(path, recorded=True), keep=keep))
    except ConfigError:  # damaged, or with settings that are no more: told by the line that differs
        return path.read_text(encoding="utf-8")


def _without_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_tuples(item) for key, item in value.items()}
    return [_without_tuples(item) for item in value] if isinstance(value, tuple | list) else value
