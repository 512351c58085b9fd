"""Trains the network for one event against all else that is heard, the network of the run as its teacher."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from kwsembed.config import TrainConfig
from kwsembed.export_targets.esphome_examples import Examples
from kwsembed.export_targets.esphome_features import CHANNELS, INPUT_SCALE, INPUT_ZERO_POINT
from kwsembed.models.fused_normalization import for_training
from kwsembed.models.temporal_cnn import temporal_cnn
from kwsembed.progress import Progress, silent
from kwsembed.training.class_weights import class_factors
from kwsembed.training.stage import StagePlan

_BATCH = 128
_EPOCH_STEPS = 100
_LEARNING_RATE = 3e-3
TEACHER_SHARE = 0.5
"""Of the target; the rest is the label."""
SAMPLING = "square_root"
"""How classes are drawn; weights do the rest."""
EVENT_SHARE = 0.2
"""Of the loss; what else is heard has the rest, each class as much as there is of it."""


def train_network(
    examples: Examples,
    *,
    event: int,
    config: TrainConfig,
    labels: tuple[str, ...],
    steps: int,
    teacher_share: float = TEACHER_SHARE,
    progress: Progress = silent,
) -> keras.Model:
    """Trains a `temporal_cnn` to tell one label from all others.

    Args:
        examples: The bank. Its features are not masked: the network is so small that it does not learn even
            these by heart, and stripes as wide as the run's would hide a quarter of the channels.
        event: Class of the event.
        config: Settings of the run: class weights, weight decay, seed.
        labels: Names of the classes.
        steps: Batches to train on, rounded up to whole epochs.
        teacher_share: How much of the target is the teacher's probability of the event, and not the label.
        progress: Called with steps done and steps in all.

    Returns:
        The network, `(batch, frames, 1, 40)` features from 0 to 26 -> logits `(batch, 1)`.
    """
    network = temporal_cnn(examples.features.shape[1], CHANNELS, seed=config.seed)
    faster = for_training(network)
    epoch_steps = min(steps, _EPOCH_STEPS)
    epochs = -(-steps // epoch_steps)
    plan = StagePlan("esphome", epochs, epoch_steps, _LEARNING_RATE, config.schedule.weight_decay)
    faster.compile(
        plan.optimizer(),
        keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum_over_batch_size"),
        jit_compile=False,
    )
    batches = _batches(
        examples,
        targets(examples, event=event, teacher_share=teacher_share),
        example_weights(examples, event=event, config=config, labels=labels),
        config=config,
    )
    faster.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=epoch_steps,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: progress((epoch + 1) * epoch_steps, epochs * epoch_steps)
            )
        ],
    )
    for ours, trained in zip(network.variables, faster.variables, strict=True):
        ours.assign(trained)
    return network


def targets(examples: Examples, *, event: int, teacher_share: float) -> np.ndarray:
    """`(examples,)` float32 in [0, 1]: label and teacher's probability of the event, mixed.

    Cross-entropy is linear in its target, so this is the sum of both losses.
    """
    others = np.delete(examples.teacher, event, axis=1)
    odds = examples.teacher[:, event] - np.logaddexp.reduce(others, axis=1)
    believed = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    mixed = (1 - teacher_share) * (examples.classes == event) + teacher_share * believed
    return mixed.astype(np.float32)


def example_weights(
    examples: Examples, *, event: int, config: TrainConfig, labels: tuple[str, ...]
) -> np.ndarray:
    """`(examples,)` float32: what an example of each class counts; 1 on average over the draws.

    The event has a share of its own. All others have the rest as they are heard: a detector of one event
    fires for nothing mostly in background, which equal weights for every class would make as rare as the
    rarest event. Factors of the user's come on top.
    """
    windows = np.asarray(examples.windows_per_class, np.float64)
    share = (1 - EVENT_SHARE) * windows / np.delete(windows, event).sum()
    share[event] = EVENT_SHARE
    share *= class_factors(config.class_weights, labels)
    weights = share / share.sum() / examples.probabilities
    return weights[examples.classes].astype(np.float32)


def as_numbers(features: np.ndarray) -> np.ndarray:
    """Features as numbers from 0 to 26, float32, from the model's int8 input."""
    return (features.astype(np.float32) - INPUT_ZERO_POINT) * np.float32(INPUT_SCALE)


def _batches(
    examples: Examples, target: np.ndarray, weights: np.ndarray, *, config: TrainConfig
) -> tf.data.Dataset:
    """Endless batches: the bank in a new order each time."""
    random = np.random.default_rng(config.seed)
    frames, batch = examples.features.shape[1], min(_BATCH, len(target))

    def chosen() -> Iterator[tuple[np.ndarray, ...]]:
        while True:
            order = random.permutation(len(target))
            for first in range(0, len(order) - batch + 1, batch):
                rows = order[first : first + batch]
                numbers = as_numbers(examples.features[rows])[:, :, np.newaxis]
                yield numbers, target[rows, np.newaxis], weights[rows]

    signature = (
        tf.TensorSpec((batch, frames, 1, CHANNELS), tf.float32),
        tf.TensorSpec((batch, 1), tf.float32),
        tf.TensorSpec((batch,), tf.float32),
    )
    return tf.data.Dataset.from_generator(chosen, output_signature=signature).prefetch(4)
