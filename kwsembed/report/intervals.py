"""How sure a figure is: intervals for a miss rate, and for the gain of one model over another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate between its 95 % bounds."""

    estimate: float
    low: float
    high: float


def proportion_interval(count: int, total: int) -> Interval:
    """Wilson's 95 % interval of a proportion (E. B. Wilson, JASA 1927).

    Args:
        count: How often it happened, from 0 to `total`.
        total: How often it could have, at least 1.

    Example:
        >>> [round(x, 3) for x in (proportion_interval(0, 10).low, proportion_interval(0, 10).high)]
        [0.0, 0.278]
    """
    z = 1.959964
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def weighted_average_precision(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision, as scikit-learn defines it, of one ranking under many weightings of its clips.

    Args:
        positive: (clips,) bool.
        scores: (clips,) the higher, the likelier; ties count as one step.
        weights: (weightings, clips) at least 0.

    Returns:
        (weightings,) average precision, NaN where no positive has weight.
    """
    order = np.argsort(-scores, kind="stable")
    steps = np.concatenate([np.flatnonzero(np.diff(scores[order])), [len(scores) - 1]])
    reached = np.cumsum(weights[:, order], axis=1)[:, steps]
    hits = np.cumsum(weights[:, order] * positive[order], axis=1)[:, steps]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(reached > 0, hits / reached, 0.0)
        return (np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1) / hits[:, -1]


def gain_interval(
    true_labels: np.ndarray,
    scores: np.ndarray,
    baseline_scores: np.ndarray,
    *,
    labels: Sequence[str],
    groups: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """The gain in macro average precision over a baseline, with a paired bootstrap over groups.

    Whole groups (recordings, speakers) are drawn again and again with replacement; both models meet the
    same draws, so that what clips of one recording have in common is not taken for evidence.

    Args:
        true_labels: (clips,) str.
        scores: (clips, labels) of the model.
        baseline_scores: (clips, labels) of the baseline, clips in the same order.
        labels: The classes of the columns, all of which are averaged.
        groups: (clips,) name of each clip's recording or speaker.

    Returns:
        The gain with its 95 % bounds; None where no label has both positives and negatives.
    """
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    weightings = np.concatenate([np.ones((1, len(names)), dtype=np.int64), drawn])
    columns = [c for c, label in enumerate(labels) if 0 < np.sum(true_labels == label) < len(true_labels)]
    if not columns:
        return None

    def macro_gain(part: np.ndarray) -> np.ndarray:
        weights = part[:, group_of.ravel()].astype(np.float64)
        gains = [
            weighted_average_precision(true_labels == labels[column], scores[:, column], weights)
            - weighted_average_precision(true_labels == labels[column], baseline_scores[:, column], weights)
            for column in columns
        ]
        # A draw may leave a rare class without a positive; the mean is then over the classes it does hold.
        return np.ma.masked_invalid(np.array(gains)).mean(axis=0)

    parts = -(
        -weightings.shape[0] * len(group_of) // 1_000_000
    )  # at most a million weights in memory at once
    macro = np.ma.concatenate([macro_gain(part) for part in np.array_split(weightings, parts)])
    low, high = np.quantile(macro[1:].compressed(), [0.025, 0.975])
    return Interval(float(macro[0]), float(low), float(high))
