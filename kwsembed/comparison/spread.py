"""How an embedding fills its space: spread and effective rank, which show a collapse that scores may hide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def effective_rank(embeddings: np.ndarray) -> float:
    """How many directions the embeddings use: exp of the entropy of the normalised singular values.

    Source: Roy, Vetterli, "The effective rank: a measure of effective dimensionality" (EUSIPCO 2007),
    definition 1, of the centred embeddings.

    Args:
        embeddings: `(clips, dim)`.

    Returns:
        From 1 to `dim`; 0 where all embeddings are equal or there is only one.

    Example:
        >>> round(effective_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 3)
        2.0
    """
    centred = embeddings - embeddings.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    total = singular.sum()
    if total < 1e-9:
        return 0.0
    share = singular[singular > 1e-12 * total] / total
    return float(np.exp(-np.sum(share * np.log(share))))


def embedding_spread(embeddings: np.ndarray, classes: np.ndarray, *, labels: Sequence[str]) -> dict[str, Any]:
    """Spread within classes, distance between them, and effective rank.

    Args:
        embeddings: `(clips, dim)`, unit norm.
        classes: `(clips,)` class of each.
        labels: Names of the classes.

    Returns:
        `effective_rank`; `within`: per label the mean squared distance to the class mean (None without two
        clips); `between`: mean squared distance of the class means from their mean.

    Example:
        >>> points = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> found = embedding_spread(points, np.array([0, 0, 1, 1]), labels=["dog", "noise"])
        >>> found["within"]["dog"], found["between"]
        (0.0, 0.5)
    """
    within: dict[str, float | None] = {}
    means = []
    for index, label in enumerate(labels):
        members = embeddings[classes == index]
        if len(members):
            means.append(members.mean(axis=0))
        within[label] = (
            float(np.mean(np.sum((members - members.mean(axis=0)) ** 2, axis=1)))
            if len(members) > 1
            else None
        )
    centres = np.array(means)
    between = np.sum((centres - centres.mean(axis=0)) ** 2, axis=1).mean() if len(centres) else 0.0
    return {"effective_rank": effective_rank(embeddings), "within": within, "between": float(between)}
