"""Metrics of clip probabilities: average precision, balanced error, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, confusion_matrix

from kwsembed.errors import DivergenceError


def clip_metrics(
    probabilities: np.ndarray, classes: np.ndarray, *, labels: Sequence[str], event_count: int
) -> dict[str, Any]:
    """What the probabilities of clips are worth.

    Args:
        probabilities: `(clips, labels)`.
        classes: `(clips,)` true label index.
        labels: Names, events first.
        event_count: How many of the labels are events.

    Returns:
        `macro_average_precision`: mean over the event labels that have clips, one against the rest (None if
        none has); `balanced_error`: mean over the labels that have clips of the share whose largest
        probability is another label's; `confusion`: rows true, columns predicted; `per_class`: per label
        `average_precision` (None without clips of the label, or with no others), `prevalence`, `clips`,
        `error`.

    Raises:
        DivergenceError: A probability is NaN or infinite: the network that gave it has diverged.

    Example:
        >>> metrics = clip_metrics(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1]),
        ...                        labels=["dog", "noise"], event_count=1)
        >>> metrics["macro_average_precision"], metrics["balanced_error"]
        (1.0, 0.25)
    """
    if not np.all(np.isfinite(probabilities)):
        broken = int(np.sum(~np.isfinite(probabilities).all(axis=1)))
        raise DivergenceError(
            "the network's scores are not finite, so they cannot be judged",
            received=f"{broken} of {len(classes)} clips with NaN or infinity",
            fix="lower the learning rate, and look for broken input",
        )
    predicted = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, int)
    per_class: dict[str, dict[str, Any]] = {}
    for index, label in enumerate(labels):
        true = classes == index
        count = int(true.sum())
        defined = 0 < count < len(classes)
        per_class[label] = {
            "average_precision": float(average_precision_score(true, probabilities[:, index]))
            if defined
            else None,
            "prevalence": count / len(classes) if len(classes) else 0.0,
            "clips": count,
            "error": float(np.mean(predicted[true] != index)) if count else None,
        }
    precisions = [per_class[label]["average_precision"] for label in labels[:event_count]]
    errors = [values["error"] for values in per_class.values()]
    return {
        "macro_average_precision": _mean(precisions),
        "balanced_error": _mean(errors),
        "clips": len(classes),
        "labels": list(labels),
        "confusion": confusion_matrix(classes, predicted, labels=range(len(labels))).tolist()
        if len(classes)
        else [],
        "per_class": per_class,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
