"""Objectives that compare the examples of one batch with each other and hold no weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from kwsembed.config import TrainConfig
from kwsembed.losses import (
    contrastive,
    prototypical,
    supervised_contrastive,
    triplet_batch_hard,
    triplet_semi_hard,
)
from kwsembed.pretraining.objective import BatchObjective, Objective


class SiameseObjective(BatchObjective):
    """Contrastive loss over the pairs of a batch; see `kwsembed.losses.contrastive`."""

    def __init__(self, *, margin: float = 1.0, **layer_options: Any) -> None:
        super().__init__(partial(contrastive, margin=margin), **layer_options)


def siamese(config: TrainConfig, classes: np.ndarray, class_count: int, *, margin: float) -> Objective:
    """See `kwsembed.losses.contrastive`."""
    return SiameseObjective(margin=margin)


def triplet_hard(config: TrainConfig, classes: np.ndarray, class_count: int, *, scale: float) -> Objective:
    """See `kwsembed.losses.triplet_batch_hard`."""
    return BatchObjective(partial(triplet_batch_hard, scale=scale), name="triplet_batch_hard")


def triplet_semi(config: TrainConfig, classes: np.ndarray, class_count: int, *, margin: float) -> Objective:
    """See `kwsembed.losses.triplet_semi_hard`."""
    return BatchObjective(partial(triplet_semi_hard, margin=margin), name="triplet_semi_hard")


def supcon(config: TrainConfig, classes: np.ndarray, class_count: int, *, temperature: float) -> Objective:
    """See `kwsembed.losses.supervised_contrastive`."""
    return BatchObjective(
        partial(supervised_contrastive, temperature=temperature), name="supervised_contrastive"
    )


def prototypes(config: TrainConfig, classes: np.ndarray, class_count: int, *, scale: float) -> Objective:
    """See `kwsembed.losses.prototypical`."""
    return BatchObjective(partial(prototypical, class_count=class_count, scale=scale), name="prototypical")
