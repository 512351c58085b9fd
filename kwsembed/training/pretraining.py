"""Pretraining the embedder of a run on the objective that its settings name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import keras
import tensorflow as tf

from kwsembed.data.sampling import WindowSchedule
from kwsembed.pretraining import AnchorEmbeddings, EmbeddingPretrainer, RefreshObjective, build_objective
from kwsembed.progress import Progress
from kwsembed.training.data import TrainingData
from kwsembed.training.monitor import EmbeddingMonitor
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stage import StagePlan, run_stage
from kwsembed.training.teacher import teacher_targets_of


class RoundBatches(Protocol):
    """Batches for steps from a first to before a last, the same ones again after so many windows, if any."""

    def __call__(self, first_step: int, last_step: int, *, round_windows: int | None) -> tf.data.Dataset: ...


def pretrain_embedder(
    embedder: keras.Model,
    data: TrainingData,
    run: RunDirectory,
    *,
    plan: StagePlan,
    schedule: WindowSchedule,
    batches: RoundBatches,
    progress: Callable[[str], Progress],
    say: Callable[[str], None],
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Trains an embedder from its newest checkpoint, or from the start.

    Args:
        embedder: `(batch, frames, mels)` -> unit-norm `(batch, dim)`; it is trained in place.
        data: Decoded clips and their splits; its config names the objective.
        run: Where checkpoints and logs go.
        plan: Name, length and learning rate.
        schedule: What is drawn.
        batches: Batches of that schedule.
        progress: Makes a progress function from a name.
        say: Receives lines for the user.

    Returns:
        The embedder, and a dict of metrics per epoch.
    """
    objective = build_objective(
        data.config,
        data.classes_of("train"),
        len(data.labels),
        targets=partial(
            teacher_targets_of,
            data,
            schedule,
            steps=plan.epochs * plan.epoch_steps,
            progress=progress("asking the teacher"),
            say=say,
        ),
    )
    anchors = AnchorEmbeddings(embedder, data.anchors("train"))
    model = EmbeddingPretrainer(embedder, objective)
    model.compile(plan.optimizer(model.trainable_variables), jit_compile=False)
    history = run_stage(
        model,
        plan,
        dataset=lambda first, last: batches(first, last, round_windows=objective.round_windows),
        run=run,
        callbacks=[
            RefreshObjective(objective, anchors, seed=data.config.seed),
            EmbeddingMonitor(anchors, data),
        ],
        progress=progress(plan.name),
    )
    return embedder, history
