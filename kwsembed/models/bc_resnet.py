"""Broadcasted residual network: frequency convolutions in 2-D, temporal ones on the frequency average.

After Kim et al., "Broadcasted Residual Learning for Efficient Keyword Spotting" (arXiv:2106.04140). Two
things differ: batch normalisation stands for sub-spectral normalisation and ReLU for swish, since both then
fuse into int8 convolutions on every client.
"""

from __future__ import annotations

import keras
from keras import layers

from kwsembed.models.width import scaled_channels

# (channels, blocks, stride in frequency, dilation in time) of each stage.
_STAGES = ((16, 2, 1, 1), (24, 2, 2, 2), (32, 3, 2, 4), (40, 3, 1, 8))


def bc_resnet(log_mel: keras.KerasTensor, *, width: float = 1.0) -> keras.KerasTensor:
    """Maps log-mel frames to one feature vector.

    Args:
        log_mel: `(batch, frames, mels)`, scaled to about unit variance.
        width: Factor on the number of channels.

    Returns:
        `(batch, features)`.
    """
    image = layers.Reshape((*log_mel.shape[1:], 1))(log_mel)
    hidden = layers.Conv2D(scaled_channels(32, width), 5, strides=2, padding="same", use_bias=False)(image)
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(hidden))
    for channels, blocks, mel_stride, dilation in _STAGES:
        for block in range(blocks):
            hidden = _block(
                hidden,
                scaled_channels(channels, width),
                mel_stride=mel_stride if block == 0 else 1,
                dilation=dilation,
                transition=block == 0,
            )
    hidden = layers.DepthwiseConv2D((1, hidden.shape[2]), use_bias=False)(hidden)
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(hidden))
    return layers.GlobalAveragePooling2D()(hidden)


def _block(
    hidden: keras.KerasTensor, channels: int, *, mel_stride: int, dilation: int, transition: bool
) -> keras.KerasTensor:
    """y = x + f2(x) + broadcast(f1(mean over frequency of f2(x))); a transition block has no identity."""
    identity = hidden
    if transition:
        hidden = layers.Conv2D(channels, 1, use_bias=False)(hidden)
        hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(hidden))
    if mel_stride > 1:
        hidden = layers.AveragePooling2D((1, mel_stride))(hidden)
    by_frequency = layers.DepthwiseConv2D((1, 3), padding="same", use_bias=False)(hidden)
    by_frequency = layers.BatchNormalization(momentum=0.95)(by_frequency)
    by_time = layers.AveragePooling2D((1, by_frequency.shape[2]))(by_frequency)
    by_time = layers.DepthwiseConv2D((3, 1), padding="same", dilation_rate=(dilation, 1), use_bias=False)(
        by_time
    )
    by_time = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(by_time))
    by_time = layers.Conv2D(channels, 1)(by_time)
    parts = [by_frequency, by_time] if transition else [identity, by_frequency, by_time]
    total = parts[0]
    for part in parts[1:]:
        total = layers.Add()([total, part])
    return layers.ReLU()(total)
