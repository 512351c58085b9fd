"""Builds embedders and classifiers from a backbone's name, as plain functional Keras models.

They use built-in Keras layers only, so a saved `.keras` file loads without running anybody's code.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from kwsembed.errors import ConfigError
from kwsembed.models.bc_resnet import bc_resnet
from kwsembed.models.ds_cnn import ds_cnn
from kwsembed.models.lstm import lstm
from kwsembed.models.width import initial_weights

BACKBONES: dict[str, Callable[..., keras.KerasTensor]] = {
    "ds_cnn": ds_cnn,
    "bc_resnet": bc_resnet,
    "lstm": lstm,
}

EMBEDDER_NAME = "embedder"

# ln(mel power + 1e-6) of real audio lies between -14 and 9, mostly around -5 with a spread of 4. A fixed
# scaling keeps features free of any data-dependent state that a device could get wrong.
_LOG_MEL_MEAN = -5.0
_LOG_MEL_SPREAD = 4.0

# Logits of a linear head on unit vectors need weights far above their initial size; a fixed factor lets a
# usual learning rate reach confident scores.
HEAD_SCALE = 16.0


def build_embedder(
    backbone: str, *, frames: int, mels: int, width: float = 1.0, embedding_size: int = 64, seed: int = 0
) -> keras.Model:
    """A network from log-mel frames to a unit-norm embedding.

    Args:
        backbone: Name in `BACKBONES`.
        frames: Frames of one window.
        mels: Mel bands.
        width: Factor on the number of channels or units, > 0.
        embedding_size: Dimensions of the embedding.
        seed: Seed of the initial weights.

    Returns:
        Keras model, `(batch, frames, mels)` -> `(batch, embedding_size)` of norm 1.

    Raises:
        ConfigError: Unknown backbone or a width that is not positive.

    Example:
        >>> build_embedder("ds_cnn", frames=98, mels=64).output_shape
        (None, 64)
    """
    if backbone not in BACKBONES:
        raise ConfigError(
            "unknown backbone", expected=f"one of {', '.join(BACKBONES)}", received=f"backbone={backbone}"
        )
    if not width > 0:
        raise ConfigError("the width factor must be positive", received=f"width={width}")
    log_mel = keras.Input((frames, mels), name="log_mel")
    scaled = layers.Rescaling(1 / _LOG_MEL_SPREAD, offset=-_LOG_MEL_MEAN / _LOG_MEL_SPREAD)(log_mel)
    with initial_weights(seed):
        features = BACKBONES[backbone](scaled, width=width)
        embedding = layers.UnitNormalization(name="embedding")(layers.Dense(embedding_size)(features))
    return keras.Model(log_mel, embedding, name=EMBEDDER_NAME)


def build_classifier(embedder: keras.Model, class_count: int, *, seed: int = 0) -> keras.Model:
    """Puts a linear head on an embedder (shared, not copied).

    Returns:
        Keras model, `(batch, frames, mels)` -> logits `(batch, class_count)`.
    """
    # On the embedder's own layers, not on it as one nested layer: the export looks for the embedding among
    # them.
    scaled = layers.Rescaling(HEAD_SCALE)(embedder.output)
    with initial_weights(seed):
        logits = layers.Dense(class_count, name="logits")(scaled)
    return keras.Model(embedder.inputs[0], logits, name="classifier")


def embedder_of(classifier: keras.Model) -> keras.Model:
    """The embedder inside a classifier that `build_classifier` made."""
    return keras.Model(classifier.input, classifier.get_layer("embedding").output, name=EMBEDDER_NAME)
