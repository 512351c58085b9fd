"""Speed perturbation: windows played a little faster or slower, which moves their pitch along.

Source: Ko, Peddinti, Povey, Khudanpur, "Audio Augmentation for Speech Recognition" (Interspeech 2015).
"""

from __future__ import annotations

import math

import numpy as np

_STEPS = 31  # odd, so that the middle one is the speed the clip was recorded at


class SpeedChange:
    """Changes the speed of windows by table: positions and fractions of 31 speeds are computed once.

    Samples between samples are interpolated linearly, which dulls the highest octave by a few dB now and
    then: as a change of microphone would, so it is left in.

    Args:
        samples: Length of the result.
        largest_change: Speeds lie between `1 / (1 + largest_change)` and `1 + largest_change`, evenly in
            their logarithm; 0 leaves windows as they are.

    Attributes:
        lead: Samples that must be cut before and after a window: a faster one needs more audio.

    Example:
        >>> change = SpeedChange(4, largest_change=0.0)
        >>> change(np.arange(4 + 2 * change.lead, dtype=np.int16)[np.newaxis], np.array([0.5]))
        array([[1., 2., 3., 4.]], dtype=float32)
    """

    def __init__(self, samples: int, *, largest_change: float) -> None:
        self.lead = math.ceil(largest_change * samples / 2 + 1)
        steps = _STEPS if largest_change > 0 else 1
        exponents = np.linspace(-1.0, 1.0, steps) if steps > 1 else np.zeros(1)
        self.speeds = (1.0 + largest_change) ** exponents
        given = samples + 2 * self.lead
        from_centre = np.arange(samples) - (samples - 1) / 2
        position = np.clip((given - 1) / 2 + from_centre * self.speeds[:, np.newaxis], 0.0, given - 2)
        self._left = position.astype(np.intp)
        self._fraction = (position - self._left).astype(np.float32)

    def __call__(self, windows: np.ndarray, draws: np.ndarray, *, scale: float = 1.0) -> np.ndarray:
        """Plays each window at a speed of its own; its centre stays where it is.

        Args:
            windows: `(batch, samples + 2 * lead)` of any type.
            draws: `(batch,)` in [0, 1): which of the speeds, from the slowest to the fastest.
            scale: What samples are multiplied by.

        Returns:
            `(batch, samples)` float32, in the unit of `windows` times `scale`.
        """
        result = np.empty((len(windows), self._left.shape[1]), np.float32)
        heard, slope = np.empty(windows.shape[1], np.float32), np.empty(windows.shape[1] - 1, np.float32)
        left_sample = np.empty(result.shape[1], np.float32)
        for row, window, step in zip(result, windows, self._chosen(draws), strict=True):
            np.multiply(window, np.float32(scale), out=heard, casting="unsafe")
            np.subtract(heard[1:], heard[:-1], out=slope)
            # No position is out of range; mode "clip" spares the check, and a buffer for its sake.
            slope.take(self._left[step], out=row, mode="clip")
            row *= self._fraction[step]
            row += heard.take(self._left[step], out=left_sample, mode="clip")
        return result

    def _chosen(self, draws: np.ndarray) -> np.ndarray:
        return np.minimum((np.asarray(draws) * len(self.speeds)).astype(int), len(self.speeds) - 1)
