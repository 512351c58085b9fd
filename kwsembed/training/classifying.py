"""Training a classifier with a remedy for imbalance, phase after phase, by more than labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from kwsembed.models import embedder_of
from kwsembed.progress import Progress
from kwsembed.training.data import TrainingData
from kwsembed.training.distillation import Distillation
from kwsembed.training.hints import HintLoss, with_hint_head
from kwsembed.training.lessons import Lessons
from kwsembed.training.monitor import ClassifierMonitor
from kwsembed.training.rebalancing import MeanOf, PerExample, cross_entropy
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stage import StagePlan, run_stage
from kwsembed.training.sublabels import Sublabels, with_second_head
from kwsembed.training.taught import TaughtLoss, taught_batches
from kwsembed.training.training_dynamics import TrainingDynamics

Batches = Callable[[int, int], tf.data.Dataset]
"""From a first step and the step before which to stop to batches of `(log_mel, {"class", "item", ...})`."""


@dataclass(frozen=True)
class ClassifyingPhase:
    """One phase of a stage.

    Attributes:
        plan: Its name, length and learning rate.
        batches: What it trains on.
        class_weights: `(classes,)` float32, weight of an example of each class.
        head_only: Train a new head and leave the rest of the network as it is.
        lessons: What a head on the teacher says, asked when the phase begins; None for labels alone.
    """

    plan: StagePlan
    batches: Batches
    class_weights: np.ndarray
    head_only: bool
    lessons: Callable[[], Lessons] | None = None


class ClassifierTraining:
    """Trains classifiers of one run.

    Args:
        data: Decoded clips and their splits.
        run: Where checkpoints and logs go.
        progress: Makes a progress function from a phase's name.
        new_head: From an embedder to a classifier with a new head on it.
    """

    def __init__(
        self,
        data: TrainingData,
        run: RunDirectory,
        *,
        progress: Callable[[str], Progress],
        new_head: Callable[[keras.Model], keras.Model],
    ) -> None:
        self._data = data
        self._run = run
        self._progress = progress
        self._new_head = new_head

    def train(
        self,
        classifier: keras.Model,
        phases: Sequence[ClassifyingPhase],
        *,
        loss: PerExample,
        sublabel_weight: float,
        distillation: Distillation | None = None,
        dynamics: TrainingDynamics | None = None,
    ) -> tuple[keras.Model, list[dict[str, float]]]:
        """Trains phase after phase, each from its newest checkpoint.

        Args:
            classifier: Where the first phase begins.
            phases: In order.
            loss: Of classes, per example.
            sublabel_weight: Of the second task; 0 for none.
            distillation: What other networks teach it; None for labels alone.
            dynamics: Looks on.

        Returns:
            The trained classifier, and a dict of metrics per epoch.
        """
        history: list[dict[str, float]] = []
        for phase in phases:
            of_class: keras.losses.Loss = MeanOf(loss) if distillation is None else distillation.loss(loss)
            if phase.head_only:
                embedder = embedder_of(classifier)
                embedder.trainable = False
                classifier = self._new_head(embedder)
            # A second task teaches the embedding; a head alone has nothing to learn from it.
            sublabels = None if phase.head_only or not sublabel_weight else self._data.sublabels
            batches = partial(_weighted, phase.batches, phase.class_weights, sublabels, distillation)
            lessons = phase.lessons() if phase.lessons is not None and not phase.head_only else None
            if lessons is not None:
                of_class = TaughtLoss(loss)
                batches = partial(
                    taught_batches,
                    lessons,
                    self._data.config,
                    phase.class_weights,
                    sublabels.of_clip if sublabels else None,
                )
            model, losses, weights = classifier, [of_class], [1.0]
            seed = self._data.config.seed
            if sublabels is not None:
                model = with_second_head(classifier, len(sublabels.names), seed=seed)
                losses.append(MeanOf(cross_entropy))
                weights.append(sublabel_weight)
            if lessons is not None and lessons.labelled.hint is not None:
                model = with_hint_head(model, classifier, lessons.labelled.hint.shape[1], seed=seed)
                losses.append(HintLoss())
                weights.append(self._data.config.taught.hint_weight)
            # XLA is slow on depthwise convolutions on a CPU, and hides NaN behind ReLU.
            model.compile(
                phase.plan.optimizer(model.trainable_variables),
                losses if len(losses) > 1 else of_class,
                loss_weights=weights if len(losses) > 1 else None,
                jit_compile=False,
            )
            history += run_stage(
                model,
                phase.plan,
                dataset=batches(),
                run=self._run,
                callbacks=[
                    ClassifierMonitor(classifier, self._data),
                    *([dynamics.watch(classifier, self._data.anchors("train"))] if dynamics else []),
                ],
                carried=dynamics.carried if dynamics else [],
                progress=self._progress(phase.plan.name),
            )
        return classifier, history


def _weighted(
    batches: Batches,
    class_weights: np.ndarray,
    sublabels: Sublabels | None,
    distillation: Distillation | None,
) -> Batches:
    """Batches of log-mel, targets and weights: of the class and, if there are any, of the sublabel."""
    table = tf.constant(class_weights)

    def of_class(log_mel: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        return drawn["class"] if distillation is None else distillation.targets(log_mel, drawn)

    if sublabels is None:
        return lambda first, last: batches(first, last).map(
            lambda log_mel, drawn: (log_mel, of_class(log_mel, drawn), tf.gather(table, drawn["class"]))
        )
    of_clip = tf.constant(sublabels.of_clip)

    def with_sublabels(log_mel: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        weights = tf.gather(table, drawn["class"])
        targets = (of_class(log_mel, drawn), tf.gather(of_clip, drawn["item"]))
        # An event played backwards is none of the finer kinds of background.
        return log_mel, targets, (weights, 1.0 - tf.cast(drawn["backwards"], weights.dtype))

    return lambda first, last: batches(first, last).map(with_sublabels)
