"""One training stage: a compiled model, its batches, its checkpoints and its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from kwsembed.progress import Progress
from kwsembed.training.checkpointing import EpochCheckpoint
from kwsembed.training.divergence import StopAtDivergence, told_as_divergence
from kwsembed.training.learning_rate import WarmupCosine
from kwsembed.training.run_directory import RunDirectory


@dataclass(frozen=True)
class StagePlan:
    """How one stage trains.

    Attributes:
        name: Name of the stage; its files and its random numbers carry it.
        epochs: Epochs to train.
        epoch_steps: Steps per epoch.
        learning_rate: Peak learning rate; it warms up over a twentieth of the steps and falls to zero as a
            cosine.
        weight_decay: Decoupled weight decay.
    """

    name: str
    epochs: int
    epoch_steps: int
    learning_rate: float
    weight_decay: float

    def optimizer(self, variables: Sequence[keras.Variable]) -> keras.optimizers.Optimizer:
        """AdamW with the plan's schedule and clipped gradients, ready to train the variables."""
        steps = self.epochs * self.epoch_steps
        rate = WarmupCosine(
            0.1 * self.learning_rate,
            self.learning_rate,
            warmup_steps=max(1, steps // 20),
            decay_steps=max(1, steps - steps // 20),
        )
        optimizer = keras.optimizers.AdamW(rate, weight_decay=self.weight_decay, clipnorm=1.0)
        # Otherwise `fit` makes its variables while it traces the step, and so traces the step twice.
        optimizer.build(variables)
        return optimizer


def run_stage(
    model: keras.Model,
    plan: StagePlan,
    *,
    dataset: Callable[[int, int], tf.data.Dataset],
    run: RunDirectory,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    carried: Sequence[keras.Variable] = (),
    progress: Progress,
) -> list[dict[str, float]]:
    """Trains a compiled model from its newest checkpoint, or from the start, to the end of the plan.

    Args:
        model: Keras model, compiled with the plan's optimiser.
        plan: Length and name.
        dataset: `(first_step, last_step)` -> batches of exactly these steps.
        run: Where checkpoints and TensorBoard logs go.
        callbacks: Further callbacks; they run before the checkpoint, so that what they log is saved.
        carried: Variables of callbacks, which a checkpoint keeps too.
        progress: Called with steps done and steps in all.

    Returns:
        One dict of metrics per epoch, those before a resume included.
    """
    checkpoint = EpochCheckpoint(run.epochs(plan.name), carried)
    first_epoch = checkpoint.restore(model)
    total = plan.epochs * plan.epoch_steps
    if first_epoch < plan.epochs:
        with told_as_divergence(lambda: len(checkpoint.history)):
            model.fit(
                dataset(first_epoch * plan.epoch_steps, total),
                initial_epoch=first_epoch,
                epochs=plan.epochs,
                steps_per_epoch=plan.epoch_steps,
                shuffle=False,
                verbose=0,
                callbacks=[
                    StopAtDivergence(),
                    *callbacks,
                    checkpoint,
                    keras.callbacks.TensorBoard(run.logs / plan.name, write_graph=False, profile_batch=0),
                    _ShowProgress(progress, plan),
                ],
            )
    return checkpoint.history


class _ShowProgress(keras.callbacks.Callback):
    def __init__(self, progress: Progress, plan: StagePlan) -> None:
        super().__init__()
        self._progress = progress
        self._plan = plan
        self._epoch = 0
        self._shown_s = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        done = self._epoch * self._plan.epoch_steps + batch + 1
        total = self._plan.epochs * self._plan.epoch_steps
        if done == total or time.monotonic() - self._shown_s > 0.5:
            self._shown_s = time.monotonic()
            self._progress(done, total)
