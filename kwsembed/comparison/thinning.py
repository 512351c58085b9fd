"""Making data rarer on purpose: the training positives thinned by group, to a ratio against background."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np


def thinned(
    classes: np.ndarray,
    groups: Sequence[str],
    event: np.ndarray,
    *,
    ratio: float,
    seed: int,
) -> np.ndarray:
    """Which training clips are kept so that each event class is `ratio` times rarer than background.

    Groups (recordings, speakers) are kept in an order drawn once a seed, whole but for the last, so what is
    kept at a higher ratio is part of what is kept at a lower one. A class that is rarer anyway is left whole;
    one clip is always kept. Background is left whole.

    Args:
        classes: `(clips,)` class of each training clip.
        groups: `(clips,)` its group.
        event: `(classes,)` bool, True for events.
        ratio: Background clips per clip of each event class, > 0; infinity leaves one clip.
        seed: Of the order of groups.

    Returns:
        `(clips,)` bool, True for those kept.

    Example:
        >>> kept = thinned(np.array([0, 0, 0, 1, 1, 1, 1]), list("aabcdef"), np.array([True, False]),
        ...                ratio=2.0, seed=0)
        >>> int(kept[:3].sum()), int(kept[3:].sum())
        (2, 4)
    """
    classes, names = np.asarray(classes), np.asarray(groups)
    kept = np.ones(len(classes), bool)
    background = int(np.sum(~event[classes]))
    wanted = max(1, round(background / ratio))
    for index in np.flatnonzero(event):
        members = np.flatnonzero(classes == index)
        order = _group_order(names[members], seed=seed, salt=int(index))
        in_order = np.concatenate([members[names[members] == group] for group in order] or [members])
        kept[in_order[wanted:]] = False
    return kept


def _group_order(names: np.ndarray, *, seed: int, salt: int) -> list[str]:
    """The distinct names in an order that depends on the seed and on the names, not on where they stand."""
    distinct = sorted(set(names.tolist()))
    random = np.random.default_rng((seed, salt, zlib.crc32("\n".join(distinct).encode())))
    return [distinct[position] for position in random.permutation(len(distinct))]
