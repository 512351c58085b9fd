"""What a search maximises: events that are found while the false alarms keep the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

TIE_BREAK = 1e-3
"""Weight of average precision in the objective: recalls nearer than this are decided by it."""


@dataclass(frozen=True)
class Figures:
    """What a network, or several of different seeds, reached on validation.

    Attributes:
        recall: Mean over the event labels of the share of events found at the label's threshold, which was
            chosen on the same validation streams for the target of false alarms per hour.
        macro_average_precision: Mean average precision of the event labels, over clips.
        recall_by_label: Recall of each event label that has events.
    """

    recall: float
    macro_average_precision: float
    recall_by_label: Mapping[str, float]

    @property
    def objective(self) -> float:
        """Recall, and average precision where recalls are (nearly) equal: one number for the search.

        Example:
            >>> round(Figures(0.75, 0.8, {}).objective, 4)
            0.7508
        """
        return self.recall + TIE_BREAK * self.macro_average_precision


def figures_of(metrics: Mapping[str, Any]) -> Figures:
    """The figures in the metrics of a judgement, as they stand in metrics.json for a variant and a split.

    Args:
        metrics: What `Judgement.metrics` returned, at thresholds of the same split.

    Example:
        >>> figures_of({"macro_average_precision": 0.9, "per_class": {
        ...     "dog": {"miss_rate": 0.25}, "bell": {"miss_rate": None}, "noise": {}}}).recall
        0.75
    """
    recalls = {
        label: 1.0 - values["miss_rate"]
        for label, values in metrics["per_class"].items()
        if values.get("miss_rate") is not None
    }
    return Figures(fmean(recalls.values()), metrics["macro_average_precision"], recalls)


def mean_figures(of_seeds: Sequence[Figures]) -> Figures:
    """The mean over seeds, which all have the same labels."""
    return Figures(
        fmean(figures.recall for figures in of_seeds),
        fmean(figures.macro_average_precision for figures in of_seeds),
        {
            label: fmean(figures.recall_by_label[label] for figures in of_seeds)
            for label in of_seeds[0].recall_by_label
        },
    )
