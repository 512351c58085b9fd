"""Augmentation of waveforms and log-mel windows: pure functions of their input and an explicit seed.

All functions take `(batch, samples)` waveforms in [-1, 1] or `(batch, frames, mels)` features and a seed of
two integers; an example's result depends on the seed and its place in the batch only.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kwsembed.config import AugmentConfig


def augment_waveforms(
    waveforms: tf.Tensor,
    backgrounds: tf.Tensor,
    impulse_responses: tf.Tensor,
    seed: tf.Tensor,
    *,
    config: AugmentConfig,
) -> tf.Tensor:
    """Reverberation, a cut-out span, background mixed in, gain: same shape, clipped to [-1, 1].

    Args:
        waveforms: `(batch, samples)` float32.
        backgrounds: `(batch, samples)` float32 in any unit, background audio of the training split.
        impulse_responses: `(rooms, bins)` complex64 from `transfer_functions`.
        seed: `(2,)` int64.
        config: Probabilities and ranges.
    """
    seeds = tf.random.experimental.stateless_split(seed, 4)
    if config.reverberation_probability > 0:
        waveforms = reverberate(
            waveforms, impulse_responses, seeds[0], probability=config.reverberation_probability
        )
    if config.span_probability > 0:
        waveforms = keep_span(waveforms, seeds[3], probability=config.span_probability)
    if config.background_probability > 0:
        waveforms = mix_background(
            waveforms,
            backgrounds,
            seeds[1],
            probability=config.background_probability,
            snr_db=config.background_snr_db,
        )
    gain_db = tf.random.stateless_uniform((tf.shape(waveforms)[0], 1), seeds[2], *config.gain_db)
    return tf.clip_by_value(waveforms * 10.0 ** (gain_db / 20.0), -1.0, 1.0)


def mix_background(
    waveforms: tf.Tensor,
    backgrounds: tf.Tensor,
    seed: tf.Tensor,
    *,
    probability: float,
    snr_db: tuple[float, float],
) -> tf.Tensor:
    """Adds background at a ratio drawn uniformly from `snr_db`, with a probability per example.

    The power of an example is taken over its nonzero samples, so padding does not raise the ratio; where an
    example or its background is all zero, nothing is added. Backgrounds may be in any unit.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    count = tf.shape(waveforms)[0]
    ratio_db = tf.random.stateless_uniform((count, 1), seeds[0], *snr_db)
    chosen = tf.random.stateless_uniform((count, 1), seeds[1]) < probability
    wanted = _power(waveforms) * 10.0 ** (-ratio_db / 10.0)
    factor = tf.sqrt(tf.math.divide_no_nan(wanted, _power(backgrounds)))
    return waveforms + tf.where(chosen, factor, 0.0) * backgrounds


def _power(waveforms: tf.Tensor) -> tf.Tensor:
    """Mean square over the nonzero samples, `(batch, 1)`."""
    energy = tf.reduce_sum(waveforms**2, axis=1, keepdims=True)
    # Exact up to 2^24 samples, and twice as fast as counting in integers.
    sounding = tf.reduce_sum(tf.cast(waveforms != 0, tf.float32), axis=1, keepdims=True)
    return tf.math.divide_no_nan(energy, sounding)


def keep_span(waveforms: tf.Tensor, seed: tf.Tensor, *, probability: float) -> tf.Tensor:
    """Zeroes all but a random span of a fifth to the whole of the window, with a probability per example.

    Short clips are padded with zeros, and short clips are mostly events; were background never padded, a
    network would learn the padding instead of the sound.
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    count, samples = tf.shape(waveforms)[0], tf.shape(waveforms)[1]
    length = tf.random.stateless_uniform((count, 1), seeds[0], 0.2, 1.0)
    start = tf.random.stateless_uniform((count, 1), seeds[1]) * (1.0 - length)
    position = tf.cast(tf.range(samples), tf.float32)[tf.newaxis] / tf.cast(samples, tf.float32)
    kept = tf.logical_and(position >= start, position < start + length)
    chosen = tf.random.stateless_uniform((count, 1), seeds[2]) < probability
    return tf.where(tf.logical_and(chosen, tf.logical_not(kept)), 0.0, waveforms)


def synthetic_rooms(*, rooms: int, sample_rate_hz: int, seed: int) -> np.ndarray:
    """Impulse responses of rooms that are none: a direct sound followed by exponentially decaying noise.

    The decay to -60 dB takes 0.1 to 0.5 s; the tail holds -15 to -3 dB of the direct sound's energy. Model
    after Polack, "La transmission de l'energie sonore dans les salles" (1988).

    Returns:
        `(rooms, samples)` float64, 0.3 s of each.
    """
    random = np.random.default_rng(seed)
    tail_samples = int(0.3 * sample_rate_hz)
    time_s = np.arange(1, tail_samples) / sample_rate_hz
    responses = np.zeros((rooms, tail_samples))
    responses[:, 0] = 1.0
    for response in responses:
        decay = 10.0 ** (-3.0 * time_s / random.uniform(0.1, 0.5))
        tail = random.standard_normal(tail_samples - 1) * decay
        response[1:] = tail * np.sqrt(10.0 ** (random.uniform(-15.0, -3.0) / 10.0) / np.sum(tail**2))
    return responses


def transfer_functions(impulse_responses: np.ndarray, *, window_samples: int) -> np.ndarray:
    """What `reverberate` multiplies spectra with.

    Args:
        impulse_responses: `(rooms, samples)`.
        window_samples: Length of the windows.

    Returns:
        `(rooms, bins)` complex64 at a transform length that makes the convolution linear.
    """
    length = _transform_length(window_samples + impulse_responses.shape[1])
    return np.fft.rfft(impulse_responses, length).astype(np.complex64)


def _transform_length(least: int) -> int:
    """The smallest length of the form 2^a or 3 * 2^a that holds `least` samples: fast, and even."""
    powers = [2**a for a in range(1, 32)] + [3 * 2**a for a in range(1, 30)]
    return min(length for length in powers if length >= least)


def reverberate(
    waveforms: tf.Tensor, impulse_responses: tf.Tensor, seed: tf.Tensor, *, probability: float
) -> tf.Tensor:
    """Convolves some examples with a random room of `transfer_functions`, keeping length and energy."""
    seeds = tf.random.experimental.stateless_split(seed, 2)
    count, samples = tf.shape(waveforms)[0], tf.shape(waveforms)[1]
    length = 2 * (tf.shape(impulse_responses)[1] - 1)
    # Only the chosen examples are transformed: this is the dearest step of the pipeline.
    chosen = tf.where(tf.random.stateless_uniform((count,), seeds[0]) < probability)[:, 0]
    room = tf.random.stateless_uniform((count,), seeds[1], 0, tf.shape(impulse_responses)[0], dtype=tf.int32)
    dry = tf.gather(waveforms, chosen)
    response = tf.gather(impulse_responses, tf.gather(room, chosen))
    # Padded here because tf.signal.rfft leaves an empty batch unpadded and then refuses it.
    padded = tf.pad(dry, [[0, 0], [0, length - samples]])
    wet = tf.signal.irfft(tf.signal.rfft(padded, [length]) * response, [length])[:, :samples]
    energy = tf.reduce_sum(dry**2, axis=1, keepdims=True)
    wet *= tf.sqrt(tf.math.divide_no_nan(energy, tf.reduce_sum(wet**2, axis=1, keepdims=True)))
    return tf.tensor_scatter_nd_update(waveforms, chosen[:, tf.newaxis], wet)


def mask_spectrogram(log_mel: tf.Tensor, seed: tf.Tensor, *, config: AugmentConfig) -> tf.Tensor:
    """SpecAugment (Park et al. 2019, arXiv:1904.08779) without time warping: masks take the example's mean.

    Args:
        log_mel: `(batch, frames, mels)`.
        seed: `(2,)` int64.
        config: Number and width of the masks.
    """
    frames, mels = log_mel.shape[1], log_mel.shape[2]
    seeds = tf.random.experimental.stateless_split(seed, 2)
    batch = tf.shape(log_mel)[0]
    in_time = _stripes(batch, frames, seeds[0], config.time_masks, config.time_mask_frames)
    in_mel = _stripes(batch, mels, seeds[1], config.mel_masks, config.mel_mask_bands)
    masked = tf.logical_or(in_time[:, :, tf.newaxis], in_mel[:, tf.newaxis, :])
    return tf.where(masked, tf.reduce_mean(log_mel, axis=(1, 2), keepdims=True), log_mel)


def _stripes(batch: tf.Tensor, size: int, seed: tf.Tensor, count: int, width: int) -> tf.Tensor:
    """`(batch, size)` bool, True inside `count` stripes of 0 to `width` places."""
    seeds = tf.random.experimental.stateless_split(seed, 2)
    length = tf.random.stateless_uniform((batch, count, 1), seeds[0], 0, width + 1, dtype=tf.int32)
    start = tf.random.stateless_uniform((batch, count, 1), seeds[1], 0, size, dtype=tf.int32)
    place = tf.range(size)[tf.newaxis, tf.newaxis]
    return tf.reduce_any(tf.logical_and(place >= start, place < start + length), axis=1)
