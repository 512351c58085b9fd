"""What a search says: what is judged, what a trial reached, how far it is, how long it takes yet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore
from kwsembed.manifest import Manifest
from kwsembed.training.data import TrainingData
from kwsembed.training.little_audio import end_to_end_training
from kwsembed.tuning.search_folder import COMPLETED, FAILED, SearchFolder, Trial
from kwsembed.tuning.space import Setting, without_effect


class Account:
    """After every trial: writes the table and the best configuration, says how far the search is.

    Args:
        folder: The search.
        asked: What it started from, with its full schedule.
        trials: How many there will be.
        say: Receives lines for the user.
    """

    def __init__(
        self, folder: SearchFolder, asked: TrainConfig, *, trials: int, say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._asked = asked
        self._trials = trials
        self._say = say
        self._began_s = time.monotonic()
        self._before = len(folder.read_trials())

    def __call__(self) -> None:
        """To be called after a trial was recorded."""
        trials = self._folder.read_trials()
        self._folder.write_results(trials, unshortened=self._asked)
        done = len(trials)
        text = f"{done} of {self._trials} trials done"
        elapsed_s = time.monotonic() - self._began_s
        left = time_left(elapsed_s, done=done - self._before, to_do=self._trials - done)
        if left:
            text += f", {left}"
        completed = [trial for trial in trials if trial.status == COMPLETED]
        if completed:
            best = max(completed, key=lambda trial: trial.merit)
            text += f"; best so far: trial {best.number}, recall {best.recall:.3f}"
        self._say(text)


def time_left(elapsed_s: float, *, done: int, to_do: int) -> str:
    """The time that is left in words; nothing if nothing is known, or nothing is left.

    Example:
        >>> time_left(600.0, done=4, to_do=8)
        'about 20 min left'
    """
    if done < 1 or to_do < 1:
        return ""
    left_s = elapsed_s / done * to_do
    return f"about {left_s / 60:.0f} min left" if left_s >= 90 else f"about {left_s:.0f} s left"


def what_is_judged(store: ClipStore, manifest: Manifest, config: TrainConfig) -> str:
    """What validation can tell of false alarms: where less than one is allowed, a single one is too many."""
    samples = [
        int(count)
        for clip, count in zip(store.clips, store.samples, strict=True)
        if clip.split == "validation" and clip.label in manifest.background_labels
    ]
    hours = sum(samples) / config.frontend.sample_rate_hz / 3600
    target = config.target_false_alarms_per_hour
    return (
        f"validation holds {hours:.2f} h of background, in which {target:g} false alarms per hour allow "
        f"{math.floor(target * hours)}"
    )


def what_changes_nothing(data: TrainingData, space: Sequence[Setting], *, frozen: bool) -> str:
    """Which settings of a space are searched in vain, as there is little audio of events; nothing if none is.

    Args:
        data: Of the first trial; what is searched does not change how much audio there is.
        space: What is searched.
        frozen: Whether a head on the frozen embedding is judged too.
    """
    how = end_to_end_training(data)
    counts = frozen or data.config.distillation_weight > 0
    names = () if how.pretrained else without_effect(space, frozen=counts)
    if not names:
        return ""
    return (
        f"note: events have {how.windows:.3g} windows to train on in the median, so the end-to-end network "
        f"starts from random weights, and nothing that is judged depends on {', '.join(names)}"
    )


def sentence(trial: Trial) -> str:
    """What a trial reached."""
    if trial.status == FAILED:
        return f"trial {trial.number} failed: {trial.message}"
    seeds = "" if len(trial.by_seed) == 1 else f" (mean of {len(trial.by_seed)} seeds)"
    labels = ", ".join(f"{label} {recall:.3f}" for label, recall in trial.recall_by_label.items())
    return (
        f"trial {trial.number}: recall {trial.recall:.3f} ({labels}), macro average precision "
        f"{trial.macro_average_precision:.3f}{seeds}"
    )


def in_words(values: Mapping[str, float | str]) -> str:
    """Settings in a line.

    Example:
        >>> in_words({"rebalance": "undersample", "width": 0.70711})
        'rebalance undersample, width 0.707'
    """
    return ", ".join(
        f"{name} {value}" if isinstance(value, str) else f"{name} {value:.3g}"
        for name, value in values.items()
    )
