"""Fitting the bias of clip probabilities on validation, so that each label wins as often as it should."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from kwsembed.clip_scores import probabilities_of

# Holds the bias near zero where few clips speak for moving it; about one unit for 30 clips a label.
_PENALTY = 0.03


def fit_bias(evidence: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The bias that minimises the class-balanced cross entropy, with a quadratic penalty.

    Network outputs are trained on windows and judged on clips; pooling shifts some labels up. One number per
    label shifts them back. Fitted on validation only, among the labels that have clips there: another label
    would only ever be pushed down, for want of a clip that speaks for it, and keeps a bias of 0.

    Args:
        evidence: `(clips, labels)` from `clip_evidence`.
        classes: `(clips,)` true label index.

    Returns:
        `(labels,)` float64, mean 0.

    Example:
        >>> fit_bias(np.log([[0.6, 0.4], [0.6, 0.4]]), np.array([0, 1])).round(2)
        array([-0.18,  0.18])
    """
    present, position, clips = np.unique(classes, return_inverse=True, return_counts=True)
    weights = 1.0 / (len(present) * clips[position])
    true = np.eye(len(present))[position]
    among = evidence[:, present]

    def loss_and_gradient(bias: np.ndarray) -> tuple[float, np.ndarray]:
        probabilities = probabilities_of(among, bias=bias)
        loss = -np.sum(weights * np.log(np.maximum(np.sum(probabilities * true, axis=1), 1e-12)))
        gradient = weights @ (probabilities - true)
        return loss + _PENALTY * np.sum(bias**2), gradient + 2 * _PENALTY * bias

    fitted = minimize(loss_and_gradient, np.zeros(len(present)), jac=True, method="L-BFGS-B").x
    bias = np.zeros(evidence.shape[1])
    bias[present] = fitted - fitted.mean()
    return bias
