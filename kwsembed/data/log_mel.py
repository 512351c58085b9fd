"""The front end in TensorFlow, for maps of tf.data: the numbers of `kwsembed.frontend.log_mel`, fast."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from kwsembed.frontend import FrontendConfig, hann_window, mel_matrix

_PIECE_S = 8.0  # of audio: 4 and 16 take about as long, 64 a third longer


class LogMel:
    """Turns waveforms into log-mel features inside a TensorFlow graph.

    Each clip is computed from its own samples only, so a batch changes nothing. A batch of known size is
    worked through in pieces: the work on all of it would fall out of the processor's cache.

    Args:
        config: Definition of the front end.

    Example:
        >>> clips = tf.data.Dataset.from_tensor_slices(tf.zeros((4, 16000)))
        >>> clips.map(LogMel(FrontendConfig())).batch(4).element_spec.shape
        TensorShape([None, 98, 64])

    See also:
        docs/front-end-speed.md, what this formulation costs beside others.
    """

    def __init__(self, config: FrontendConfig) -> None:
        self.config = config
        # Frames are put together from blocks that divide both window and hop: few long copies.
        self._block = math.gcd(config.window_samples, config.hop_samples)
        self._window = hann_window(config).astype(np.float32)
        first, stop = config.bin_range
        self._mel = mel_matrix(config)[first:stop].astype(np.float32)

    def __call__(self, waveform: tf.Tensor) -> tf.Tensor:
        """Computes the features of one waveform or of many of equal length.

        Args:
            waveform: `(samples,)` or `(..., samples)` float32 in [-1, 1], at `config.sample_rate_hz`. What is
                known of its shape when the graph is built stays known; the rest may vary from call to call.

        Returns:
            `(frames, mels)` or `(..., frames, mels)` float32.
        """
        waveform = tf.convert_to_tensor(waveform, tf.float32)
        at_once = self._clips_at_once(waveform.shape)
        if at_once is None:
            return self._of_all(waveform)
        firsts = range(0, waveform.shape[0], at_once)
        return tf.concat([self._of_all(waveform[first : first + at_once]) for first in firsts], axis=0)

    def _clips_at_once(self, shape: tf.TensorShape) -> int | None:
        """How many clips of a batch make a piece; None where the batch is unknown, or no longer than one."""
        if shape.rank != 2 or not shape.is_fully_defined():
            return None
        at_once = max(1, round(_PIECE_S * self.config.sample_rate_hz / max(1, shape[1])))
        return at_once if shape[0] > at_once else None

    def _of_all(self, waveform: tf.Tensor) -> tf.Tensor:
        config = self.config
        samples = waveform.shape[-1] if waveform.shape.rank else None
        frames = None if samples is None else config.frame_count(samples)
        framed = self._frames(waveform)
        shape = tf.concat([tf.shape(framed)[:-1], [config.mel_count]], axis=0)
        features = tf.reshape(self._features(tf.reshape(framed, [-1, config.window_samples])), shape)
        return tf.ensure_shape(features, waveform.shape[:-1].concatenate([frames, config.mel_count]))

    def _frames(self, waveform: tf.Tensor) -> tf.Tensor:
        """`(..., samples)` to `(..., frames, window)`."""
        config, block = self.config, self._block
        shape = tf.shape(waveform)
        leading, samples = shape[:-1], shape[-1]
        frames = tf.maximum(0, 1 + (samples - config.window_samples) // config.hop_samples)
        blocks = samples // block
        blocked = tf.reshape(waveform[..., : blocks * block], tf.concat([leading, [blocks, block]], axis=0))
        first_block = tf.range(frames)[:, tf.newaxis] * (config.hop_samples // block)
        framed = tf.gather(blocked, first_block + tf.range(config.window_samples // block), axis=-2)
        return tf.reshape(framed, tf.concat([leading, [frames, config.window_samples]], axis=0))

    def _features(self, frames: tf.Tensor) -> tf.Tensor:
        """`(frames, window)` to `(frames, mels)`."""
        config = self.config
        first, stop = config.bin_range
        # Padded here because tf.signal.rfft leaves an empty batch of frames unpadded and then refuses it.
        padded = tf.pad(frames * self._window, [[0, 0], [0, config.fft_length - config.window_samples]])
        spectrum = tf.signal.rfft(padded, [config.fft_length])
        # |z|^2 without the square root of tf.abs; unused bins go here, where they weigh least.
        power = (tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum)))[:, first:stop]
        return tf.math.log(tf.matmul(power, self._mel) + config.log_offset)
