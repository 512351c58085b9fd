"""What is wrong with the plan of a study, told before any work, and what it cannot reach."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from kwsembed.comparison.clips import clips_by_split
from kwsembed.comparison.contender import YARDSTICK, parse_contender
from kwsembed.comparison.study import WHOLE, StudyPlan
from kwsembed.config_sections import TaughtConfig
from kwsembed.data.cache import ClipStore
from kwsembed.data.surroundings import check_folders
from kwsembed.errors import ConfigError
from kwsembed.manifest import Manifest
from kwsembed.training.class_weights import class_factors

_HIGHEST_SEED = 2**31 - 1  # with room for the seeds of tuning, which lie above, below the 2**32 of Keras


def check_plan(plan: StudyPlan, manifest: Manifest, *, processes: int) -> None:
    """Refuses a plan that cannot be carried out, before anything is decoded or written.

    Args:
        plan: The study.
        manifest: Its data.
        processes: How many cells are to run at a time.

    Raises:
        ConfigError: A method or number that cannot be used, or methods without class weights.
    """
    contenders = [parse_contender(name) for name in plan.contenders]
    if YARDSTICK not in [contender.name for contender in contenders]:
        raise ConfigError(
            "class weights are what all others are compared with",
            expected=f"{YARDSTICK} among the methods",
            received=f"methods={', '.join(contender.name for contender in contenders)}",
        )
    second_task = [contender.name for contender in contenders if contender.sublabels]
    if second_task and not any(clip.sublabel for clip in manifest.clips):
        raise ConfigError(
            "there are no sublabels to learn from",
            expected="a manifest with a column sublabel",
            received=f"methods={', '.join(second_task)}",
        )
    for name, values in (("ratios", plan.ratios), ("folds", plan.folds), ("seeds", plan.seeds)):
        if not values:
            raise ConfigError(f"a study needs {name}", expected="one or more", received=f"{name}=")
    for ratio in plan.ratios:
        if ratio != WHOLE and not (math.isfinite(ratio) and ratio > 0):
            raise ConfigError("a ratio is out of range", expected="a number above 0", received=f"{ratio=}")
    for seed in plan.seeds:
        if not 0 <= seed <= _HIGHEST_SEED:
            raise ConfigError("a seed is out of range", expected=f"0 to {_HIGHEST_SEED}", received=f"{seed=}")
    class_factors(plan.config.class_weights, manifest.labels)
    for name, value in (("trials", plan.trials), ("processes", processes)):
        if value < 1:
            raise ConfigError(f"{name} is out of range", expected="1 or more", received=f"{name}={value}")
    check_folders(plan.config.augment)
    _check_steps(plan, least_epochs=max(contender.least_epochs for contender in contenders))


def _check_steps(plan: StudyPlan, *, least_epochs: int) -> None:
    """Budgets are whole epochs, and a contender needs one for each of its trainings."""
    epoch_steps = plan.config.schedule.epoch_steps
    if plan.steps < least_epochs * epoch_steps or plan.steps % epoch_steps:
        raise ConfigError(
            "the budget cannot be the same for all methods",
            expected=f"a multiple of {epoch_steps} steps (epoch_steps), {least_epochs * epoch_steps} or more",
            received=f"steps={plan.steps}",
        )


def tell_unused_settings(plan: StudyPlan, say: Callable[[str], None]) -> None:
    """Says that settings for taught networks, such as hints, are for nothing where no method is taught."""
    if plan.config.taught != TaughtConfig() and not any(
        parse_contender(name).taught for name in plan.contenders
    ):
        say(
            "note: [taught] in the settings changes nothing, since no method of this study is taught by a "
            "head on a teacher: add METHOD+taught for that"
        )


def tell_unreached_ratios(
    plan: StudyPlan, manifest: Manifest, store: ClipStore, say: Callable[[str], None]
) -> None:
    """Says which events are rarer than a ratio asks for, and so are left whole."""
    for ratio in plan.ratios:
        rarer: dict[str, float] = {}
        for fold in plan.folds if ratio != WHOLE else ():
            counts = Counter(clip.label for clip in clips_by_split(manifest, store, fold)["train"])
            background = sum(counts[label] for label in manifest.background_labels)
            for label in manifest.event_labels:
                if counts[label] < round(background / ratio):
                    rarer[label] = max(rarer.get(label, 0.0), background / counts[label])
        if rarer:
            each = ", ".join(f"{label} (up to {reached:.3g}:1)" for label, reached in rarer.items())
            say(f"note: {ratio:g}:1 asks for more clips than there are, so these are left whole: {each}")
