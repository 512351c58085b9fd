"""Another microphone: training windows coloured by random frequency responses, on their log-mel features.

Recordings of one class often share a recorder, and a network that learns the recorder fails on the next one.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from kwsembed.config import AugmentConfig

_POINTS = 7  # where a response is drawn; straight lines in between
_LEAST_CUTOFF = 0.3  # of the bands
_SLOPE_DB = (2.0, 15.0)  # per band above the cutoff
_MOST_LOSS_DB = 60.0
_LN_PER_DB = math.log(10.0) / 10.0


def equalise(log_mel: tf.Tensor, seed: tf.Tensor, *, config: AugmentConfig, log_offset: float) -> tf.Tensor:
    """Applies a random response to each example, as a filter before the front end would, up to band width.

    The response is a broken line through gains in dB that are drawn at seven bands from a normal distribution
    and have mean zero; with a probability it also falls off above a random band, like a cheap microphone's or
    a low sampling rate's. The floor of the features stays where it is: silence is not made louder.

    Source: Nam, Kim, Park, "FilterAugment: An Acoustic Environmental Data Augmentation Method"
    (arXiv:2110.03282), the linear type.

    Args:
        log_mel: `(batch, frames, mels)` features `ln(mel + log_offset)`.
        seed: `(2,)` int64.
        config: `equaliser_db`, `low_pass_probability`.
        log_offset: See `FrontendConfig`.

    Returns:
        `(batch, frames, mels)` float32.
    """
    if config.equaliser_db == 0 and config.low_pass_probability == 0:
        return log_mel
    seeds = tf.random.experimental.stateless_split(seed, 4)
    count, mels = tf.shape(log_mel)[0], log_mel.shape[2]
    points_db = config.equaliser_db * tf.random.stateless_normal((count, _POINTS), seeds[0])
    response_db = tf.matmul(points_db, _between_points(mels))
    response_db -= tf.reduce_mean(response_db, axis=1, keepdims=True)
    cutoff = tf.random.stateless_uniform((count, 1), seeds[1], _LEAST_CUTOFF * mels, float(mels))
    slope_db = tf.random.stateless_uniform((count, 1), seeds[2], *_SLOPE_DB)
    chosen = tf.random.stateless_uniform((count, 1), seeds[3]) < config.low_pass_probability
    loss_db = tf.minimum(tf.nn.relu(tf.range(mels, dtype=tf.float32) - cutoff) * slope_db, _MOST_LOSS_DB)
    response_db -= tf.where(chosen, loss_db, 0.0)
    factor = tf.exp(_LN_PER_DB * response_db)[:, tf.newaxis, :]
    # max: the exponential of the floor is not exactly the floor.
    power = tf.maximum(tf.exp(log_mel) - log_offset, 0.0)
    return tf.math.log(power * factor + log_offset)


def _between_points(mels: int) -> tf.Tensor:
    """`(points, mels)` weights of linear interpolation."""
    place = np.linspace(0, _POINTS - 1, mels)
    return tf.constant(np.maximum(0.0, 1.0 - np.abs(place - np.arange(_POINTS)[:, np.newaxis])), tf.float32)
