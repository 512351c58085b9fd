"""Clips whose label is probably wrong: what other recordings of their label do not sound like."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

_PARTS = 5


@dataclass(frozen=True)
class SuspectedLabel:
    """A clip that sounds like another label.

    Attributes:
        index: Of the clip.
        suggested: Index of the label that it sounds like.
        own_probability: Of its own label, from a classifier that was not fitted on its recording, with all
            labels taken to be equally frequent.
        suggested_probability: Of the other.
        nearest: Index of the clip of that label that is nearest by cosine, from another recording.
    """

    index: int
    suggested: int
    own_probability: float
    suggested_probability: float
    nearest: int


def suspected_labels(
    embeddings: np.ndarray, label_index: np.ndarray, groups: Sequence[str], *, seed: int = 0
) -> list[SuspectedLabel]:
    """Clips whose label is probably wrong, the most probable first.

    Out-of-fold probabilities of a logistic regression on the embeddings, by groups, and the rule of confident
    learning: a clip is suspected of a label whose probability for it is at least what clips of that label
    have on average, and higher than that of its own (Northcutt, Jiang, Chuang 2021, arXiv:1911.00068,
    equations 1 and 2). A label with fewer than two groups is neither suspected nor suggested.

    Args:
        embeddings: `(clips, dims)`, finite.
        label_index: `(clips,)` int, as labelled.
        groups: `(clips,)` recording or speaker of each.
        seed: Of how groups are divided.

    Example:
        >>> apart = np.array([[1.0, 0.02 * i] for i in range(6)] + [[0.02 * i, 1.0] for i in range(6)])
        >>> labels = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])  # the sixth is wrong
        >>> [found.index for found in suspected_labels(apart, labels, [str(i) for i in range(12)])]
        [5]
    """
    label_index, group_names = np.asarray(label_index), np.asarray(groups)
    groups_of = {int(k): len(set(group_names[label_index == k])) for k in np.unique(label_index)}
    judged = [label for label, count in groups_of.items() if count >= 2]
    if len(judged) < 2:
        return []
    usable = np.flatnonzero(np.isin(label_index, judged))
    vectors = _of_length_one(np.asarray(embeddings, np.float64))
    probabilities = _out_of_fold(vectors[usable], label_index[usable], group_names[usable], judged, seed=seed)
    columns = np.searchsorted(judged, label_index[usable])
    own = probabilities[np.arange(len(usable)), columns]
    typical = np.array([np.nanmean(own[columns == column]) for column in range(len(judged))])
    rivals = np.where(probabilities >= typical, probabilities, -1.0)
    rivals[np.arange(len(usable)), columns] = -1.0
    suggested = rivals.argmax(axis=1)
    rival = rivals[np.arange(len(usable)), suggested]
    suspects = np.flatnonzero(rival > np.nan_to_num(own, nan=2.0))
    suspects = suspects[np.argsort((own - rival)[suspects], kind="stable")]
    return [
        SuspectedLabel(
            index=int(usable[row]),
            suggested=judged[suggested[row]],
            own_probability=float(own[row]),
            suggested_probability=float(rival[row]),
            nearest=_nearest(int(usable[row]), judged[suggested[row]], vectors, label_index, group_names),
        )
        for row in suspects
    ]


def _of_length_one(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _out_of_fold(
    vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, judged: list[int], *, seed: int
) -> np.ndarray:
    """`(clips, judged labels)` probabilities, every clip by a classifier that knows no clip of its group.

    NaN for a label that is absent where a clip's classifier was fitted.
    """
    # A label of fewer groups than parts is in some parts only, and all the more in what others are fitted on.
    parts = min(_PARTS, max(np.bincount(labels)))
    probabilities = np.full((len(labels), len(judged)), np.nan)
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    with threadpool_limits(1), warnings.catch_warnings():  # one thread, so that sums have one order
        warnings.filterwarnings("ignore", "The least populated class")
        for fitted, held_out in folds.split(vectors, labels, groups):
            if len(set(labels[fitted])) < 2:
                continue
            # Scaled to the usual spread of a coordinate, for which the default penalty is meant.
            scale = np.sqrt(vectors.shape[1])
            model = LogisticRegression(class_weight="balanced", max_iter=1000)
            model.fit(scale * vectors[fitted], labels[fitted])
            columns = np.searchsorted(judged, model.classes_)
            probabilities[np.ix_(held_out, columns)] = model.predict_proba(scale * vectors[held_out])
    return probabilities


def _nearest(index: int, label: int, vectors: np.ndarray, label_index: np.ndarray, groups: np.ndarray) -> int:
    others = np.flatnonzero((label_index == label) & (groups != groups[index]))
    distances = pairwise_distances(vectors[index : index + 1], vectors[others], metric="cosine")[0]
    return int(others[distances.argmin()])
