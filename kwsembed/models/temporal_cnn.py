"""A small network over time for clients that feed features in threes: one logit, for one event.

Separable convolutions whose kernels grow, as in microWakeWord's mixed networks and in Kriman et al.,
"QuartzNet" (arXiv:1910.10261). Nothing is padded, so that a stream computes what a window computes.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kwsembed.errors import ConfigError
from kwsembed.models.width import initial_weights

STRIDE = 3
_FIRST_KERNEL = 5
_KERNELS = (5, 7, 9, 9)  # of each separable block
NARROW, WIDE = (32, 48, 48, 48, 64), (48, 64, 64, 96, 96)
"""Channels of the first convolution and of each block."""


def temporal_cnn(
    frames: int, features: int, *, seed: int = 0, channels: Sequence[int] = NARROW
) -> keras.Model:
    """Builds the network for windows of so many frames.

    Args:
        frames: Frames of a window. Blocks that do not fit into a short one are left out; in a long one the
            mean at the end is taken over more positions.
        features: Features of a frame.
        seed: Of the initial weights.
        channels: Of the first convolution and of each block.

    Returns:
        Model, `(batch, frames, 1, features)` -> logits `(batch, 1)`.

    Raises:
        ConfigError: The window is too short for any block.

    Example:
        >>> temporal_cnn(98, 40).output_shape
        (None, 1)
    """
    kernels = _fitting((frames - _FIRST_KERNEL) // STRIDE + 1)
    if not kernels:
        raise ConfigError("the window is too short for this network", received=f"{frames=}")
    inputs = keras.Input((frames, 1, features), name="features")
    with initial_weights(seed):
        first = layers.Conv2D(channels[0], (_FIRST_KERNEL, 1), strides=(STRIDE, 1), use_bias=False)
        hidden = _normalised(first(inputs))
        for kernel, width in zip(kernels, channels[1:], strict=False):
            hidden = layers.DepthwiseConv2D((kernel, 1), use_bias=False)(hidden)
            hidden = _normalised(layers.Conv2D(width, 1, use_bias=False)(hidden))
        logit = layers.Dense(1, name="logit")(layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(inputs, logit, name="temporal_cnn")


def _fitting(positions: int) -> list[int]:
    kernels = []
    for kernel in _KERNELS:
        positions -= kernel - 1
        if positions < 1:
            break
        kernels.append(kernel)
    return kernels


def _normalised(hidden: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(hidden))


def over_stream(network: keras.Model, features: np.ndarray) -> np.ndarray:
    """What a `temporal_cnn` says of every window of a stream, three frames apart, computed at one go.

    Args:
        network: The network.
        features: `(frames, features)` float32 of a stream at least as long as a window.

    Returns:
        `(windows,)` logits; window n starts at frame `3 * n`.
    """
    *body, pooling, dense = network.layers[1:]
    hidden = tf.constant(features[np.newaxis, :, np.newaxis], tf.float32)
    for layer in body:
        hidden = layer(hidden, training=False) if layer._call_has_training_arg else layer(hidden)
    sums = np.cumsum(np.pad(hidden[0, :, 0].numpy().astype(np.float64), ((1, 0), (0, 0))), axis=0)
    positions = pooling.input.shape[1]
    means = (sums[positions:] - sums[:-positions]) / positions
    weights, bias = dense.get_weights()
    return means @ weights[:, 0].astype(np.float64) + float(bias[0])
