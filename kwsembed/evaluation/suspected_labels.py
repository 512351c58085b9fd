"""Clips whose label is probably wrong, by confident learning."""

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
        own_probability: Of its own label.
        suggested_probability: Of the other.
    """

    index: int
    suggested: int
    own_probability: float
    suggested_probability: float

    @property
    def margin(self) -> float:
        """By how much its own label is behind; the lower, the more probably it is wrong."""
        return self.own_probability - self.suggested_probability


def suspected_labels(probabilities: np.ndarray, label_index: np.ndarray) -> list[SuspectedLabel]:
    """Clips whose label is probably wrong, the most probable first.

    The rule of confident learning: a clip is suspected of a label whose probability for it is at least what
    clips of that label have on average, and higher than that of its own (Northcutt, Jiang, Chuang 2021,
    arXiv:1911.00068, equations 1 and 2).

    Args:
        probabilities: `(clips, labels)`, with all labels taken to be equally frequent, from somebody who does
            not simply repeat the clip's label; NaN where nobody can say.
        label_index: `(clips,)` int, as labelled.

    Example:
        >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9]])
        >>> suspected_labels(probabilities, np.array([0, 0, 0, 1, 1]))
        [SuspectedLabel(index=2, suggested=1, own_probability=0.1, suggested_probability=0.9)]
    """
    probabilities = np.asarray(probabilities, np.float64)
    clips = np.arange(len(probabilities))
    own = probabilities[clips, label_index]
    typical = np.array([_mean(own[label_index == label]) for label in range(probabilities.shape[1])])
    rivals = np.where(probabilities >= typical, probabilities, -1.0)
    rivals[clips, label_index] = -1.0
    suggested = rivals.argmax(axis=1)
    rival = rivals[clips, suggested]
    suspects = np.flatnonzero(rival > np.nan_to_num(own, nan=2.0))
    return sorted(
        (
            SuspectedLabel(int(clip), int(suggested[clip]), float(own[clip]), float(rival[clip]))
            for clip in suspects
        ),
        key=lambda suspect: suspect.margin,
    )


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def out_of_fold_probabilities(
    embeddings: np.ndarray, label_index: np.ndarray, groups: Sequence[str], *, labels: int, seed: int = 0
) -> np.ndarray:
    """`(clips, labels)` probabilities, every clip by a classifier that was fitted on no clip of its group.

    A logistic regression with balanced classes, in five parts.

    Args:
        embeddings: `(clips, dims)`, finite.
        label_index: `(clips,)` int, as labelled.
        groups: `(clips,)` recording or speaker of each.
        labels: How many there are.
        seed: Of how groups are divided.

    Returns:
        Probabilities; NaN for labels with fewer than two groups, for their clips, and where a label is absent
        from what a clip's classifier was fitted on.

    Example:
        >>> apart = np.array([[1.0, 0.02 * i] for i in range(6)] + [[0.02 * i, 1.0] for i in range(6)])
        >>> labels = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])  # the sixth is wrong
        >>> found = out_of_fold_probabilities(apart, labels, [str(i) for i in range(12)], labels=2)
        >>> [suspect.index for suspect in suspected_labels(found, labels)]
        [5]
    """
    label_index, group_names = np.asarray(label_index), np.asarray(groups)
    probabilities = np.full((len(label_index), labels), np.nan)
    groups_of = {int(k): len(set(group_names[label_index == k])) for k in np.unique(label_index)}
    judged = [label for label, count in groups_of.items() if count >= 2]
    if len(judged) < 2:
        return probabilities
    usable = np.flatnonzero(np.isin(label_index, judged))
    vectors = _of_length_one(np.asarray(embeddings, np.float64)[usable])
    found = _out_of_fold(vectors, label_index[usable], group_names[usable], judged, seed=seed)
    probabilities[usable[:, None], judged] = found
    return probabilities


def nearest_of_label(
    index: int, label: int, embeddings: np.ndarray, label_index: np.ndarray, groups: Sequence[str]
) -> int | None:
    """Index of the clip of a label that is nearest to a clip by cosine, from another recording, if any is."""
    others = np.flatnonzero((label_index == label) & (np.asarray(groups) != groups[index]))
    if not len(others):
        return None
    distances = pairwise_distances(embeddings[index : index + 1], embeddings[others], metric="cosine")[0]
    return int(others[distances.argmin()])


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
