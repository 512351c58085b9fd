"""What the stages of a run share: batches, a plan, and that what has finished is not trained again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed import atomic
from kwsembed.config import TrainConfig
from kwsembed.data.pipeline import training_dataset
from kwsembed.data.sampling import WindowSchedule
from kwsembed.training.checkpointing import spent_s
from kwsembed.training.composition import composition_line
from kwsembed.training.data import TrainingData
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stage import StagePlan
from kwsembed.training.variables_file import save_variables


def phase_name(stage: str, number: int) -> str:
    """Name of a stage's first, second ... phase, in files and on the screen."""
    return stage if number == 0 else f"{stage}_{number + 1}"


class StageRunner:
    """Trains a stage unless it has finished, and keeps its weights and what is known of it.

    Args:
        data: Decoded clips and their splits.
        run: Where checkpoints and results go.
        say: Receives lines for the user.
    """

    def __init__(self, data: TrainingData, run: RunDirectory, *, say: Callable[[str], None]) -> None:
        self._data = data
        self._run = run
        self._say = say
        self._config: TrainConfig = data.config

    def plan(self, name: str, epochs: int, learning_rate: float) -> StagePlan:
        """A plan with the run's length of epochs and weight decay."""
        settings = self._config.schedule
        return StagePlan(
            name=name,
            epochs=epochs,
            epoch_steps=settings.epoch_steps,
            learning_rate=learning_rate,
            weight_decay=settings.weight_decay,
        )

    def batches(
        self,
        schedule: WindowSchedule,
        first_step: int,
        last_step: int,
        *,
        round_windows: int | None = None,
    ) -> tf.data.Dataset:
        """Augmented batches of the steps [first_step, last_step).

        Args:
            schedule: What is drawn.
            first_step: Step of the first batch.
            last_step: The step before which to stop.
            round_windows: Windows after which the same ones come again, augmented only as can be heard; None
                for never.

        Returns:
            As `kwsembed.data.pipeline.training_dataset`.
        """
        augment = self._config.augment
        if round_windows is not None:
            # What the objective knows of each window, it knows of what was heard.
            augment = augment.of_waveforms_only()
        return training_dataset(
            self._data.store,
            schedule,
            frontend=self._config.frontend,
            augment=augment,
            first_step=first_step,
            last_step=last_step,
            seed=self._config.seed,
            round_steps=None if round_windows is None else round_windows // schedule.batch_size,
            surroundings=self._data.surroundings,
        )

    def once(
        self,
        stage: str,
        phases: Sequence[tuple[WindowSchedule, np.ndarray | None]],
        train: Callable[[], tuple[keras.Model, list[dict[str, float]]]],
    ) -> dict[str, Any]:
        """The stage's result: from an earlier run if it finished there, else by training.

        Args:
            stage: Name of the stage.
            phases: What each phase draws and its `(labels,)` class weights; None for no weights.
            train: Trains, from the newest checkpoint if there is one; gives the network and one dict of
                metrics per epoch.

        Returns:
            `history`; `duration_s`, of earlier sittings too, None where one did not record it; `composition`,
            each label's share of the last phase's batches; `class_weights` by label, if it has any.
        """
        done = self._run.result(stage)
        if done is not None:
            self._say(f"{stage}: finished earlier")
            return done
        for number, (schedule, class_weights) in enumerate(phases):
            self._say(
                f"{phase_name(stage, number)}: a batch of {schedule.batch_size} holds "
                f"{composition_line(schedule, class_weights, self._data.labels)}"
            )
        earlier_s = [spent_s(self._run.epochs(phase_name(stage, number))) for number in range(len(phases))]
        since_s = time.monotonic()
        model, history = train()
        here_s = time.monotonic() - since_s
        with atomic.replacing(self._run.weights(stage)) as temporary:
            save_variables(temporary, model.variables)
        # Of a stage in two phases, what its last phase drew: the first may be plain on purpose.
        schedule, class_weights = phases[-1]
        result: dict[str, Any] = {
            "history": history,
            "duration_s": None if None in earlier_s else sum(filter(None, earlier_s)) + here_s,
            "composition": dict(zip(self._data.labels, map(float, schedule.probabilities), strict=True)),
        }
        if class_weights is not None:
            result["class_weights"] = dict(zip(self._data.labels, map(float, class_weights), strict=True))
        self._run.finish(stage, result)
        return result
