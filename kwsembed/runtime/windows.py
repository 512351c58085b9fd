"""Cutting a stream or a clip into windows, chunk by chunk."""

from __future__ import annotations

import numpy as np

from kwsembed.errors import ConfigError


class WindowBuffer:
    """Collects samples and gives out each window as soon as it is full, whatever the chunks.

    Window k starts at sample `k * hop_samples` of the stream. Samples that no later window needs are
    forgotten, so that memory does not grow with the stream.

    Args:
        window_samples: Length of a window.
        hop_samples: Distance of window starts, in 1 .. window_samples.

    Example:
        >>> buffer = WindowBuffer(4, 2)
        >>> buffer.process(np.array([1.0, 2.0, 3.0, 4.0, 5.0])).tolist()
        [[1.0, 2.0, 3.0, 4.0]]
        >>> buffer.flush().tolist()
        [[3.0, 4.0, 5.0, 0.0]]
    """

    def __init__(self, window_samples: int, hop_samples: int) -> None:
        if not 1 <= hop_samples <= window_samples:
            raise ConfigError(
                "hop_samples is out of range", expected="1 .. window_samples", received=f"{hop_samples=}"
            )
        self._window, self._hop = window_samples, hop_samples
        self.reset()

    def reset(self) -> None:
        """Forgets the stream; the next sample is sample 0."""
        self._kept: list[np.ndarray] = []  # chunks, from the start of the next window on
        self._length = 0  # samples of them
        self._unseen = 0  # samples at the end of the stream that no window held yet

    def process(self, chunk: np.ndarray) -> np.ndarray:
        """Takes the next (samples,); returns the windows they fill, (windows, window_samples) float32."""
        if len(chunk):
            self._kept.append(chunk.astype(np.float32))
        self._length += len(chunk)
        self._unseen += len(chunk)
        count = max((self._length - self._window) // self._hop + 1, 0)
        if not count:  # nothing is joined before it is needed: a window is long beside a chunk
            return np.zeros((0, self._window), np.float32)
        kept = np.concatenate(self._kept)
        rest = kept[count * self._hop :].copy()
        self._kept, self._length = [rest], len(rest)
        self._unseen = len(kept) - ((count - 1) * self._hop + self._window)
        step = kept.itemsize
        return np.ndarray((count, self._window), np.float32, buffer=kept, strides=(self._hop * step, step))

    def flush(self) -> np.ndarray:
        """Ends the stream: one more window, zeros behind the last sample, if samples were in no window yet.

        Returns:
            (0 or 1, window_samples); the buffer is then ready for a new stream.
        """
        tail = np.zeros((1 if self._unseen else 0, self._window), np.float32)
        if self._unseen:
            tail[0, : self._length] = np.concatenate(self._kept)
        self.reset()
        return tail


class ClipWindowBuffer:
    """Gives out the windows of `clip_windows` for a clip that comes in chunks, in constant memory.

    Args:
        window_samples: Length of a window.
        hop_samples: Distance of window starts, in 1 .. window_samples.

    Example:
        >>> buffer = ClipWindowBuffer(4, 3)
        >>> buffer.process(np.array([1.0, 2.0, 3.0, 4.0, 5.0])).tolist()
        [[1.0, 2.0, 3.0, 4.0]]
        >>> buffer.flush().tolist()
        [[2.0, 3.0, 4.0, 5.0]]
    """

    def __init__(self, window_samples: int, hop_samples: int) -> None:
        self._windows = WindowBuffer(window_samples, hop_samples)
        self._window = window_samples
        self._last = np.zeros(0, np.float32)  # as much of the clip's end as a window holds

    def process(self, chunk: np.ndarray) -> np.ndarray:
        """Takes the next (samples,); returns the windows they fill, (windows, window_samples) float32."""
        self._last = np.concatenate([self._last, chunk[-self._window :]])[-self._window :]
        return self._windows.process(chunk)

    def flush(self) -> np.ndarray:
        """Ends the clip: one more window if samples were in none yet, (0 or 1, window_samples).

        It ends where the clip ends; a clip that is shorter lies in the middle of it, between zeros.
        """
        left_over = len(self._windows.flush()) > 0
        last, self._last = self._last, np.zeros(0, np.float32)
        if not left_over:
            return np.zeros((0, self._window), np.float32)
        missing = self._window - len(last)
        return np.pad(last, (missing // 2, missing - missing // 2))[None]
