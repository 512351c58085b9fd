"""A bootstrap over groups: what the cells of a study would have measured on other such recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kwsembed.report.intervals import Interval, weighted_average_precision

RESAMPLES = 2000
RESAMPLES_PER_COMPARISON = 80  # the least p-value is 2 / (resamples + 1): twice what 5 % takes
_MOST_WEIGHTS = 1_000_000  # in memory at once


@dataclass(frozen=True)
class GroupDraws:
    """How often each group of a fold was drawn; row 0 stands for the data as they are.

    Attributes:
        counts: `(1 + resamples, groups)`.
        group_of: `(clips,)` group of each clip.
    """

    counts: np.ndarray
    group_of: np.ndarray

    def weights(self) -> Iterator[np.ndarray]:
        """Weights of the clips, `(some rows, clips)` float64 at a time, in the order of the rows."""
        parts = max(1, -(-len(self.counts) * len(self.group_of) // _MOST_WEIGHTS))
        for part in np.array_split(self.counts, parts):
            yield part[:, self.group_of].astype(np.float64)


def draw_groups(
    groups_of_fold: Mapping[int, Sequence[str]], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[int, GroupDraws]:
    """Draws groups with replacement, within each fold, as many as it has.

    Where folds share groups, as repeated random splits do, they are drawn from all groups together, so that a
    group that is tested twice is drawn or left out in both.

    Args:
        groups_of_fold: For each fold the group of each of its test clips.
        resamples: How many draws.
        seed: Of the draws.
    """
    distinct = {fold: np.unique(np.asarray(groups)) for fold, groups in groups_of_fold.items()}
    every = np.concatenate([*distinct.values(), np.array([], dtype=str)])
    shared = len(np.unique(every)) < len(every)
    pools = [np.unique(every)] if shared else list(distinct.values())
    random = np.random.default_rng(seed)
    drawn: dict[str, np.ndarray] = {}
    for pool in pools:
        counts = random.multinomial(len(pool), np.full(len(pool), 1 / len(pool)), size=resamples)
        counts = np.vstack([np.ones(len(pool), counts.dtype), counts]).astype(np.uint16)
        drawn.update(zip(pool.tolist(), counts.T, strict=True))
    found = {}
    for fold, groups in groups_of_fold.items():
        group_of = np.searchsorted(distinct[fold], np.asarray(groups))
        counts = np.stack([drawn[name] for name in distinct[fold].tolist()], axis=1)
        found[fold] = GroupDraws(counts, group_of)
    return found


def draw_seeds(
    seeds_of_fold: Mapping[int, Sequence[int]], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[tuple[int, int], np.ndarray]:
    """How often each (fold, seed) counts in each draw, `(1 + resamples,)`: seeds drawn within each fold."""
    random = np.random.default_rng((seed, 1))
    found = {}
    for fold, seeds in sorted(seeds_of_fold.items()):
        names = sorted(set(seeds))
        counts = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
        for column, name in enumerate(names):
            found[fold, name] = np.concatenate([[1], counts[:, column]]).astype(np.float64)
    return found


@dataclass(frozen=True)
class CellDraws:
    """What one cell measures on each draw; row 0 on the data as they are. NaN where it is undefined.

    Attributes:
        average_precision: `(1 + resamples, events)` one against the rest.
        balanced_error: `(1 + resamples,)` mean over the labels.
        misses: By false alarms per hour the `(1 + resamples,)` share of events missed in streams; empty where
            they were not measured.
    """

    average_precision: np.ndarray
    balanced_error: np.ndarray
    misses: Mapping[float, np.ndarray] = field(default_factory=dict)

    @property
    def macro_average_precision(self) -> np.ndarray:
        """`(1 + resamples,)` mean over the events that the draw holds."""
        return row_means(self.average_precision)


def measured(
    probabilities: np.ndarray, classes: np.ndarray, draws: GroupDraws, *, event_count: int
) -> CellDraws:
    """Average precision and balanced error of one cell under every draw.

    Args:
        probabilities: `(clips, labels)`.
        classes: `(clips,)` true class.
        draws: Of the fold's groups.
        event_count: How many of the labels, the first ones, are events.
    """
    precision, error = [], []
    for weights in draws.weights():
        precision.append(_average_precision(probabilities, classes, weights, event_count))
        error.append(_balanced_error(probabilities, classes, weights))
    return CellDraws(np.concatenate(precision).astype(np.float32), np.concatenate(error).astype(np.float32))


def _average_precision(
    probabilities: np.ndarray, classes: np.ndarray, weights: np.ndarray, event_count: int
) -> np.ndarray:
    found = np.full((len(weights), event_count), np.nan)
    for index in range(event_count):
        positive = classes == index
        if positive.any() and not positive.all():
            found[:, index] = weighted_average_precision(positive, probabilities[:, index], weights)
    return found


def _balanced_error(probabilities: np.ndarray, classes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    member = np.eye(probabilities.shape[1])[classes]
    wrong = member * (probabilities.argmax(axis=1) != classes)[:, np.newaxis]
    with np.errstate(invalid="ignore", divide="ignore"):
        return row_means((weights @ wrong) / (weights @ member))


def row_means(values: np.ndarray) -> np.ndarray:
    """Means of the rows over what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)


def mean_over_cells(values: Sequence[np.ndarray], seed_counts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over cells under every draw, each cell counting as often as its seed was drawn.

    Args:
        values: One `(1 + resamples,)` a cell, NaN where undefined.
        seed_counts: One `(1 + resamples,)` a cell.

    Returns:
        `(1 + resamples,)`.
    """
    total = np.zeros(len(values[0]))
    count = np.zeros(len(values[0]))
    for value, times in zip(values, seed_counts, strict=True):
        known = np.isfinite(value)
        total += np.where(known, value, 0.0) * times
        count += known * times
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count


def interval_of(draws: np.ndarray) -> Interval | None:
    """The estimate in row 0 between the 2.5 % and 97.5 % points of the others; None where it is undefined."""
    known = draws[1:][np.isfinite(draws[1:])]
    if not np.isfinite(draws[0]) or not len(known):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(draws[0]), float(low), float(high))


def chance_of_zero(draws: np.ndarray) -> float:
    """Two-sided p-value of a difference: how often a draw has not the estimate's sign, counted twice.

    Example:
        >>> chance_of_zero(np.array([0.2, 0.1, 0.3, 0.2]))
        0.5
    """
    known = draws[1:][np.isfinite(draws[1:])]
    fewer = min(np.sum(known <= 0), np.sum(known >= 0))
    return float(min(1.0, 2 * (fewer + 1) / (len(known) + 1)))


def holm(chances: Sequence[float]) -> list[float]:
    """P-values adjusted for how many comparisons were made (S. Holm, Scand. J. Statist. 1979).

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(chances)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[index]))
        adjusted[index] = highest
    return adjusted
