"""How the float networks of a run do on validation and test, each at its own thresholds."""

from __future__ import annotations

from typing import Any, Protocol

from kwsembed.detection.post_processing import PostProcessing
from kwsembed.evaluation.judge import Judgement, judge
from kwsembed.evaluation.scoring import network_scorer
from kwsembed.progress import Progress
from kwsembed.training import shipping
from kwsembed.training.data import TrainingData
from kwsembed.training.networks import VARIANTS, Networks


class _ProgressOf(Protocol):
    def __call__(self, title: str, *, unit: str) -> Progress: ...


def judge_variants(
    networks: Networks, data: TrainingData, *, post: PostProcessing, progress: _ProgressOf
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Judgement]]]:
    """Metrics and judgements by variant and split; thresholds always come from validation.

    Args:
        networks: As the stages left them.
        data: The run's data.
        post: How scores are smoothed.
        progress: Makes a progress function from a title and a unit.
    """
    variants: dict[str, dict[str, Any]] = {}
    judgements: dict[str, dict[str, Judgement]] = {}
    splits = [split for split in ("validation", "test") if len(data.clips_of(split))]
    for variant in VARIANTS:
        scorer = network_scorer(networks.classifier(variant), data.config.frontend)
        judgements[variant] = {
            split: judge(
                scorer, data.audio(split), post=post, progress=progress(f"{variant} on {split}", unit="clips")
            )
            for split in splits
        }
        points = judgements[variant]["validation"].choose_thresholds(data.config.target_false_alarms_per_hour)
        bias = judgements[variant]["validation"].fit_bias()
        variants[variant] = shipping.metrics_by_split(judgements[variant], points, bias)
    return variants, judgements
