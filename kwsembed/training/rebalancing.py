"""Remedies for class imbalance in a classifier: how classes are drawn, what examples weigh, which loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from kwsembed.losses.classification import focal, ldam, log_priors, logit_adjusted
from kwsembed.methods import REBALANCINGS, parse_method
from kwsembed.training.little_audio import median_event_windows

PerExample = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From classes `(batch,)` and logits `(batch, classes)` to losses `(batch,)`."""


@dataclass(frozen=True)
class Phase:
    """A part of a stage's training.

    Attributes:
        sampling: How batches draw classes; see `kwsembed.data.sampling.class_probabilities`.
        weigh: From how often each class is drawn and its windows, both `(classes,)`, to the weight of an
            example of each class.
        share: Its part of the stage's epochs.
        head_only: Train a new head and leave the rest of the network as it is.
    """

    sampling: str
    weigh: Callable[[np.ndarray, np.ndarray], np.ndarray]
    share: float = 1.0
    head_only: bool = False


@dataclass(frozen=True)
class Rebalancing:
    """One remedy.

    Attributes:
        phases: What is done one after the other; their shares add up to 1.
        loss: From the windows of each class in the training split and whether it is an event, both
            `(classes,)`, to the loss per example.
        logit_offset: Likewise to what is added to the logits `(classes,)` of the trained network; None for
            nothing.
    """

    phases: tuple[Phase, ...]
    loss: Callable[[np.ndarray, np.ndarray], PerExample]
    logit_offset: Callable[[np.ndarray], np.ndarray] | None = None


class MeanOf(keras.losses.Loss):
    """A Keras loss of a function per example, times sample weights, its sum divided by the batch size."""

    def __init__(self, per_example: PerExample) -> None:
        super().__init__(name="loss", reduction="sum_over_batch_size")
        self._per_example = per_example

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """`(batch,)` losses of classes and logits."""
        return self._per_example(tf.reshape(tf.cast(y_true, tf.int32), [-1]), y_pred)


def rebalancing(method: str) -> Rebalancing:
    """The remedy of a name; see `kwsembed.methods.REBALANCINGS`.

    With `class_weight`, classes are drawn in proportion to the square root of their size and weighted for the
    rest. The expected loss is that of natural draws with weights in inverse proportion to the class sizes;
    batches with more rare examples of less weight give it with less noise.

    Raises:
        ConfigError: Unknown name or option, or an option out of its range.

    Example:
        >>> rebalancing("class_weight").phases[0].sampling
        'square_root'
    """
    found, options = parse_method(method, REBALANCINGS, kind="rebalance")
    return _BUILDERS[found.name](**options)


def epochs_of(phases: Sequence[Phase], epochs: int) -> list[int]:
    """How many of a stage's epochs each phase gets: its share, at least one, in all no more than there are.

    Only a stage with fewer epochs than phases is made longer.

    Example:
        >>> epochs_of(rebalancing("decoupled").phases, 16)
        [13, 3]
    """
    ends = np.rint(np.cumsum([phase.share for phase in phases]) * epochs).astype(int)
    counts = [max(1, int(count)) for count in np.diff(ends, prepend=0)]
    while sum(counts) > max(epochs, len(counts)):
        counts[counts.index(max(counts))] -= 1
    return counts


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
    return _normalised(np.ones(len(probabilities)), probabilities)


def effective_number_weights(
    probabilities: np.ndarray, class_counts: np.ndarray, *, beta: float = 0.999
) -> np.ndarray:
    """Class weights by the effective number of examples, (1 - beta^n) / (1 - beta).

    Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (arXiv:1901.05555),
    equation 9. Where 1 / (1 - beta) is far below every n, all classes weigh alike: beta must be the nearer to
    1 the larger the classes are.

    Args:
        probabilities: `(classes,)` how often each class is drawn; the paper draws naturally.
        class_counts: `(classes,)` examples of each class.
        beta: In [0, 1); 0 weighs nothing, towards 1 weights are in inverse proportion to the counts.

    Returns:
        `(classes,)` float32, 1 on average over the draws; 0 for a class that is never drawn.

    Example:
        >>> effective_number_weights(np.array([0.25, 0.75]), np.array([1, 3]), beta=0.5).round(4)  # 1 : 4/7
        array([1.4737, 0.8421], dtype=float32)
    """
    counts = np.maximum(np.asarray(class_counts, np.float64), 1.0)
    natural = counts / counts.sum()
    # What the paper's natural draws with weights come to: the contribution of a class to the expected loss.
    return _normalised(natural / (1.0 - beta**counts), probabilities)


def _normalised(contribution: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Weights under which each class contributes as given to the expected loss; 1 on average over draws."""
    drawn = np.asarray(probabilities, np.float64) > 0
    share = np.where(drawn, contribution, 0.0)
    weights = np.divide(share / share.sum(), probabilities, out=np.zeros(len(share)), where=drawn)
    return weights.astype(np.float32)


def _alike(probabilities: np.ndarray, class_counts: np.ndarray) -> np.ndarray:
    return np.ones(len(probabilities), np.float32)


def cross_entropy(classes: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """`(batch,)` losses of classes `(batch,)` and logits `(batch, classes)`."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)


def _cross_entropy(class_counts: np.ndarray, event: np.ndarray) -> PerExample:
    return cross_entropy


def _priors(class_counts: np.ndarray) -> np.ndarray:
    return np.asarray(class_counts, np.float64) / np.sum(class_counts)


def _class_weight(*, strength: float) -> Rebalancing:
    def weigh(probabilities: np.ndarray, class_counts: np.ndarray) -> np.ndarray:
        counts = np.maximum(np.asarray(class_counts, np.float64), 1.0)
        return _normalised(counts ** (1.0 - strength), probabilities)

    return Rebalancing((Phase("square_root", weigh),), _cross_entropy)


def _mild(*, adjusted_below: float) -> Rebalancing:
    # Draws by the square root alone leave a lean towards background, which is right where there is audio
    # enough to learn events from, and with little of it hides them: docs/decisions/0027-mild-rebalancing.md.
    adjusted = rebalancing("logit_adjusted:draw_power=0.5").loss

    def loss(class_counts: np.ndarray, event: np.ndarray) -> PerExample:
        scarce = median_event_windows(class_counts, event) < adjusted_below
        return (adjusted if scarce else _cross_entropy)(class_counts, event)

    return Rebalancing((Phase("square_root", _alike),), loss)


def _focal(*, gamma: float) -> Rebalancing:
    return Rebalancing((Phase("natural", _alike),), lambda counts, event: partial(focal, gamma=gamma))


def _effective_number(*, beta: float) -> Rebalancing:
    return Rebalancing((Phase("square_root", partial(effective_number_weights, beta=beta)),), _cross_entropy)


def _logit_adjusted(*, tau: float, draw_power: float) -> Rebalancing:
    # The prior that counts is that of the draws: a network that has seen classes so often leans so much.
    return Rebalancing(
        (Phase("natural" if draw_power == 1 else f"power:{draw_power:g}", _alike),),
        lambda counts, event: partial(logit_adjusted, priors=_priors(np.power(counts, draw_power)), tau=tau),
    )


def _logit_adjusted_post_hoc(*, tau: float) -> Rebalancing:
    return Rebalancing(
        (Phase("natural", _alike),), _cross_entropy, lambda counts: -tau * log_priors(_priors(counts))
    )


def _ldam_drw(*, max_margin: float, scale: float, beta: float, deferred_share: float) -> Rebalancing:
    return Rebalancing(
        (
            Phase("natural", _alike, share=1.0 - deferred_share),
            Phase("natural", partial(effective_number_weights, beta=beta), share=deferred_share),
        ),
        lambda counts, event: partial(ldam, class_counts=counts, max_margin=max_margin, scale=scale),
    )


def _decoupled(*, head_share: float) -> Rebalancing:
    return Rebalancing(
        (
            Phase("natural", _alike, share=1.0 - head_share),
            Phase("balanced", _alike, share=head_share, head_only=True),
        ),
        _cross_entropy,
    )


_BUILDERS: dict[str, Callable[..., Rebalancing]] = {
    "class_weight": _class_weight,
    "mild": _mild,
    "oversample": lambda: Rebalancing((Phase("oversampled", _alike),), _cross_entropy),
    "undersample": lambda ratio: Rebalancing((Phase(f"undersampled:{ratio:g}", _alike),), _cross_entropy),
    "none": lambda: Rebalancing((Phase("natural", _alike),), _cross_entropy),
    "effective_number": _effective_number,
    "focal": _focal,
    "logit_adjusted": _logit_adjusted,
    "logit_adjusted_post_hoc": _logit_adjusted_post_hoc,
    "ldam_drw": _ldam_drw,
    "decoupled": _decoupled,
}
