"""A head on a teacher: what it could tell of the run's labels, though it was trained on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PENALTY = 0.003
"""Inverse strength of the penalty on the head's weights, for a sum over the windows."""

_LEAST = 1e-4  # a probability below this says no less
MOST_FITTED = 8192
"""Windows that a head is fitted to."""

_UNHEARD = -30.0  # logit of a class without a window


@dataclass(frozen=True)
class TeacherHead:
    """Probabilities of the labels from a teacher's answers, every label as likely as any other beforehand.

    Attributes:
        mean: `(features,)` taken from the answers.
        kernel: `(features, classes)` for what is left.
        bias: `(classes,)`.
        scores: Whether the teacher gives scores between 0 and 1, of which the logarithm is taken.
    """

    mean: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    scores: bool

    def probabilities(self, answers: np.ndarray) -> np.ndarray:
        """What it says.

        Args:
            answers: `(windows, features)` of the teacher.

        Returns:
            `(windows, classes)` float32; each row adds up to 1.
        """
        logits = (_prepared(answers, self.scores) - self.mean) @ self.kernel + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def fit_head(answers: np.ndarray, classes: np.ndarray, class_count: int) -> TeacherHead:
    """A logistic regression on a teacher's answers, with class weights in inverse proportion to class size.

    Where there are few clips, it is the augmentation that makes it good: on the same clips as they are it
    learns what surrounds them (docs/decisions/0029-taught-by-a-head-on-a-teacher.md).

    Args:
        answers: `(windows, features)` for augmented windows; the first 8,192 are used. Answers that all lie
            in [0, 1] are taken for scores.
        classes: `(windows,)` class of each.
        class_count: How many classes there are.

    Raises:
        ValueError: All windows are of one class.

    Example:
        >>> head = fit_head(np.array([[-1.0], [-1.0], [3.0]]), np.array([0, 0, 1]), 2)
        >>> bool(head.probabilities(np.array([[3.0]]))[0, 1] > 0.5)
        True
    """
    scores = bool(np.all((answers >= 0) & (answers <= 1)))
    fitted, of = _prepared(answers[:MOST_FITTED], scores), np.asarray(classes)[:MOST_FITTED]
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
    ).fit(fitted, of)
    scaler, regression = model[0], model[1]
    kernel = np.zeros((fitted.shape[1], class_count))
    bias = np.full(class_count, _UNHEARD)
    weights, offsets = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # scikit-learn keeps one row, the logit of the second class
        weights, offsets = (
            np.concatenate([-weights / 2, weights / 2]),
            np.array([-offsets[0], offsets[0]]) / 2,
        )
    kernel[:, regression.classes_] = (weights / scaler.scale_).T
    bias[regression.classes_] = offsets
    return TeacherHead(scaler.mean_, kernel, bias, scores)


def _prepared(answers: np.ndarray, scores: bool) -> np.ndarray:
    values = np.asarray(answers, np.float64)
    return np.log(np.maximum(values, _LEAST)) if scores else values
