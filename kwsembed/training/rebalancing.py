"""Remedies for class imbalance in a classifier: how classes are drawn, and what each example weighs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kwsembed.errors import ConfigError


@dataclass(frozen=True)
class Rebalancing:
    """One remedy.

    Attributes:
        sampling: How batches draw classes; see `kwsembed.data.sampling.class_probabilities`.
        weighted: Whether an example weighs in inverse proportion to how often its class is drawn.
    """

    sampling: str
    weighted: bool

    def class_weights(self, probabilities: np.ndarray) -> np.ndarray:
        """`(classes,)` float32 weight of an example of each class, from how often each class is drawn."""
        drawn = np.asarray(probabilities, np.float64)
        return balancing_weights(drawn) if self.weighted else np.ones(len(drawn), np.float32)


def rebalancing(method: str) -> Rebalancing:
    """The remedy of a name: `class_weight`, `oversample`, `undersample:RATIO` or `none`.

    With `class_weight`, classes are drawn in proportion to the square root of their size and weighted for the
    rest. The expected loss is that of natural draws with weights in inverse proportion to the class sizes;
    batches with more rare examples of less weight give it with less noise.

    Example:
        >>> rebalancing("class_weight")
        Rebalancing(sampling='square_root', weighted=True)
    """
    if method == "class_weight":
        return Rebalancing(sampling="square_root", weighted=True)
    if method == "oversample":
        return Rebalancing(sampling="oversampled", weighted=False)
    if method == "none":
        return Rebalancing(sampling="natural", weighted=False)
    if method.startswith("undersample:"):
        return Rebalancing(sampling=f"undersampled:{method.partition(':')[2]}", weighted=False)
    raise ConfigError(
        "unknown rebalancing",
        expected="class_weight, oversample, undersample:RATIO or none",
        received=f"rebalance={method}",
    )


def balancing_weights(probabilities: np.ndarray) -> np.ndarray:
    """Weights that make every class contribute alike to the expected loss, 1 on average over the draws.

    Used with a loss that divides by the batch size, not by the sum of weights (Keras' `sum_over_batch_size`).
    A class that is never drawn weighs 0.

    Args:
        probabilities: `(classes,)` how often each class is drawn, sums to 1.

    Returns:
        `(classes,)` float32.

    Example:
        >>> balancing_weights(np.array([0.25, 0.75]))
        array([2.       , 0.6666667], dtype=float32)
    """
    drawn = probabilities > 0
    weights = np.divide(1.0, probabilities, out=np.zeros(len(probabilities)), where=drawn)
    return (weights / drawn.sum()).astype(np.float32)
