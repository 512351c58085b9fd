"""Pretraining of the embedding: objectives behind one interface, and the Keras model that trains on them."""

from __future__ import annotations

from kwsembed.pretraining.objectives import (
    OBJECTIVES,
    ClusteringObjective,
    Objective,
    SiameseObjective,
    build_objective,
)
from kwsembed.pretraining.pretrainer import EmbeddingPretrainer, RefreshObjective

__all__ = [
    "OBJECTIVES",
    "ClusteringObjective",
    "EmbeddingPretrainer",
    "Objective",
    "RefreshObjective",
    "SiameseObjective",
    "build_objective",
]
