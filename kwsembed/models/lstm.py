"""Temporal model: a short convolution over time, then a long short-term memory over the frames.

For sounds whose order in time matters. The convolution shortens the sequence fourfold, which makes the
recurrence affordable in training and on a device.
"""

from __future__ import annotations

import keras
from keras import layers

from kwsembed.models.width import scaled_channels


def lstm(log_mel: keras.KerasTensor, *, width: float = 1.0) -> keras.KerasTensor:
    """Maps log-mel frames to one feature vector.

    Args:
        log_mel: `(batch, frames, mels)`, scaled to about unit variance.
        width: Factor on the number of channels and units.

    Returns:
        `(batch, features)`.
    """
    units = scaled_channels(64, width)
    hidden = layers.Conv1D(units, 5, strides=2, padding="same", use_bias=False)(log_mel)
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(hidden))
    hidden = layers.SeparableConv1D(units, 5, strides=2, padding="same", use_bias=False)(hidden)
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(hidden))
    states = layers.LSTM(units, return_sequences=True)(hidden)
    # The mean over time keeps an event that ended early in the window from being forgotten.
    return layers.GlobalAveragePooling1D()(states)
