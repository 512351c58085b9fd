"""Batches and loss of a network that agrees with a head on the teacher, beside learning its labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.data.pipeline import training_dataset
from kwsembed.losses.distillation import distillation
from kwsembed.training.lessons import Heard, Lessons
from kwsembed.training.rebalancing import PerExample

_Rows = dict[str, tf.Tensor]
"""By what it is: log-mel, targets of a task, or weights of one."""

_COLUMNS = 3  # class, weight of the label, weight of what was told


class TaughtLoss(keras.losses.Loss):
    """The loss of labels, and of agreeing with probabilities that were told, each weighted by example.

    Both in one, since Keras takes one loss and one tensor of targets per output.

    Args:
        of_labels: From classes `(batch,)` and logits `(batch, classes)` to losses `(batch,)`.

    Example:
        >>> def of_labels(classes, logits): return tf.ones(tf.shape(classes)[0])
        >>> told = tf.constant([[0.0, 2.0, 1.0, 0.5, 0.5]])  # class 0; weights 2 and 1; even odds
        >>> round(float(TaughtLoss(of_labels)(told, tf.zeros((1, 2)))), 4)  # 2 + ln 2
        2.6931
    """

    def __init__(self, of_labels: PerExample) -> None:
        super().__init__(name="loss", reduction="sum_over_batch_size")
        self._of_labels = of_labels

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """`(batch,)` losses of `(batch, 3 + classes)` targets and `(batch, classes)` logits."""
        labelled = self._of_labels(tf.cast(y_true[:, 0], tf.int32), y_pred)
        told = distillation(y_true[:, _COLUMNS:], y_pred)
        return y_true[:, 1] * labelled + y_true[:, 2] * told


def taught_batches(
    lessons: Lessons, config: TrainConfig, class_weights: np.ndarray, sublabel_of_clip: np.ndarray | None
) -> Callable[[int, int], tf.data.Dataset]:
    """Batches of labelled windows and as many without labels, with what each is to be told.

    Weights are such that the mean over a batch is the mean over its labelled windows, for their labels and
    for what the head says of them, plus that over the others for what it says of those. Of the hints the mean
    is over all windows.

    Args:
        lessons: What there is to hear and what the head says of it.
        config: Settings of the run.
        class_weights: `(classes,)` weight of a label.
        sublabel_of_clip: `(training clips,)` for a second task; None for none.

    Returns:
        Function from a first step and the step before which to stop to batches of `(log_mel, targets)`, with
        targets as `TaughtLoss` takes them. Where there are sublabels or hints, targets and weights are
        tuples, with one for each task: `(targets, sublabels, hints)`.
    """
    table = tf.constant(class_weights, tf.float32)
    own, others = lessons.labelled, lessons.unlabelled
    counts = own.schedule.batch_size, others.schedule.batch_size if others else 0
    of_own, of_others = (sum(counts) / count if count else 0.0 for count in counts)
    sublabels = None if sublabel_of_clip is None else tf.constant(sublabel_of_clip)

    def own_rows(log_mel: tf.Tensor, drawn: dict[str, tf.Tensor]) -> _Rows:
        weights = of_own * tf.gather(table, drawn["class"])
        told = _targets(own, drawn["window"], of_own, classes=drawn["class"], weights=weights)
        rows = {"log_mel": log_mel, "told": told, **_hint(own, drawn["window"])}
        if sublabels is not None:
            # An event played backwards is none of the finer kinds of background.
            rows["of_sublabel"] = of_own * (1.0 - tf.cast(drawn["backwards"], tf.float32))
            rows["sublabel"] = tf.gather(sublabels, drawn["item"])
        return rows

    def other_rows(heard: Heard, log_mel: tf.Tensor, drawn: dict[str, tf.Tensor]) -> _Rows:
        told = _targets(heard, drawn["window"], of_others)
        rows = {"log_mel": log_mel, "told": told, **_hint(heard, drawn["window"])}
        if sublabels is not None:
            rows |= {"of_sublabel": tf.zeros(counts[1]), "sublabel": tf.zeros(counts[1], sublabels.dtype)}
        return rows

    def joined(one: _Rows, other: _Rows) -> _Rows:
        return {name: tf.concat([one[name], other[name]], axis=0) for name in one}

    def for_keras(rows: _Rows) -> tuple[Any, ...]:
        alike = tf.ones(sum(counts))
        tasks = {"told": alike, "sublabel": rows.get("of_sublabel"), "hint": alike}
        named = [name for name in tasks if name in rows]
        if named == ["told"]:
            return rows["log_mel"], rows["told"]
        return rows["log_mel"], tuple(rows[name] for name in named), tuple(tasks[name] for name in named)

    def batches(first_step: int, last_step: int) -> tf.data.Dataset:
        heard = _heard(own, config, first_step, last_step).map(own_rows)
        if others is not None:
            besides = _heard(others, config, first_step, last_step).map(partial(other_rows, others))
            heard = tf.data.Dataset.zip((heard, besides)).map(joined)
        return heard.map(for_keras)

    return batches


def _heard(heard: Heard, config: TrainConfig, first_step: int, last_step: int) -> tf.data.Dataset:
    return training_dataset(
        heard.store,
        heard.schedule,
        frontend=config.frontend,
        # What the head says of a window it says of what was heard.
        augment=config.augment.of_waveforms_only(),
        first_step=first_step,
        last_step=last_step,
        seed=config.seed,
        round_steps=heard.round_steps,
        surroundings=heard.surroundings,
    )


def _hint(heard: Heard, windows: tf.Tensor) -> _Rows:
    """What is to be told of the teacher's answers, if anything is."""
    return {} if heard.hint is None else {"hint": tf.gather(tf.constant(heard.hint), windows)}


def _targets(
    heard: Heard,
    windows: tf.Tensor,
    scale: float,
    *,
    classes: tf.Tensor | None = None,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """`(batch, 3 + classes)` targets; without classes, labels weigh nothing."""
    told = tf.gather(tf.constant(heard.told), windows)
    none = tf.zeros_like(told[:, 0])
    label = none if classes is None else tf.cast(classes, tf.float32)
    of_label = none if weights is None else weights
    of_told = scale * tf.gather(tf.constant(heard.weight), windows)
    return tf.concat([tf.stack([label, of_label, of_told], axis=1), told], axis=1)
