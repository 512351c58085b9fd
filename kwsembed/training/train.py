"""The whole path from data to a run directory: pretrain, train, choose, operate, export, report."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kwsembed import atomic
from kwsembed.config import TrainConfig
from kwsembed.data.cache import build_cache, default_cache_dir
from kwsembed.data.surroundings import check_folders
from kwsembed.data.unlabelled import Unlabelled, check_unlabelled
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.manifest import Manifest, assign_splits, read_manifest
from kwsembed.manifest.further import with_negatives
from kwsembed.models import embedder_of
from kwsembed.progress import Progress, ProgressLine
from kwsembed.report import write_report
from kwsembed.sole_use import sole_use
from kwsembed.training import details, outcome, shipping
from kwsembed.training.choice import choose_variant
from kwsembed.training.class_weights import class_factors
from kwsembed.training.data import TrainingData
from kwsembed.training.judging import judge_variants
from kwsembed.training.label_suspects import write_suspects
from kwsembed.training.lessons import unlabelled_of
from kwsembed.training.networks import COMPANION, END_TO_END, STAGES, VARIANTS
from kwsembed.training.record import (
    data_record,
    describe,
    describe_lessons,
    end_to_end_record,
    remedy_in_words,
    taught_record,
    versions,
)
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.same_surroundings import check_same_surroundings
from kwsembed.training.same_teacher import check_same_teacher
from kwsembed.training.stages import Stages
from kwsembed.training.teacher import teacher_record

Say = Callable[[str], None]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class TrainResult:
    """What a training run made.

    Attributes:
        run: The run directory.
        metrics: Content of its metrics.json.
    """

    run: Path
    metrics: dict[str, Any]

    @property
    def bundle(self) -> Path:
        """The bundle that devices run."""
        return self.run / "bundle"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.run / "report.html"


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: TrainConfig | None = None,
    background: Sequence[str] = (),
    negatives: Sequence[str | os.PathLike[str]] = (),
    test_folds: Sequence[int] | None = None,
    validation_folds: Sequence[int] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    command: str | None = None,
    say: Say = _say,
) -> TrainResult:
    """Trains a detector on a folder of clips or a manifest; the same as `kwsembed train DATA --out RUN`.

    Args:
        data: Folder with a folder per class, or a CSV manifest.
        out: Run directory; must be new or empty unless `resume`.
        config: Settings; the defaults if None.
        background: Further labels that are background.
        negatives: Folders of `kwsembed mine`, whose clips are added to the training split.
        test_folds: Folds held out for the test; the highest if None; `()` for none.
        validation_folds: Folds that choose variant and thresholds; the highest one left if None.
        cache_dir: Where decoded audio is kept; a folder in the user's cache if None.
        resume: Go on with the run in `out`, if there is one.
        command: What the report shows as the command that made it.
        say: Receives lines for the user.

    Raises:
        DataError: The data cannot be trained on.
        ConfigError: A class weight is of a label that the data does not have.
        RunError: `out` is in use.

    Example:
        >>> result = train("sounds", "RUN")  # doctest: +SKIP
        >>> result.metrics["chosen"]["variant"]  # doctest: +SKIP
        'end_to_end'
    """
    config = config or TrainConfig()
    started = time.monotonic()
    manifest = assign_splits(
        read_manifest(data, background=background),
        test_folds=test_folds,
        validation_folds=validation_folds,
        seed=config.seed,
    )
    manifest = with_negatives(manifest, negatives)
    class_factors(config.class_weights, manifest.labels)  # an unknown label is refused before any work
    check_folders(config.augment)  # and so are noise and rooms that are not there
    if config.taught.unlabelled:
        check_unlabelled(config.taught.unlabelled)
    teacher = teacher_record(config)  # and a teacher that cannot be asked
    run = RunDirectory(out)
    run.check(config, manifest, resume=resume)
    # Sums of floats in a fixed order: two runs, or a run and its resumption, then agree to the last bit.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)

    store = build_cache(
        manifest,
        cache_dir=cache_dir or default_cache_dir(data),
        sample_rate_hz=config.frontend.sample_rate_hz,
        progress=_progress("decoding", unit="clips"),
    )
    dataset = TrainingData.of(store, manifest, config, progress=_progress("reading noise", unit="files"))
    unlabelled = unlabelled_of(dataset, progress=_progress("reading recordings without labels", unit="files"))
    dataset = replace(dataset, unlabelled=unlabelled)
    # Only now: data that cannot be trained on leaves no folder behind, in the way once it is mended.
    run.root.mkdir(parents=True, exist_ok=True)
    with sole_use(run.root):
        run.start(config, manifest, resume=resume)
        check_same_teacher(run, teacher)
        check_same_surroundings(run.surroundings, dataset.surroundings)
        check_same_surroundings(run.unlabelled, unlabelled)
        describe(dataset, manifest, say)
        describe_lessons(dataset, unlabelled, say)
        metrics = _train_into(
            run,
            dataset,
            manifest,
            teacher=teacher,
            unlabelled=unlabelled,
            command=command or f"kwsembed.train({str(data)!r}, {str(out)!r})",
            decoded_in_s=time.monotonic() - started,
            say=say,
        )
    return TrainResult(run=run.root, metrics=metrics)


def _train_into(
    run: RunDirectory,
    dataset: TrainingData,
    manifest: Manifest,
    *,
    teacher: dict[str, str] | None,
    unlabelled: Unlabelled | None,
    command: str,
    decoded_in_s: float,
    say: Say,
) -> dict[str, Any]:
    """Trains, exports and reports what of it is missing; the content of metrics.json."""
    config = dataset.config
    stage_s: dict[str, float | None] = {"cache": decoded_in_s}

    stages = Stages(dataset, run, progress=lambda stage: _progress(stage, unit="steps"), say=say)
    steps: dict[str, Callable[[], dict[str, Any]]] = dict(
        zip(
            STAGES,
            (
                partial(stages.train_from_scratch, watched=True),
                stages.pretrain,
                stages.train_head,
                stages.train_companion,
                stages.train_end_to_end,
            ),
            strict=True,
        )
    )
    if not config.distillation_weight:
        del steps[COMPANION]
    results: dict[str, dict[str, Any]] = {}
    for stage, step in steps.items():
        results[stage] = step()
        # Of all sittings: a stage that was finished earlier took its time then.
        stage_s[stage] = results[stage].get("duration_s")

    since = time.monotonic()
    post = PostProcessing()
    variants, judgements = judge_variants(stages.networks, dataset, post=post, progress=_progress)
    choice = choose_variant({name: variants[name]["validation"] for name in VARIANTS}, keep=config.keep)
    say(choice.sentence)
    stage_s["evaluate"] = time.monotonic() - since

    since = time.monotonic()
    classifier = stages.networks.classifier(choice.variant)
    with atomic.replacing(run.model) as temporary:
        classifier.save(temporary)
    shipped = shipping.ship(
        classifier,
        dataset,
        run,
        post=post,
        float_judgements=judgements[choice.variant],
        trying=_progress("settings of the detector", unit="settings"),
        embedding=_progress("centroids", unit="clips"),
    )
    stage_s["export"] = time.monotonic() - since

    details.write(
        run,
        dataset,
        stages,
        results,
        judgements,
        shipped.judgements,
        variant=choice.variant,
        points=shipped.points,
        bias=shipped.bias,
    )
    # By the end-to-end network, kept or not: see docs/decisions/0023-labels-to-check.md.
    learned = stages.networks.learned_probabilities()
    suspected = write_suspects(
        run, dataset, embedder_of(stages.networks.classifier(END_TO_END)), learned=learned
    )
    metrics = {
        "format": 1,
        "command": command,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": config.seed,
        "versions": versions(),
        "stage_s": {name: None if value is None else round(value, 2) for name, value in stage_s.items()},
        "data": data_record(dataset, manifest),
        "batch_composition": {stage: result["composition"] for stage, result in results.items()},
        "class_weights": results["class_weighted"]["class_weights"],
        "rebalance": remedy_in_words(dataset),
        "end_to_end": end_to_end_record(dataset),
        "teacher": teacher,
        "taught": taught_record(dataset, unlabelled),
        "labels_to_check": {"clips": suspected, "training_clips_as_learned": learned is not None},
        "variants": variants,
        "chosen": {"variant": choice.variant, "criterion": choice.criterion, **shipped.record},
    }
    atomic.write_json(run.metrics, metrics)
    write_report(run.root)
    run.drop_checkpoints()
    for line in outcome.sentences(metrics["chosen"], dataset.labels[: dataset.event_count]):
        say(line)
    if suspected:
        say(f"labels to check: {suspected}, of clips that sound more like another one; see the report")
    say(f"report: {run.report}")
    say(f"bundle: {run.bundle}")
    return metrics


def _progress(title: str, *, unit: str) -> Progress:
    return ProgressLine(title, unit=unit)
