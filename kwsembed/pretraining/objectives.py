"""The pretraining objectives by the names they are asked for (see `kwsembed.methods.PRETRAININGS`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kwsembed.config import TrainConfig
from kwsembed.methods import PRETRAININGS, TEACHER, parse_method
from kwsembed.pretraining import (
    cluster_objectives,
    exemplar_objective,
    pair_objectives,
    proxy_objectives,
    teacher_objective,
)
from kwsembed.pretraining.objective import Objective
from kwsembed.teaching.targets import TeacherTargets

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "clustering": cluster_objectives.clustering,
    "clustering_logistic": cluster_objectives.clustering_logistic,
    "lmle": cluster_objectives.lmle,
    "magnet": cluster_objectives.magnetic,
    "siamese": pair_objectives.siamese,
    "triplet_batch_hard": pair_objectives.triplet_hard,
    "triplet_semi_hard": pair_objectives.triplet_semi,
    "supervised_contrastive": pair_objectives.supcon,
    "prototypical": pair_objectives.prototypes,
    "normalised_softmax": proxy_objectives.normalised,
    "center": proxy_objectives.centered,
    "soft_triple": proxy_objectives.several_centers,
    "proxy_anchor": proxy_objectives.anchored,
    "exemplar": exemplar_objective.exemplars,
    TEACHER: teacher_objective.taught,
}
"""Builders by method name: `(config, classes (items,), class_count, **options) -> Objective`."""


def build_objective(
    config: TrainConfig,
    classes: np.ndarray,
    class_count: int,
    *,
    targets: Callable[[int, int], TeacherTargets] | None = None,
) -> Objective:
    """The objective that a config asks for.

    Args:
        config: Its `pretrain` names the method and its options.
        classes: `(items,)` class of every training clip.
        class_count: Number of classes.
        targets: Gives what the pretraining `teacher` imitates, in so many dimensions and of so many
            windows at most; not called by others.

    Example:
        >>> objective = build_objective(TrainConfig(pretrain="soft_triple:centers=2"), np.array([0, 1]), 2)
        >>> objective.centers.shape[1]
        2
    """
    method, options = parse_method(config.pretrain, PRETRAININGS, kind="pretrain")
    further = {}
    if method.name == TEACHER and targets is not None:
        further["targets"] = targets(int(options["dims"]), int(options["windows"]))
    return OBJECTIVES[method.name](config, classes, class_count, **options, **further)
