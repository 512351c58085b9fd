"""What a student should predict of its teacher: the features' main directions, one row for each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

_MOST_FITTED = 20_000  # windows; more change the main directions little


@dataclass(frozen=True)
class TeacherTargets:
    """Targets of the windows of the training clips.

    Attributes:
        rows: `(windows, dims)` float32, clip after clip; their squared lengths are 1 on average.
        first_rows: `(items,)` the first row of each training clip.
        counts: `(items,)` how many rows it has.
        hop_samples: From one window's centre to the next; the first is centred at the clip's start.
        explained: Share of the features' variance that the targets keep.
    """

    rows: np.ndarray
    first_rows: np.ndarray
    counts: np.ndarray
    hop_samples: int
    explained: float


def teacher_targets(
    features: Sequence[np.ndarray], *, dims: int, hop_samples: int, seed: int = 0
) -> TeacherTargets:
    """Reduces a teacher's features to their principal components, over the windows of the training clips.

    Features that lie in [0, 1] are taken for probabilities, of which the square root is used: between rows
    of roots, squared distances are Hellinger's, in which a label that is never heard weighs nothing, while
    among logits all the unheard ones together outweigh what is heard.

    Args:
        features: For each training clip `(windows, features)`.
        dims: Components to keep, at most; as many as there are features or windows if that is fewer.
        hop_samples: See `TeacherTargets`.
        seed: Of the choice of windows that the components are fitted to, where there are very many.

    Example:
        >>> clips = [np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.0, 1.0]])]
        >>> targets = teacher_targets(clips, dims=1, hop_samples=4000)
        >>> targets.first_rows, np.abs(targets.rows).round(2).ravel(), targets.explained
        (array([0, 2]), array([0.71, 1.41, 0.71], dtype=float32), 1.0)
    """
    counts = np.array([len(rows) for rows in features], np.int64)
    probabilities = all(np.all((rows >= 0) & (rows <= 1)) for rows in features)

    def prepared(rows: np.ndarray) -> np.ndarray:
        values = np.asarray(rows, np.float32)
        return np.sqrt(values) if probabilities else values

    fitted = _sample(features, counts, seed)
    reduction = PCA(min(dims, *fitted.shape), svd_solver="full").fit(prepared(fitted))
    # Clip by clip: the features themselves may be many times as large as what is left of them.
    rows = np.concatenate([reduction.transform(prepared(clip)) for clip in features])
    length = np.sqrt(np.mean(np.sum(rows.astype(np.float64) ** 2, axis=1)))
    return TeacherTargets(
        rows=(rows / max(length, 1e-12)).astype(np.float32),
        first_rows=np.concatenate([[0], np.cumsum(counts)[:-1]]),
        counts=counts,
        hop_samples=hop_samples,
        explained=round(float(reduction.explained_variance_ratio_.sum()), 6),
    )


def _sample(features: Sequence[np.ndarray], counts: np.ndarray, seed: int) -> np.ndarray:
    """Windows of all clips, or `_MOST_FITTED` of them."""
    total = int(counts.sum())
    if total <= _MOST_FITTED:
        return np.concatenate(features)
    chosen = np.sort(np.random.default_rng(seed).choice(total, _MOST_FITTED, replace=False))
    edges = np.cumsum(counts)
    clips = np.searchsorted(edges, chosen, side="right")
    return np.stack(
        [features[clip][row - (edges[clip] - counts[clip])] for clip, row in zip(clips, chosen, strict=True)]
    )
