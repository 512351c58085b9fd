"""Class weights of the user's (or of a search): factors by label on top of the weights of a remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kwsembed.errors import ConfigError


def class_factors(class_weights: Mapping[str, float], labels: Sequence[str]) -> np.ndarray:
    """The factor of each class, 1 where none is given.

    Args:
        class_weights: Factor by label, above 0.
        labels: Names of the classes.

    Returns:
        `(classes,)` float64.

    Raises:
        ConfigError: A factor is given for a label that is none of `labels`.

    Example:
        >>> class_factors({"dog": 2.0}, ["dog", "noise"])
        array([2., 1.])
    """
    unknown = [label for label in class_weights if label not in labels]
    if unknown:
        raise ConfigError(
            "a class weight is given for a label that the data does not have",
            expected=f"some of {', '.join(labels)}",
            received=f"class_weights.{unknown[0]}={class_weights[unknown[0]]:g}",
        )
    return np.array([class_weights.get(label, 1.0) for label in labels])


def with_factors(weights: np.ndarray, factors: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Weights times factors, scaled so that their mean over the draws stays what it was.

    The scale of the loss, and with it the meaning of learning rate and weight decay, does not depend on the
    factors then: only their ratios count.

    Args:
        weights: `(classes,)` what an example of each class weighs.
        factors: `(classes,)` factor of each class, above 0.
        probabilities: `(classes,)` how often each class is drawn, sums to 1.

    Returns:
        `(classes,)` float32; `weights` themselves if all factors are 1.

    Example:
        >>> with_factors(np.array([1.0, 1.0]), np.array([2.0, 1.0]), np.array([0.5, 0.5]))  # 2 : 1, mean 1
        array([1.3333334, 0.6666667], dtype=float32)
    """
    if np.all(factors == 1):
        return weights
    product = np.asarray(weights, np.float64) * factors
    scale = np.sum(probabilities * weights) / np.sum(probabilities * product)
    return (product * scale).astype(np.float32)
