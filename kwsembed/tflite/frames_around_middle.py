"""Frames of a waveform seen from their middles, by slices and sums that every client runs fast."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kwsembed.frontend import FrontendConfig, hann_window


class FramesAroundMiddle:
    """The samples at equal distances before and after the middle of each frame, under the window.

    The waveform is cut into blocks of a hop, so that the middle of every frame is the first sample of a
    block, and each block is turned around besides. Whatever samples are wanted, in either direction, are then
    slices of stride one of whole columns: strided or gathered framing costs up to half of a front end.

    Args:
        waveform: `(1, samples)` float32, at least a frame.
        frontend: Definition of the features; its window must be an even number of samples.

    Attributes:
        frames: Whole frames in the waveform.
        half: Half a frame, in samples.

    Example:
        >>> around = FramesAroundMiddle(tf.zeros((1, 16000)), FrontendConfig())
        >>> around.sum_and_difference(range(0, 129))[0].shape
        TensorShape([98, 129])
    """

    def __init__(self, waveform: tf.Tensor, frontend: FrontendConfig) -> None:
        samples = int(waveform.shape[1])
        hop, half = frontend.hop_samples, frontend.window_samples // 2
        self.frames = frontend.frame_count(samples)
        self.half = half
        self._hop = hop
        self._window = hann_window(frontend)[half:].astype(np.float32)  # even around its middle
        self._blocks_before = -(-half // hop)
        rows = self.frames - 1 + 2 * self._blocks_before
        lead = self._blocks_before * hop - half  # the first block begins so long before the waveform
        padded = tf.pad(waveform, [[0, 0], [lead, max(0, rows * hop - lead - samples)]])
        self._forwards = tf.reshape(tf.slice(padded, [0, 0], [1, rows * hop]), (rows, hop))
        self._backwards = tf.reverse(self._forwards, axis=[1])

    def sum_and_difference(self, *distances: range) -> tuple[tf.Tensor, tf.Tensor]:
        """The sample after the middle plus and minus the one before it, at each distance, under the window.

        Args:
            distances: Distances from the middle, 0 or more, in steps of 1 or -1. At half a frame and beyond
                all is 0; such distances may stand at the beginning and at the end only.

        Returns:
            Two tensors `(frames, distances)`. At distance 0 the sum counts the middle sample twice.
        """
        wanted = np.concatenate([np.array(part) for part in distances])
        inside = np.flatnonzero(wanted < self.half)
        kept = [[m for m in part if m < self.half] for part in distances]
        after = tf.concat([piece for part in kept for piece in self._pieces(part)], axis=1)
        before = tf.concat([piece for part in kept for piece in self._pieces([-m for m in part])], axis=1)
        window = self._window[wanted[inside]]
        pad = [[0, 0], [int(inside[0]), len(wanted) - 1 - int(inside[-1])]]

        def whole(values: tf.Tensor) -> tf.Tensor:
            return tf.pad(values * window, pad) if any(pad[1]) else values * window

        return whole(after + before), whole(after - before)

    def _pieces(self, offsets: list[int]) -> Iterator[tf.Tensor]:
        """The samples at neighbouring `offsets` from the middles, `(frames, part)` for each block."""
        forwards = len(offsets) < 2 or offsets[1] > offsets[0]
        rows = self._forwards if forwards else self._backwards
        for block, part in itertools.groupby(offsets, key=lambda offset: offset // self._hop):
            columns = [offset % self._hop for offset in part]
            begin = columns[0] if forwards else self._hop - 1 - columns[0]
            yield tf.slice(rows, [self._blocks_before + block, begin], [self.frames, len(columns)])
