"""The tuner: keras-tuner's loop over trials, each of which is a training of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras_tuner

from kwsembed.tuning.distribution import WORKER
from kwsembed.tuning.oracle import ResumableOracle, folder_of
from kwsembed.tuning.search_folder import COMPLETED, SearchFolder, Trial

RunTrial = Callable[[int, dict[str, float | str]], Trial]
"""From a trial's number and values to what it reached."""


class DeploymentTuner(keras_tuner.Tuner):
    """Runs trials until the oracle, here or at the chief, has no more.

    Args:
        oracle: Proposes trials; in a worker it is replaced by the chief's.
        folder: The search.
        role: See `kwsembed.tuning.distribution`.
        run: Trains and judges one trial, or finds it finished.
    """

    def __init__(self, oracle: ResumableOracle, *, folder: SearchFolder, role: str, run: RunTrial) -> None:
        self._role = role
        self._run = run
        # keras-tuner reloads the state of a tuner by its ID, so a search that went on under another ID would
        # start anew over the old files; ours belongs to the folder.
        super().__init__(oracle, overwrite=False, **folder_of(folder.root))
        if role != WORKER and oracle.saved:
            oracle.reload()

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Trains and judges one trial; one that diverged gets 0, and `on_trial_end` marks it."""
        try:
            result = self._run(int(trial.trial_id), dict(trial.hyperparameters.values))
        except Exception as error:
            # keras-tuner would take any fault for a bad trial and go on; ours must be seen.
            raise keras_tuner.errors.FatalError(str(error)) from error
        self._result = result
        return {
            name: getattr(result, name) or 0.0 for name in ("objective", "recall", "macro_average_precision")
        }

    def on_trial_end(self, trial: Any) -> None:
        """Tells the oracle how the trial ended."""
        if self._result.status != COMPLETED:
            trial.status = "FAILED"
            trial.message = self._result.message
        super().on_trial_end(trial)

    def on_search_begin(self) -> None:
        """Saves the state, so that a process killed in its first trial leaves one."""
        self.save()

    def save(self) -> None:
        """Saves the oracle, which is all the state there is; in a worker it is the chief's."""
        if self._role != WORKER:
            self.oracle.save()
