"""Pretraining of the embedding: objectives behind one interface, and the Keras model that trains on them."""

from __future__ import annotations

from kwsembed.pretraining.anchors import AnchorEmbeddings
from kwsembed.pretraining.cluster_objectives import ClusteringObjective
from kwsembed.pretraining.objective import Objective
from kwsembed.pretraining.objectives import OBJECTIVES, build_objective
from kwsembed.pretraining.pair_objectives import SiameseObjective
from kwsembed.pretraining.pretrainer import EmbeddingPretrainer, RefreshObjective

__all__ = [
    "OBJECTIVES",
    "AnchorEmbeddings",
    "ClusteringObjective",
    "EmbeddingPretrainer",
    "Objective",
    "RefreshObjective",
    "SiameseObjective",
    "build_objective",
]
