"""One stage that trains a classifier: with a remedy for imbalance, in one phase or two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from kwsembed import atomic
from kwsembed.data.sampling import WindowSchedule
from kwsembed.progress import Progress
from kwsembed.training.class_weights import class_factors, with_factors
from kwsembed.training.classifying import ClassifierTraining, ClassifyingPhase
from kwsembed.training.data import TrainingData
from kwsembed.training.distillation import Distillation
from kwsembed.training.lessons import Lessons, lessons
from kwsembed.training.networks import Networks
from kwsembed.training.rebalancing import epochs_of, rebalancing
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stage_runner import StageRunner, phase_name
from kwsembed.training.training_dynamics import TrainingDynamics
from kwsembed.training.variables_file import save_variables

Drawn = tuple[WindowSchedule, np.ndarray]
"""What a phase draws, and `(classes,)` float32, the weight of an example of each class."""


@dataclass(frozen=True)
class ClassifyingStage:
    """What a stage trains, and how.

    Attributes:
        name: Of the stage.
        start: Makes the classifier with which it begins.
        epochs: Its length.
        learning_rate: At its peak.
        even_groups: See `TrainConfig`.
        backwards_share: Likewise.
        rebalance: Remedy for imbalance.
        class_weights: Factors by label on top of it (see `TrainConfig`).
        sublabel_weight: Of the second task; 0 for none.
        distillation: Makes what other networks teach it; None for labels alone.
        taught: Whether it agrees with a head on the teacher too, as the settings say.
        dynamics: Looks on, and is kept; None for nobody.
    """

    name: str
    start: Callable[[], keras.Model]
    epochs: int
    learning_rate: float
    even_groups: float
    backwards_share: float
    rebalance: str
    class_weights: Mapping[str, float]
    sublabel_weight: float = 0.0
    distillation: Callable[[], Distillation] | None = None
    taught: bool = False
    dynamics: TrainingDynamics | None = None

    def drawn(self, data: TrainingData) -> list[Drawn]:
        """What each phase of the remedy draws, and what an example of each class weighs in it."""
        factors = class_factors(self.class_weights, data.labels)
        drawn = []
        for phase in rebalancing(self.rebalance).phases:
            schedule = data.schedule(
                sampling=phase.sampling,
                stage=self.name,
                even_groups=self.even_groups,
                backwards_share=self.backwards_share,
            )
            weights = phase.weigh(schedule.probabilities, schedule.windows_per_class)
            drawn.append((schedule, with_factors(weights, factors, schedule.probabilities)))
        return drawn


def train_classifying_stage(
    stage: ClassifyingStage,
    data: TrainingData,
    run: RunDirectory,
    *,
    networks: Networks,
    runner: StageRunner,
    progress: Callable[[str], Progress],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Trains it, from its newest checkpoint, unless it has finished.

    Args:
        stage: What is trained.
        data: Decoded clips and their splits.
        run: Where checkpoints and logs go.
        networks: Makes a new head for a remedy that trains one in its second phase.
        runner: Plans, draws batches, and keeps the result.
        progress: Makes a progress function from a phase's name.
        say: Receives lines for the user.

    Returns:
        See `StageRunner.once`.
    """
    remedy = rebalancing(stage.rebalance)
    drawn = stage.drawn(data)
    class_counts = drawn[0][0].windows_per_class

    def phase(number: int, epochs: int) -> ClassifyingPhase:
        schedule, class_weights = drawn[number]
        steps = epochs * data.config.schedule.epoch_steps

        def asking() -> Lessons:
            return lessons(data, schedule, steps=steps, progress=progress("asking the teacher"), say=say)

        return ClassifyingPhase(
            plan=runner.plan(phase_name(stage.name, number), epochs, stage.learning_rate),
            batches=partial(runner.batches, schedule),
            class_weights=class_weights,
            head_only=remedy.phases[number].head_only,
            lessons=asking if stage.taught else None,
        )

    def train() -> tuple[keras.Model, list[dict[str, float]]]:
        lengths = epochs_of(remedy.phases, stage.epochs)
        training = ClassifierTraining(data, run, progress=progress, new_head=networks.classifier_on)
        classifier, history = training.train(
            stage.start(),
            [phase(number, epochs) for number, epochs in enumerate(lengths)],
            loss=remedy.loss(class_counts, data.event),
            sublabel_weight=stage.sublabel_weight,
            distillation=stage.distillation() if stage.distillation is not None else None,
            dynamics=stage.dynamics,
        )
        if stage.dynamics is not None:
            with atomic.replacing(run.dynamics(stage.name)) as temporary:
                save_variables(temporary, stage.dynamics.carried)
        if remedy.logit_offset is not None:
            bias = classifier.get_layer("logits").bias
            bias.assign_add(remedy.logit_offset(class_counts).astype(np.float32))
        return classifier, history

    return runner.once(stage.name, drawn, train)
