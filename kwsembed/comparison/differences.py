"""How two contenders differ over the cells that both have, and which pairs are worth telling of."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from kwsembed.comparison import bootstrap
from kwsembed.comparison.bootstrap import CellDraws
from kwsembed.comparison.contender import BATCHES, YARDSTICK
from kwsembed.comparison.standing import Difference

Key = tuple[int, int]
"""Fold and seed of a cell."""


def difference(
    first: str,
    second: str,
    ratio: float,
    cells: Mapping[str, Mapping[Key, CellDraws]],
    seeds: Mapping[Key, np.ndarray],
) -> Difference:
    """The first contender against the second, over the (fold, seed) that both have, under the same draws."""
    shared = sorted(set(cells[first]) & set(cells[second]))
    if not shared:
        return Difference(first, second, ratio, 0, None, None)
    counts = [seeds[key] for key in shared]

    def mean(name: str, figure: Callable[[CellDraws], np.ndarray]) -> np.ndarray:
        return bootstrap.mean_over_cells([figure(cells[name][key]) for key in shared], counts)

    def fewer(figure: Callable[[CellDraws], np.ndarray]) -> np.ndarray:
        return relative_gain(mean(first, figure), mean(second, figure))

    precision = operator.attrgetter("macro_average_precision")
    gain = mean(first, precision) - mean(second, precision)
    fewer_errors = fewer(operator.attrgetter("balanced_error"))
    errors = bootstrap.interval_of(fewer_errors)
    both = [cells[name][key] for name in (first, second) for key in shared]
    misses = {rate: bootstrap.interval_of(fewer(_misses_at(rate))) for rate in rates_of_all(both)}
    return Difference(
        first,
        second,
        ratio,
        len(shared),
        precision_gain=bootstrap.interval_of(gain),
        fewer_errors=errors,
        fewer_misses={rate: interval for rate, interval in misses.items() if interval is not None},
        chance=None if errors is None else bootstrap.chance_of_zero(fewer_errors),
    )


def relative_gain(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How many fewer errors the first makes, as a share of those of the second, on every draw.

    Draws on which the second makes none are kept, since they speak for it: no errors against none are no
    difference, and any number against none counts as twice as many, which has the right sign.

    Args:
        first: `(1 + resamples,)` errors of the one that is judged, NaN where undefined.
        second: `(1 + resamples,)` of the one that it is compared with.

    Returns:
        `(1 + resamples,)`, at most 1.

    Example:
        >>> relative_gain(np.array([0.1, 0.0, 0.3]), np.array([0.2, 0.0, 0.0]))
        array([ 0.5,  0. , -1. ])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        against_none = np.where(first > 0, -1.0, np.where(first == 0, 0.0, np.nan))
        return np.where(second == 0, against_none, 1.0 - first / second)


def _misses_at(rate: float) -> Callable[[CellDraws], np.ndarray]:
    return lambda cell: cell.misses[rate]


def rates_of_all(cells: Iterable[CellDraws]) -> list[float]:
    """The rates of false alarms at which all of the cells counted misses."""
    counted = [set(cell.misses) for cell in cells]
    return sorted(set.intersection(*counted)) if counted else []


def adjusted(against: Mapping[tuple[str, float], Difference]) -> dict[tuple[str, float], Difference]:
    """The same differences, their chances adjusted by Holm for how many there are."""
    tested = [key for key, found in against.items() if found.chance is not None]
    chances = bootstrap.holm([against[key].chance or 0.0 for key in tested])
    return {
        **against,
        **{
            key: replace(against[key], adjusted_chance=value)
            for key, value in zip(tested, chances, strict=True)
        },
    }


def pairs_asked_for(names: Sequence[str]) -> list[tuple[str, str]]:
    """Which differences are told of beside those from class weights.

    End to end against frozen, clustering against siamese with the same remedy, a method against itself with
    other options, without events played backwards, without groups drawn alike, without distillation, without
    a teacher or with other batches, and a pretrained network against one without pretraining that has the
    same remedy.
    """
    pairs = [(name.replace("/frozen", ""), name) for name in names if "/frozen" in name]
    pairs += [
        (name, name.replace("clustering", "siamese")) for name in names if name.startswith("clustering")
    ]
    pairs += [(_without_options(name), name) for name in names if ":" in name]
    pairs += [(name, name.partition("+")[2]) for name in names if "+" in name]
    for added in ("+backwards", "+even_groups", "+distilled", "+taught"):
        pairs += [(name, name.replace(added, "")) for name in names if added in name]
    pairs += [(_without_batches(name), name) for name in names if _without_batches(name) != name]
    return [pair for pair in dict.fromkeys(pairs) if set(pair) <= set(names) and YARDSTICK not in pair]


def _without_options(name: str) -> str:
    """What a contender is called with the defaults of its methods."""
    return re.sub(r":[^/+]*", "", name)


def _without_batches(name: str) -> str:
    """What a contender is called that leaves it to its method how classes are drawn."""
    return re.sub(rf"\+({'|'.join(BATCHES)})\b", "", name)
