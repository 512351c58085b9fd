"""Checkpoints once an epoch, from which a killed stage goes on as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from kwsembed import atomic
from kwsembed.training.variables_file import load_variables, save_variables

_STATE = "state.npz"
_HISTORY = "history.json"
_SPENT = "spent_s.json"


class EpochCheckpoint(keras.callbacks.Callback):
    """Saves weights, optimiser state, history and time after every epoch, as one folder that appears whole.

    Args:
        folder: Folder of the stage; it gets one subfolder `0007` for the state after seven epochs.
        carried: Variables to save besides those of the model and its optimiser.
    """

    def __init__(self, folder: Path, carried: Sequence[keras.Variable] = ()) -> None:
        super().__init__()
        self._folder = folder
        self._carried = carried
        self.history: list[dict[str, float]] = []
        self._spent_before_s: float | None = 0.0
        self._since_s = time.monotonic()

    def restore(self, model: keras.Model) -> int:
        """Loads the newest checkpoint into a compiled model and its optimiser, which has its variables.

        Returns:
            How many epochs are finished.
        """
        found = _finished_epochs(self._folder)
        if not found:
            return 0
        self._spent_before_s = spent_s(self._folder)
        load_variables(found[-1] / _STATE, [*_state_of(model), *self._carried])
        self.history = json.loads((found[-1] / _HISTORY).read_text(encoding="utf-8"))
        return int(found[-1].name)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._since_s = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the checkpoint, then drops the one before."""
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        with atomic.replacing_folder(self._folder / f"{epoch + 1:04d}") as temporary:
            save_variables(temporary / _STATE, [*_state_of(self.model), *self._carried])
            (temporary / _HISTORY).write_text(json.dumps(self.history), encoding="utf-8")
            now_s = time.monotonic() - self._since_s
            spent = None if self._spent_before_s is None else self._spent_before_s + now_s
            (temporary / _SPENT).write_text(json.dumps(spent), encoding="utf-8")
        for older in _finished_epochs(self._folder):
            if int(older.name) <= epoch:
                shutil.rmtree(older)


def spent_s(folder: Path) -> float | None:
    """Seconds of training in the newest checkpoint of a stage, over all sittings; 0 without a checkpoint.

    What a killed sitting did after its last checkpoint is in no network, and not counted. None where the
    checkpoint was begun by a version that kept no time.
    """
    found = _finished_epochs(folder)
    if not found:
        return 0.0
    path = found[-1] / _SPENT
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _finished_epochs(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]"))


def _state_of(model: keras.Model) -> list[keras.Variable]:
    """All that the next step depends on: weights and tables of the model, and the optimiser's state."""
    return [*model.variables, *model.optimizer.variables]
