"""A new head on the frozen embedding of a run, with further clips: what `refit` and `add` share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kwsembed import atomic
from kwsembed.bundle import Bundle
from kwsembed.data.cache import build_cache
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import RunError
from kwsembed.evaluation.judge import judge
from kwsembed.evaluation.scoring import network_scorer
from kwsembed.manifest import Manifest
from kwsembed.models import embedder_of
from kwsembed.progress import ProgressLine
from kwsembed.report import write_report
from kwsembed.training import details, outcome, shipping
from kwsembed.training.before_after import before_and_after, judge_bundle, table_csv, table_lines
from kwsembed.training.data import TrainingData
from kwsembed.training.label_suspects import write_suspects
from kwsembed.training.networks import FROZEN, PRETRAIN
from kwsembed.training.prior_run import PriorRun, continue_head
from kwsembed.training.record import data_record, describe, remedy_in_words, versions
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stages import Stages
from kwsembed.training.variables_file import save_variables

Say = Callable[[str], None]


def say_aloud(text: str) -> None:
    """Writes a line for the user on standard error."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class NewHead:
    """A run whose network is another run's embedding with a new head.

    Attributes:
        run: The new run directory.
        data: Its clips.
        bundle: What it ships.
        metrics: Content of its metrics.json so far; `finish` writes it.
        table: Before and after, see `before_and_after`.
    """

    run: RunDirectory
    data: TrainingData
    bundle: Bundle
    metrics: dict[str, Any]
    table: list[dict[str, Any]]

    def finish(self, record: Mapping[str, Any]) -> None:
        """Writes metrics.json, with a record of what was new, and the report."""
        self.metrics["new_head"].update(record)
        atomic.write_json(self.run.metrics, self.metrics)
        write_report(self.run.root)
        self.run.drop_checkpoints()


def train_new_head(
    prior: PriorRun,
    manifest: Manifest,
    out: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None,
    command: str,
    say: Say,
) -> NewHead:
    """Trains a head on a run's frozen embedding, beginning at its old head, and ships it.

    The stage is that of `train` (same windows, augmentation, remedy for imbalance, schedule), thresholds come
    from the new int8 model's validation scores, and old and new bundle are judged on the same clips.

    Args:
        prior: The run; it is read only.
        manifest: Its clips and the further ones, all with their split.
        out: New run directory; must be new or empty.
        cache_dir: Where decoded audio is kept; that of the run's data if None.
        command: What the report shows as the command that made it.
        say: Receives lines for the user.
    """
    config, started = prior.config, time.monotonic()
    run = RunDirectory(out)
    if run.root.resolve() == prior.run.root.resolve():
        raise RunError("a run is not overwritten by its successor", received=f"out={run.root}")
    run.check(config, manifest, resume=False)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)

    cache = Path(cache_dir) if cache_dir else prior.cache_dir
    decoding = ProgressLine("decoding", unit="clips")
    rate = config.frontend.sample_rate_hz
    old_store = build_cache(prior.manifest, cache_dir=cache, sample_rate_hz=rate, progress=decoding)
    store = build_cache(manifest, cache_dir=cache, sample_rate_hz=rate, progress=decoding)
    old_data = TrainingData.of(old_store, prior.manifest, config)
    data = TrainingData.of(store, manifest, config, progress=ProgressLine("reading noise", unit="files"))
    # Only now: data that cannot be trained on leaves no folder behind, in the way once it is mended.
    run.start(config, manifest, resume=False)
    describe(data, manifest, say)

    old = prior.classifier()
    with atomic.replacing(run.weights(PRETRAIN)) as temporary:
        save_variables(temporary, embedder_of(old).variables)
    stages = Stages(data, run, progress=lambda stage: ProgressLine(stage, unit="steps"), say=say)
    result = stages.train_head(begin_at=continue_head(old, prior.manifest.labels, data.labels))
    # The embedding of another run: finished here without any training.
    run.finish(PRETRAIN, {"history": [], "composition": {}, "from": str(prior.run.root)})

    post = PostProcessing()
    classifier = stages.networks.classifier(FROZEN)
    splits = [split for split in ("validation", "test") if len(data.clips_of(split))]
    scorer = network_scorer(classifier, config.frontend)
    judgements = {
        split: judge(
            scorer,
            data.audio(split),
            post=post,
            progress=ProgressLine(f"{FROZEN} on {split}", unit="clips"),
        )
        for split in splits
    }
    say("quantising, and choosing thresholds on validation with the int8 model")
    with atomic.replacing(run.model) as temporary:
        classifier.save(temporary)
    shipped = shipping.ship(classifier, data, run, post=post, float_judgements=judgements)
    details.write(
        run,
        data,
        stages,
        {FROZEN: result},
        {FROZEN: judgements},
        shipped.judgements,
        variant=FROZEN,
        points=shipped.points,
        bias=shipped.bias,
    )
    write_suspects(run, data, embedder_of(classifier))
    for line in outcome.parity(shipped.record["parity"]):
        say(line)
    table = before_and_after(judge_bundle(prior.bundle, old_data), shipped.record)
    atomic.write_text(run.details / "before_after.csv", table_csv(table))
    for line in table_lines(table):
        say(line)
    metrics = {
        "format": 1,
        "command": command,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": config.seed,
        "versions": versions(),
        "stage_s": {FROZEN: round(time.monotonic() - started, 2)},
        "data": data_record(data, manifest),
        "batch_composition": {FROZEN: result["composition"]},
        "class_weights": result["class_weights"],
        "rebalance": remedy_in_words(data),
        "variants": {FROZEN: shipped.record["float"]},
        "chosen": {
            "variant": FROZEN,
            "criterion": f"a new head on the embedding of {prior.run.root}",
            **shipped.record,
        },
        "new_head": {"prior": str(prior.run.root.resolve()), "before_after": table},
    }
    return NewHead(run=run, data=data, bundle=Bundle.load(run.bundle), metrics=metrics, table=table)
