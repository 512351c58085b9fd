"""The stages of a run: from scratch, pretraining, a head on the frozen embedding, a companion, end to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras

from kwsembed.config import TrainConfig
from kwsembed.errors import RunError
from kwsembed.models.fused_normalization import for_training
from kwsembed.progress import Progress
from kwsembed.training.classifying_stage import ClassifyingStage, train_classifying_stage
from kwsembed.training.data import TrainingData
from kwsembed.training.distillation import Distillation
from kwsembed.training.little_audio import end_to_end_training
from kwsembed.training.networks import (
    CLASS_WEIGHTED,
    COMPANION,
    END_TO_END,
    FROZEN,
    PRETRAIN,
    Networks,
)
from kwsembed.training.pretraining import pretrain_embedder
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stage_runner import StageRunner


class Stages:
    """Runs the stages of one run; each goes on from its newest checkpoint and is skipped once finished.

    Args:
        data: Decoded clips and their splits.
        run: Where checkpoints and logs go.
        progress: Makes a progress function from a stage's name.
        say: Receives lines for the user.

    Attributes:
        networks: As they begin, and as the stages leave them.
    """

    def __init__(
        self,
        data: TrainingData,
        run: RunDirectory,
        *,
        progress: Callable[[str], Progress],
        say: Callable[[str], None],
    ) -> None:
        self._data = data
        self._run = run
        self._progress = progress
        self._say = say
        self._config: TrainConfig = data.config
        self._runner = StageRunner(data, run, say=say)
        self.networks = Networks(data, run)

    def train(self, *variants: str) -> None:
        """Trains some of what comes of pretraining, and before it whatever that starts or learns from.

        Args:
            variants: `frozen`, `end_to_end` or both.
        """
        learns = END_TO_END in variants and self._config.distillation_weight > 0
        frozen = FROZEN in variants or learns
        if frozen or end_to_end_training(self._data).pretrained:
            self.pretrain()
        if frozen:
            self.train_head()
        if learns:
            self.train_companion()
        if END_TO_END in variants:
            self.train_end_to_end()

    def pretrain(self) -> dict[str, Any]:
        """Trains the embedder on the pretraining objective."""
        settings = self._config.schedule
        schedule = self._data.schedule(
            sampling=self._config.pretraining_sampling, stage=PRETRAIN, even_groups=self._config.even_groups
        )

        def train() -> tuple[keras.Model, list[dict[str, float]]]:
            return pretrain_embedder(
                for_training(self.networks.embedder()),
                self._data,
                self._run,
                plan=self._runner.plan(
                    PRETRAIN, self._config.pretraining_epochs, settings.pretrain_learning_rate
                ),
                schedule=schedule,
                batches=partial(self._runner.batches, schedule),
                progress=self._progress,
                say=self._say,
            )

        return self._runner.once(PRETRAIN, [(schedule, None)], train)

    def train_head(self, *, begin_at: Callable[[keras.Model], None] | None = None) -> dict[str, Any]:
        """Trains a head on the frozen pretrained embedder.

        Args:
            begin_at: Sets the new classifier's head to where training begins; at random if None.
        """
        settings = self._config.schedule

        def start() -> keras.Model:
            embedder = self.networks.pretrained()
            # Frozen layers run in inference mode, so batch statistics stay those of pretraining.
            embedder.trainable = False
            classifier = self.networks.classifier_on(embedder)
            if begin_at is not None:
                begin_at(classifier)
            return classifier

        return self._classify(
            ClassifyingStage(
                FROZEN,
                start,
                settings.head_epochs,
                settings.head_learning_rate,
                **self._as_configured,
            )
        )

    def train_companion(self) -> dict[str, Any]:
        """Trains another network from random weights, for the end-to-end one to learn from.

        It draws as that one does and has its remedy, so that they differ by chance and pretraining only.
        """
        settings = self._config.schedule
        return self._classify(
            ClassifyingStage(
                COMPANION,
                lambda: self.networks.classifier_on(for_training(self.networks.embedder())),
                settings.scratch_epochs,
                settings.pretrain_learning_rate,
                sublabel_weight=end_to_end_training(self._data).sublabel_weight,
                **self._as_configured,
            )
        )

    def train_end_to_end(self) -> dict[str, Any]:
        """Trains the whole network, from the pretrained weights unless there is little audio of events.

        Raises:
            RunError: It is to learn from the networks before it, and one of them has not been trained.
        """
        settings = self._config.schedule
        weight = self._config.distillation_weight
        if weight:
            self._require_trained(FROZEN, COMPANION)
        how = end_to_end_training(self._data)
        begin = self.networks.pretrained if how.pretrained else self.networks.embedder
        return self._classify(
            ClassifyingStage(
                END_TO_END,
                lambda: self.networks.classifier_on(for_training(begin())),
                settings.finetune_epochs if how.pretrained else settings.scratch_epochs,
                settings.finetune_learning_rate if how.pretrained else settings.pretrain_learning_rate,
                sublabel_weight=how.sublabel_weight,
                distillation=self._distillation if weight else None,
                taught=self._config.taught.weight > 0,
                **self._as_configured,
            )
        )

    def _require_trained(self, *stages: str) -> None:
        for stage in stages:
            if self._run.result(stage) is None:
                raise RunError(
                    "the end-to-end network learns from networks that have to be trained first",
                    expected=f"{' and '.join(stages)}",
                    received=f"no {stage}",
                    where=self._run.root,
                    fix="train it first, or set distillation_weight to 0",
                )

    def _distillation(self) -> Distillation:
        """What the networks trained before say."""
        before = [self.networks.classifier(variant) for variant in (FROZEN, COMPANION)]
        return Distillation(before, weight=self._config.distillation_weight)

    def train_from_scratch(
        self,
        *,
        rebalance: str = "class_weight",
        class_weights: Mapping[str, float] | None = None,
        sublabel_weight: float = 0.0,
        even_groups: float = 0.0,
        backwards_share: float = 0.0,
        watched: bool = False,
        taught: bool = False,
    ) -> dict[str, Any]:
        """Trains the whole network from random weights; with class weights alone it is the yardstick.

        Args:
            rebalance: Remedy for imbalance.
            class_weights: Factors by label on top of it (see `TrainConfig`); none for the yardstick, which
                stays what it is whatever was tuned.
            sublabel_weight: Of the second task; 0 for none.
            even_groups: See `TrainConfig`.
            backwards_share: Likewise.
            watched: Whether to keep what the network thinks of the training clips while it learns them.
            taught: Whether it agrees with a head on the teacher too, as the settings say.
        """
        settings = self._config.schedule
        return self._classify(
            ClassifyingStage(
                CLASS_WEIGHTED,
                lambda: self.networks.classifier_on(for_training(self.networks.embedder())),
                settings.scratch_epochs,
                settings.pretrain_learning_rate,
                rebalance=rebalance,
                class_weights=class_weights or {},
                sublabel_weight=sublabel_weight,
                even_groups=even_groups,
                backwards_share=backwards_share,
                taught=taught,
                dynamics=self.networks.dynamics() if watched else None,
            )
        )

    @property
    def _as_configured(self) -> dict[str, Any]:
        """Remedy, factors and draws of every stage but the yardstick's."""
        config = self._config
        return {
            "rebalance": config.rebalance,
            "class_weights": config.class_weights,
            "even_groups": config.even_groups,
            "backwards_share": config.backwards_share,
        }

    def _classify(self, stage: ClassifyingStage) -> dict[str, Any]:
        return train_classifying_stage(
            stage,
            self._data,
            self._run,
            networks=self.networks,
            runner=self._runner,
            progress=self._progress,
            say=self._say,
        )
