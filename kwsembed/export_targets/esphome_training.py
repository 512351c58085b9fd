"""Trains the network for one event against all else that is heard, the network of the run as its teacher."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kwsembed.config import AugmentConfig, TrainConfig
from kwsembed.data.augment import mask_spectrogram
from kwsembed.export_targets.esphome_examples import Examples
from kwsembed.export_targets.esphome_features import CHANNELS, INPUT_SCALE, INPUT_ZERO_POINT
from kwsembed.models.fused_normalization import for_training
from kwsembed.models.temporal_cnn import NARROW, WIDE, temporal_cnn
from kwsembed.progress import Progress, silent
from kwsembed.training.class_weights import class_factors, with_factors
from kwsembed.training.rebalancing import rebalancing
from kwsembed.training.stage import StagePlan

_BATCH = 128
_EPOCH_STEPS = 100
_LEARNING_RATE = 3e-3
_WEIGHT_DECAY = 1e-3
TEACHER_SHARE = 0.5
"""Of the target; the rest is the label."""
_REMEDY = rebalancing("class_weight").phases[0]
SAMPLING = _REMEDY.sampling
"""How classes are drawn; weights do the rest."""
EVENT_SHARE = 0.2
"""Of the loss with weights as heard; what else is heard has the rest."""


@dataclass(frozen=True)
class Recipe:
    """A way to train a network.

    Attributes:
        channels: Of the network.
        masks: Hide stripes of the features, as the run's own training does, anew each time they are seen.
        as_heard: Weigh all but the event by how much there is of each class, so that background counts most,
            as on a stream; else every class counts alike.
    """

    channels: tuple[int, ...]
    masks: bool
    as_heard: bool


RECIPES = (
    Recipe(NARROW, masks=True, as_heard=False),
    Recipe(WIDE, masks=False, as_heard=True),
)
"""Neither is better for all events: see docs/decisions/0016-esphome.md."""


def train_network(
    examples: Examples,
    *,
    event: int,
    config: TrainConfig,
    labels: tuple[str, ...],
    steps: int,
    recipe: Recipe = RECIPES[0],
    seed: int | None = None,
    teacher_share: float = TEACHER_SHARE,
    progress: Progress = silent,
) -> keras.Model:
    """Trains a `temporal_cnn` to tell one label from all others.

    Args:
        examples: The bank.
        event: Class of the event.
        config: Settings of the run: class weights, masks, seed.
        labels: Names of the classes.
        steps: Batches to train on, rounded up to whole epochs.
        recipe: How.
        seed: Of initial weights, order and masks; the run's if None.
        teacher_share: How much of the target is the teacher's probability of the event, and not the label.
        progress: Called with steps done and steps in all.

    Returns:
        The network, `(batch, frames, 1, 40)` features from 0 to 26 -> logits `(batch, 1)`.
    """
    seed = config.seed if seed is None else seed
    network = temporal_cnn(examples.features.shape[1], CHANNELS, seed=seed, channels=recipe.channels)
    faster = for_training(network)
    epoch_steps = min(steps, _EPOCH_STEPS)
    epochs = -(-steps // epoch_steps)
    plan = StagePlan("esphome", epochs, epoch_steps, _LEARNING_RATE, _WEIGHT_DECAY)
    faster.compile(
        plan.optimizer(faster.trainable_variables),
        keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum_over_batch_size"),
        jit_compile=False,
    )
    batches = _batches(
        examples,
        targets(examples, event=event, teacher_share=teacher_share),
        example_weights(examples, event=event, config=config, labels=labels, as_heard=recipe.as_heard),
        augment=config.augment if recipe.masks else config.augment.of_waveforms_only(),
        seed=seed,
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
    examples: Examples, *, event: int, config: TrainConfig, labels: tuple[str, ...], as_heard: bool = False
) -> np.ndarray:
    """`(examples,)` float32: what an example of each class counts; 1 on average over the draws.

    Class weights of the remedy, or, as heard, a share for the event and the rest for the others in
    proportion to their windows. Factors of the user's come on top.
    """
    factors = class_factors(config.class_weights, labels)
    windows = np.asarray(examples.windows_per_class, np.float64)
    if as_heard:
        share = (1 - EVENT_SHARE) * windows / np.delete(windows, event).sum()
        share[event] = EVENT_SHARE
        weights = share / examples.probabilities
    else:
        weights = _REMEDY.weigh(examples.probabilities, examples.windows_per_class)
    scaled = with_factors(weights.astype(np.float32), factors, examples.probabilities)
    return scaled[examples.classes]


def as_numbers(features: np.ndarray) -> np.ndarray:
    """Features as numbers from 0 to 26, float32, from the model's int8 input."""
    return (features.astype(np.float32) - INPUT_ZERO_POINT) * np.float32(INPUT_SCALE)


def _batches(
    examples: Examples, target: np.ndarray, weights: np.ndarray, *, augment: AugmentConfig, seed: int
) -> tf.data.Dataset:
    """Endless batches: the bank in a new order each time."""
    random = np.random.default_rng(seed)
    frames, batch = examples.features.shape[1], min(_BATCH, len(target))

    def chosen() -> Iterator[tuple[np.ndarray, ...]]:
        while True:
            order = random.permutation(len(target))
            for first in range(0, len(order) - batch + 1, batch):
                rows = order[first : first + batch]
                numbers = as_numbers(examples.features[rows])
                yield numbers, target[rows, np.newaxis], weights[rows], random.integers(2**62, size=2)

    def masked(
        features: tf.Tensor, wanted: tf.Tensor, weight: tf.Tensor, stripes: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        shown = mask_spectrogram(features, stripes, config=augment)
        return shown[:, :, tf.newaxis], wanted, weight

    signature = (
        tf.TensorSpec((batch, frames, CHANNELS), tf.float32),
        tf.TensorSpec((batch, 1), tf.float32),
        tf.TensorSpec((batch,), tf.float32),
        tf.TensorSpec((2,), tf.int64),
    )
    return tf.data.Dataset.from_generator(chosen, output_signature=signature).map(masked).prefetch(4)
