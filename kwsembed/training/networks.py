"""The networks of one run: as they begin, and with the weights that each stage left."""

from __future__ import annotations

import keras
import numpy as np

from kwsembed.config import TrainConfig
from kwsembed.models import build_classifier, build_embedder
from kwsembed.training.data import TrainingData
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.training_dynamics import TrainingDynamics
from kwsembed.training.variables_file import load_variables

PRETRAIN = "pretrain"
CLASS_WEIGHTED = "class_weighted"
FROZEN = "frozen"
COMPANION = "companion"
END_TO_END = "end_to_end"
VARIANTS = (CLASS_WEIGHTED, FROZEN, END_TO_END)
STAGES = (CLASS_WEIGHTED, PRETRAIN, FROZEN, COMPANION, END_TO_END)
"""In order: the end-to-end network learns from the two before it."""


def new_embedder(config: TrainConfig) -> keras.Model:
    """An embedder with the initial weights of a configuration."""
    return build_embedder(
        config.backbone,
        frames=config.frontend.frame_count(config.window_samples),
        mels=config.frontend.mel_count,
        width=config.width,
        embedding_size=config.embedding_size,
        seed=config.seed,
    )


class Networks:
    """Builds the networks of a run.

    Args:
        data: Decoded clips and their splits.
        run: Where the stages left their weights.
    """

    def __init__(self, data: TrainingData, run: RunDirectory) -> None:
        self._data = data
        self._run = run
        self._config: TrainConfig = data.config

    def embedder(self) -> keras.Model:
        """A new embedder with the run's initial weights."""
        return new_embedder(self._config)

    def pretrained(self) -> keras.Model:
        """A new embedder with the weights that `pretrain` left."""
        embedder = self.embedder()
        load_variables(self._run.weights(PRETRAIN), embedder.variables)
        return embedder

    def classifier_on(self, embedder: keras.Model) -> keras.Model:
        """A classifier with a new head on an embedder."""
        return build_classifier(embedder, len(self._data.labels), seed=self._config.seed)

    def classifier(self, variant: str) -> keras.Model:
        """A new classifier with the weights that a variant's stage left."""
        classifier = self.classifier_on(self.embedder())
        load_variables(self._run.weights(variant), classifier.variables)
        return classifier

    def dynamics(self) -> TrainingDynamics:
        """Watches the training clips; it has seen nothing yet."""
        return TrainingDynamics(len(self._data.clips_of("train")), len(self._data.labels))

    def learned_probabilities(self) -> np.ndarray | None:
        """`(training clips, labels)` mean probabilities while training from scratch; None if not watched."""
        file = self._run.dynamics(CLASS_WEIGHTED)
        if not file.exists():
            return None
        dynamics = self.dynamics()
        load_variables(file, dynamics.carried)
        return dynamics.mean()
