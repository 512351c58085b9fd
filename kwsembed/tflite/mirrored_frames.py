"""Frames of a waveform and their mirror images, by slices and sums that every client runs fast."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kwsembed.frontend import FrontendConfig, hann_window


def mirror_sums(waveform: tf.Tensor, frontend: FrontendConfig, *, reach: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Each frame plus and minus its mirror image around its middle, under the window.

    The waveform is cut into blocks of a hop, so that the middle of every frame is the first sample of a
    block, and each block is turned around besides. A frame and its image are then slices of stride one of
    whole columns: strided or gathered framing costs up to half of a front end.

    Args:
        waveform: `(1, samples)` float32, at least a frame.
        frontend: Definition of the features; its window must be an even number of samples.
        reach: Samples to either side of the middle, at least half a frame.

    Returns:
        Two tensors `(frames, 2 * reach + 1)`. In column `reach + m` they hold the samples at a distance `m`
        after and before the middle, added and subtracted; `m` may be negative. At half a frame and beyond
        all is 0.

    Example:
        >>> sums, differences = mirror_sums(tf.zeros((1, 16000)), FrontendConfig(), reach=256)
        >>> sums.shape
        TensorShape([98, 513])
    """
    samples = int(waveform.shape[1])
    frames = frontend.frame_count(samples)
    hop, half = frontend.hop_samples, frontend.window_samples // 2
    before, after = -(-reach // hop), reach // hop  # blocks, besides the one that the middle begins
    rows = before + frames + after
    lead = before * hop - half  # the first block begins so long before the waveform
    padded = tf.pad(waveform, [[0, 0], [lead, max(0, rows * hop - lead - samples)]])
    forwards = tf.reshape(tf.slice(padded, [0, 0], [1, rows * hop]), (rows, hop))
    backwards = tf.reverse(forwards, axis=[1])
    pieces = []  # of a frame: which block, its first column and the one behind its last
    for block in range(-before, after + 1):
        pieces.append((before + block, max(0, -reach - block * hop), min(hop, reach + 1 - block * hop)))
    frame = [tf.slice(forwards, [row, begin], [frames, stop - begin]) for row, begin, stop in pieces]
    image = [tf.slice(backwards, [row, hop - stop], [frames, stop - begin]) for row, begin, stop in pieces]
    window = np.zeros(2 * reach + 1, np.float32)
    window[reach - half : reach + half] = hann_window(frontend)  # even around its middle, 0 at its first
    joined, turned = tf.concat(frame, axis=1), tf.concat(image[::-1], axis=1)
    return (joined + turned) * window, (joined - turned) * window
