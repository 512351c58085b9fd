"""What a student should tell of its teacher: the main directions of its features, a row for each window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

MOST_FITTED = 20_000  # windows; more change the main directions little
_FIRST = slice(MOST_FITTED)


@dataclass(frozen=True)
class TeacherTargets:
    """Targets of the windows that are heard in one round; later rounds hear the same windows again.

    Attributes:
        rows: `(windows, dims)` float32; their squared lengths are 1 on average.
        explained: Share of the features' variance that the targets keep.
    """

    rows: np.ndarray
    explained: float


def teacher_targets(features: np.ndarray, *, dims: int, fitted: slice = _FIRST) -> TeacherTargets:
    """Reduces a teacher's features to their principal components.

    Features that lie in [0, 1] are taken for probabilities, of which the square root is used: between rows
    of roots, squared distances are Hellinger's, in which a label that is never heard weighs nothing, while
    among logits all the unheard ones together outweigh what is heard.

    Args:
        features: `(windows, features)`.
        dims: Components to keep, at most; as many as there are features or windows if that is fewer.
        fitted: Windows that the components are fitted to.

    Example:
        >>> targets = teacher_targets(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), dims=1)
        >>> np.abs(targets.rows).round(2).ravel(), targets.explained
        (array([0.71, 1.41, 0.71], dtype=float32), 1.0)
    """
    values = np.asarray(features, np.float32)
    if np.all((values >= 0) & (values <= 1)):
        values = np.sqrt(values)
    examples = values[fitted]
    reduction = PCA(min(dims, *examples.shape), svd_solver="full").fit(examples)
    rows = reduction.transform(values)
    length = np.sqrt(np.mean(np.sum(rows.astype(np.float64) ** 2, axis=1)))
    return TeacherTargets(
        rows=(rows / max(length, 1e-12)).astype(np.float32),
        explained=round(float(reduction.explained_variance_ratio_.sum()), 6),
    )
