"""Score calibration for MediaPipe and the Task Library: one cut, 0.5, stands for every label's threshold.

Their metadata has one score threshold for all labels, and a sigmoid per label that is applied to the scores
first. A sigmoid that moves a label's odds by the odds of its threshold makes 0.5 the threshold of each:

    calibrated = scale / (1 + exp(-(slope * logit(score) + offset))),  slope = 1, offset = -logit(threshold)

It is monotone, so no label's ranking changes, and nothing is lost: the inverse is the same with `+`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kwsembed.errors import ConfigError

CALIBRATED_THRESHOLD = 0.5

# A threshold above 1 silences its label: its calibrated score keeps its order and stays below 0.5.
_SILENT_SCALE = 0.49
# The clients' logit of the float32 below 1 is 16.6, that of 1 is 37.5: between them lies the offset of a
# threshold that only 1 reaches. Theirs of 0 is -37.5.
_LARGEST_LOGIT = 30.0
# `ClampedLog` of both clients: below this it goes on without reaching minus infinity.
_SMALLEST_SCORE = 1e-16


@dataclass(frozen=True)
class Sigmoid:
    """How clients calibrate the scores of one label: three numbers of a line of their calibration file."""

    scale: float
    slope: float
    offset: float


def sigmoids_for(labels: Sequence[str], thresholds: Mapping[str, float]) -> tuple[Sigmoid, ...]:
    """Returns the sigmoid of each label.

    A label with a threshold reaches 0.5 exactly where its score reaches the threshold, up to the rounding of
    float32. A label without one is background: it reaches 0.5 only where no event can have reached its
    threshold, since the scores of a window add up to 1. So an app that shows the highest label, or all
    labels from 0.5 on, shows what was detected.

    Args:
        labels: All labels, in the order of the model's outputs.
        thresholds: Threshold of each event label, above 0; above 1 it silences its label.

    Raises:
        ConfigError: A threshold is not above 0, or its label is none of `labels`.

    Example:
        >>> sigmoids_for(["dog_bark", "background"], {"dog_bark": 0.8})[0]
        Sigmoid(scale=1.0, slope=1.0, offset=-1.3862943611198908)
    """
    unknown = sorted(set(thresholds) - set(labels))
    if unknown:
        raise ConfigError("a threshold for a label that the model has not", expected=labels, received=unknown)
    for label, threshold in thresholds.items():
        if not (math.isfinite(threshold) and threshold > 0):
            raise ConfigError(
                f"the threshold of {label} is out of range", expected="above 0", received=f"{threshold=}"
            )
    within_reach = [threshold for threshold in thresholds.values() if threshold <= 1]
    background = 1 - min(within_reach) if within_reach else CALIBRATED_THRESHOLD
    return tuple(_sigmoid(thresholds.get(label, background)) for label in labels)


def calibrated(scores: np.ndarray, sigmoids: Sequence[Sigmoid]) -> np.ndarray:
    """Scores as a client reports them: (windows, labels) in [0, 1] -> the same shape, float64.

    Example:
        >>> calibrated(np.array([[0.8, 0.2]]), sigmoids_for(["dog", "other"], {"dog": 0.8})).round(6)
        array([[0.5, 0.5]])
    """
    scale, slope, offset = np.array([(s.scale, s.slope, s.offset) for s in sigmoids]).T
    scores = np.asarray(scores, np.float64)
    shifted = (_clamped_log(scores) - _clamped_log(1 - scores)) * slope + offset
    return scale / (1 + np.exp(-shifted))


def uncalibrated(reported: np.ndarray, sigmoids: Sequence[Sigmoid]) -> np.ndarray:
    """The model's own scores from those that a client reports: the inverse of `calibrated`, same shape.

    Exact for events. For background beside a threshold near 1, what a client reports is so near 1 that single
    precision has lost the score.

    Example:
        >>> uncalibrated(np.array([[0.5, 0.5]]), sigmoids_for(["dog", "other"], {"dog": 0.8})).round(6)
        array([[0.8, 0.2]])
    """
    scale, slope, offset = np.array([(s.scale, s.slope, s.offset) for s in sigmoids]).T
    share = np.clip(np.asarray(reported, np.float64) / scale, 0, 1)
    with np.errstate(divide="ignore", over="ignore"):  # certainty lies at infinity
        shifted = np.log(share) - np.log1p(-share)
        return np.asarray(1 / (1 + np.exp((offset - shifted) / slope)))


def calibration_file(sigmoids: Sequence[Sigmoid]) -> str:
    """The file that clients read: a line per label, and no line break at the end, which would be one more."""
    return "\n".join(f"{s.scale:.9g},{s.slope:.9g},{s.offset:.9g}" for s in sigmoids)


def parse_calibration_file(text: str) -> tuple[Sigmoid, ...]:
    """The inverse of `calibration_file`."""
    return tuple(Sigmoid(*(float(part) for part in line.split(","))) for line in text.split("\n"))


def _sigmoid(threshold: float) -> Sigmoid:
    if threshold > 1:
        return Sigmoid(_SILENT_SCALE, 1.0, 0.0)
    threshold = max(threshold, _SMALLEST_SCORE)
    logit = math.log(threshold) - math.log(1 - threshold) if threshold < 1 else math.inf
    return Sigmoid(1.0, 1.0, 0.0 - min(logit, _LARGEST_LOGIT))


def _clamped_log(x: np.ndarray) -> np.ndarray:
    mirrored = 2 * math.log(_SMALLEST_SCORE) - np.log(np.maximum(2 * _SMALLEST_SCORE - x, _SMALLEST_SCORE))
    return np.where(x < _SMALLEST_SCORE, mirrored, np.log(np.maximum(x, _SMALLEST_SCORE)))
