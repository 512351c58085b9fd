"""What proposes trials: keras-tuner's oracles, the default as trial 0, a state that survives a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras_tuner

from kwsembed import atomic
from kwsembed.errors import ConfigError
from kwsembed.methods import SEARCHES
from kwsembed.tuning.space import Choice, Setting

OBJECTIVE = "objective"
_FOLDER = "oracle"


def hyperparameters(space: Sequence[Setting]) -> keras_tuner.HyperParameters:
    """The settings in keras-tuner's terms; their values are the defaults.

    Example:
        >>> from kwsembed.tuning.space import Range
        >>> hyperparameters([Range("width", 1.0, 0.5, 2.0)]).values
        {'width': 1.0}
    """
    found = keras_tuner.HyperParameters()
    for setting in space:
        if isinstance(setting, Choice):
            found.Choice(setting.name, list(setting.values), default=setting.values[0])
            continue
        choice, value = setting.when or (None, None)
        found.Float(
            setting.name,
            setting.low,
            setting.high,
            sampling="log",
            default=setting.default,
            parent_name=choice,
            parent_values=None if value is None else [value],
        )
    return found


class ResumableOracle(keras_tuner.Oracle):
    """What both oracles add to keras-tuner's: trial 0 is the default, and nothing is lost or half written.

    Attributes:
        on_end: Called after a trial ended, whichever process ran it.
    """

    on_end: Callable[[], None] | None = None

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values of a new trial; of a random one they depend on the seed and its number alone."""
        number = int(trial_id)
        if number == 0:
            return {"status": "RUNNING", "values": dict(self.get_space().values)}
        # A stride beyond what one trial draws, collisions included.
        self._seed_state = self.seed * 1_000_003 + number * 10_007
        return super().populate_space(trial_id)

    def end_trial(self, trial: Any) -> None:
        """Records the end of a trial and says so."""
        super().end_trial(trial)
        # Outside keras-tuner's lock, which an error would leave locked for ever.
        if self.on_end is not None:
            self.on_end()

    def save(self) -> None:
        """Writes the state, whole or not at all."""
        atomic.write_text(self._path, json.dumps(self.get_state()))

    def _save_trial(self, trial: Any) -> None:
        path = self._path.parent / f"trial_{trial.trial_id}" / "trial.json"
        atomic.write_text(path, json.dumps(trial.get_state()))

    def reload(self) -> None:
        """Reads the state; what was running when the process ended is run again, the lowest number first."""
        super().reload()
        # keras-tuner's own list may name a trial that had just ended, or miss one that had just begun.
        running = [trial_id for trial_id, trial in self.trials.items() if trial.status == "RUNNING"]
        self._retry_queue = sorted(running, key=int, reverse=True)

    @property
    def saved(self) -> bool:
        """Whether an earlier process left a state."""
        return self._path.exists()

    @property
    def _path(self) -> Path:
        return Path(self._get_oracle_fname())


class _Random(ResumableOracle, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(ResumableOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


def build_oracle(method: str, space: Sequence[Setting], *, trials: int, seed: int) -> ResumableOracle:
    """The oracle of a method.

    Args:
        method: `random`, or `bayesian`: a Gaussian process after a third of the trials, at least five.
        space: What is searched.
        trials: How many trials in all.
        seed: 0 or more.

    Raises:
        ConfigError: Unknown method.
    """
    if method not in SEARCHES:
        raise ConfigError(
            "unknown method", expected=f"one of {', '.join(SEARCHES)}", received=f"method={method}"
        )
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "max_trials": trials,
        "hyperparameters": hyperparameters(space),
        "allow_new_entries": False,
        "seed": seed % 2**31 + 1,  # keras-tuner takes 0 for none, NumPy no more than 32 bits
        # A network that diverges says something about its settings, nothing about the next ones.
        "max_consecutive_failed_trials": trials + 1,
    }
    if method == "random":
        oracle: ResumableOracle = _Random(**options)
    else:
        # Recall on a small split is noisy: the process must not pass through every point.
        oracle = _Bayesian(**options, num_initial_points=max(5, trials // 3), alpha=0.1)
    oracle.verbose = 0
    return oracle


def folder_of(root: Path) -> dict[str, str]:
    """Where keras-tuner keeps its state in the folder of a search, as its arguments."""
    return {"directory": str(root), "project_name": _FOLDER}
