"""Depthwise-separable convolutional network, the default backbone.

After Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers" (arXiv:1711.07128), with a wide
first stride, which is where training time goes, and residual sums where shapes agree.
"""

from __future__ import annotations

import keras
from keras import layers

from kwsembed.models.width import scaled_channels

# (channels, stride) of each separable block.
_BLOCKS = ((48, 1), (64, 2), (64, 1), (80, 2), (80, 1))


def ds_cnn(log_mel: keras.KerasTensor, *, width: float = 1.0) -> keras.KerasTensor:
    """Maps log-mel frames to one feature vector.

    Args:
        log_mel: `(batch, frames, mels)`, scaled to about unit variance.
        width: Factor on the number of channels.

    Returns:
        `(batch, features)`.
    """
    image = layers.Reshape((*log_mel.shape[1:], 1))(log_mel)
    first = scaled_channels(32, width)
    hidden = layers.Conv2D(first, (7, 5), strides=4, padding="same", use_bias=False)(image)
    hidden = _normalised(hidden)
    for channels, stride in _BLOCKS:
        hidden = _separable(hidden, scaled_channels(channels, width), stride=stride)
    # One weight per channel and frequency band: where in the spectrum energy lies tells classes apart.
    hidden = layers.DepthwiseConv2D((1, hidden.shape[2]), use_bias=False)(hidden)
    hidden = _normalised(hidden)
    return layers.GlobalAveragePooling2D()(hidden)


def _normalised(hidden: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(hidden))


def _separable(hidden: keras.KerasTensor, channels: int, *, stride: int) -> keras.KerasTensor:
    shortcut = hidden
    hidden = _normalised(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(hidden))
    hidden = _normalised(layers.Conv2D(channels, 1, use_bias=False)(hidden))
    if shortcut.shape == hidden.shape:
        hidden = layers.Add()([hidden, shortcut])
    return hidden
