"""One trial: trains a configuration once for each seed, as `kwsembed train` does, and judges validation."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed import atomic
from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore
from kwsembed.data.surroundings import AS_IN_THE_DATA, Surroundings
from kwsembed.data.unlabelled import Unlabelled
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import DivergenceError
from kwsembed.evaluation.judge import judge
from kwsembed.evaluation.scoring import network_scorer
from kwsembed.manifest import Manifest
from kwsembed.progress import ProgressLine
from kwsembed.training.choice import choose_variant
from kwsembed.training.data import TrainingData
from kwsembed.training.networks import END_TO_END, FROZEN
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stages import Stages
from kwsembed.tuning import hparams
from kwsembed.tuning.account import in_words, sentence
from kwsembed.tuning.objective import Figures, figures_of, mean_figures
from kwsembed.tuning.search_folder import COMPLETED, FAILED, SearchFolder, Trial
from kwsembed.tuning.space import config_at


@dataclass(frozen=True)
class TrialSetting:
    """What all trials of a search share.

    Attributes:
        manifest: Clips of training and validation; none of the test.
        store: The same, decoded.
        seeds: How many networks of each configuration are trained.
        frozen: Also judge a head on the frozen embedding, and take the variant that training would keep.
        surroundings: Noise and rooms that augmentation puts sounds in.
        unlabelled: Recordings without labels, of which a teacher is asked; None for none.
    """

    manifest: Manifest
    store: ClipStore
    seeds: int
    frozen: bool
    surroundings: Surroundings = AS_IN_THE_DATA
    unlabelled: Unlabelled | None = None


@dataclass(frozen=True)
class TrialResult:
    """What a configuration reached.

    Attributes:
        mean: Over the seeds.
        by_seed: Of each seed.
        variants: Which variant was judged, by seed.
    """

    mean: Figures
    by_seed: dict[int, Figures]
    variants: dict[int, str]


def train_trial(
    config: TrainConfig,
    setting: TrialSetting,
    folder: Path,
    *,
    title: str,
) -> TrialResult:
    """Trains and judges a configuration with its seed and those that follow; goes on where it was stopped.

    Args:
        config: The configuration.
        setting: Data and seeds.
        folder: Gets a run directory `seed_N` for each seed.
        title: What progress is shown under.

    Raises:
        DivergenceError: A network of it diverged.
    """
    by_seed, variants = {}, {}
    for offset in range(setting.seeds):
        seed = (config.seed + offset) % 2**32
        judged = _train_once(
            dataclasses.replace(config, seed=seed),
            setting,
            RunDirectory(folder / f"seed_{seed}"),
            title=title if setting.seeds == 1 else f"{title}, seed {seed}",
        )
        by_seed[seed], variants[seed] = figures_of(judged["validation"]), judged["variant"]
    return TrialResult(mean_figures(list(by_seed.values())), by_seed, variants)


def trial_runner(
    start: TrainConfig,
    setting: TrialSetting,
    folder: SearchFolder,
    *,
    trials: int,
    say: Callable[[str], None],
) -> Callable[[int, dict[str, float | str]], Trial]:
    """What runs a trial by its number and values, or finds that it was finished before the process ended.

    Args:
        start: The configuration of trial 0.
        setting: What all trials share.
        folder: Where trials are recorded, for the table and for TensorBoard.
        trials: How many there will be.
        say: Receives lines for the user.
    """

    def run(number: int, values: dict[str, float | str]) -> Trial:
        config = start if number == 0 else config_at(start, values)
        done = folder.read_trial(number)
        if done is not None and done.config == config:
            return done
        say(f"trial {number} (of 0 to {trials - 1}): {in_words(values) if number else 'the default'}")
        began_s = time.monotonic()
        record: dict[str, Any] = {"number": number, "config": config, "values": values if number else {}}
        try:
            result = train_trial(config, setting, folder.trial(number), title=f"trial {number}")
        except DivergenceError as error:
            trial = Trial(status=FAILED, seconds=time.monotonic() - began_s, message=str(error), **record)
        else:
            trial = Trial(
                status=COMPLETED,
                seconds=time.monotonic() - began_s,
                objective=result.mean.objective,
                recall=result.mean.recall,
                macro_average_precision=result.mean.macro_average_precision,
                recall_by_label=dict(result.mean.recall_by_label),
                by_seed={
                    str(seed): {
                        "variant": result.variants[seed],
                        "recall": figures.recall,
                        "macro_average_precision": figures.macro_average_precision,
                    }
                    for seed, figures in result.by_seed.items()
                },
                **record,
            )
            hparams.write_trial(folder.logs, trial, values)
        folder.write_trial(trial)
        say(sentence(trial))
        return trial

    return run


def _train_once(
    config: TrainConfig,
    setting: TrialSetting,
    run: RunDirectory,
    *,
    title: str,
) -> dict[str, Any]:
    """The judged variant of one run and its validation metrics, as `metrics.json` has them."""
    done = run.root / "validation.json"
    run.start(config, setting.manifest, resume=True)
    if done.exists():
        return json.loads(done.read_text(encoding="utf-8"))
    keras.backend.clear_session()  # what the networks before this one held
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    data = TrainingData.of(
        setting.store,
        setting.manifest,
        config,
        surroundings=setting.surroundings,
        unlabelled=setting.unlabelled,
    )
    stages = Stages(
        data,
        run,
        progress=lambda stage: ProgressLine(f"{title}: {stage}", unit="steps"),
        say=lambda text: None,  # compositions of batches: too many lines for a search
    )
    variants = (FROZEN, END_TO_END) if setting.frozen else (END_TO_END,)
    stages.train(*variants)
    metrics = {variant: _validation_metrics(stages, data, variant) for variant in variants}
    variant = _kept(metrics) if setting.frozen else END_TO_END
    judged = {"variant": variant, "validation": metrics[variant]}
    atomic.write_json(done, judged)
    run.drop_checkpoints()
    return judged


def _validation_metrics(stages: Stages, data: TrainingData, variant: str) -> dict[str, Any]:
    judgement = judge(
        network_scorer(stages.networks.classifier(variant), data.config.frontend),
        data.audio("validation"),
        post=PostProcessing(),
    )
    if not np.all(np.isfinite(judgement.evidence)):
        raise DivergenceError("the trained network's scores are not finite")
    points = judgement.choose_thresholds(data.config.target_false_alarms_per_hour)
    return judgement.metrics(points, judgement.fit_bias())


def _kept(metrics: dict[str, dict[str, Any]]) -> str:
    """The variant that training would keep; there is no yardstick here, so it stands at nothing."""
    yardstick = {"macro_average_precision": 0.0}
    return choose_variant({**metrics, "class_weighted": yardstick}).variant
