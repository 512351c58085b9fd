"""A second task while a network trains: telling apart the finer labels that some data have within a class.

Background is many sounds under one label. Where the manifest says which (column `sublabel`), a second head
learns them from the same embedding, and the embedding keeps what they differ in, which is what a rare event
may be told by. The head is dropped after training, so what ships has the same size and speed.

Source: Caruana, "Multitask Learning" (Machine Learning 28, 1997); for classes and what they are part of,
"coarse-to-fine" auxiliary losses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from kwsembed.models.build import HEAD_SCALE
from kwsembed.models.width import initial_weights

SMALLEST = 2
"""Clips that a sublabel must have; clips of rarer ones form what is left of their class."""


@dataclass(frozen=True)
class Sublabels:
    """What a training split is divided into.

    Attributes:
        names: `label/sublabel`, sorted; `label/` is what is left of a class.
        of_clip: `(items,)` int32, position in `names` of each training clip.
    """

    names: tuple[str, ...]
    of_clip: np.ndarray


def sublabels_of(labels: Sequence[str], sublabels: Sequence[str | None]) -> Sublabels | None:
    """Divides clips by label and sublabel.

    Args:
        labels: `(items,)` label of each training clip.
        sublabels: `(items,)` its sublabel, None or empty where it has none.

    Returns:
        None if no label is divided, so that there is nothing to learn besides the labels.

    Example:
        >>> found = sublabels_of(["noise"] * 5 + ["dog"], ["rain", "rain", "wind", "wind", "car", None])
        >>> found.names
        ('dog/', 'noise/', 'noise/rain', 'noise/wind')
        >>> found.of_clip
        array([2, 2, 3, 3, 1, 0], dtype=int32)
    """
    pairs = [(label, sublabel or "") for label, sublabel in zip(labels, sublabels, strict=True)]
    sizes = Counter(pairs)
    kept = [(label, sublabel if sizes[label, sublabel] >= SMALLEST else "") for label, sublabel in pairs]
    names = sorted({f"{label}/{sublabel}" for label, sublabel in kept})
    if len(names) == len(set(labels)):
        return None
    position = {name: index for index, name in enumerate(names)}
    of_clip = np.array([position[f"{label}/{sublabel}"] for label, sublabel in kept], np.int32)
    return Sublabels(tuple(names), of_clip)


def with_second_head(classifier: keras.Model, sublabel_count: int, *, seed: int) -> keras.Model:
    """The classifier and, from its embedding, a head for sublabels; all weights but that head's are shared.

    Args:
        classifier: Made by `build_classifier`.
        sublabel_count: Outputs of the second head.
        seed: Seed of its initial weights.

    Returns:
        Keras model, `(batch, frames, mels)` -> logits `(batch, classes)` and logits `(batch, sublabels)`.
    """
    scaled = layers.Rescaling(HEAD_SCALE)(classifier.get_layer("embedding").output)
    with initial_weights((seed + 1) % 2**32):
        # Of unit norm: a head whose weights grow would learn sublabels without the embedding's help.
        second = layers.Dense(
            sublabel_count,
            use_bias=False,
            kernel_constraint=keras.constraints.UnitNorm(axis=0),
            name="sublabel_logits",
        )(scaled)
    return keras.Model(classifier.inputs[0], [classifier.outputs[0], second], name="two_headed")
