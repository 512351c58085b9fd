"""How sure a figure is: intervals for a miss rate, and for the gain of one model over another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kwsembed.detection.proportion import Interval, proportion_interval

__all__ = ["Interval", "gain_interval", "proportion_interval", "weighted_average_precision"]


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
