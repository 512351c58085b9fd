"""How window scores are smoothed and where the spans of hits lie: the settings of event detection.

Window k covers the seconds `[k * hop_s, k * hop_s + window_s]` of its stream and yields one row of scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from kwsembed.errors import ConfigError


@dataclass(frozen=True)
class PostProcessing:
    """How a stream of scores becomes detections.

    Args:
        hop_s: Time from one window's start to the next one's, in seconds.
        smoothing_windows: A score is the mean over this many windows, the current one the last of them.
        min_consecutive: Smoothed scores in a row that must reach the threshold.
        refractory_s: After a detection closes, its label stays quiet for so long.
        onset_shift_s: How far inside the span of hits the event lies, at either end (see `span_s`).

    Raises:
        ConfigError: If a value is out of range.

    Example:
        >>> PostProcessing(hop_s=0.25, refractory_s=0.6).refractory_hops
        3
    """

    hop_s: float = 0.25
    smoothing_windows: int = 2
    min_consecutive: int = 1
    refractory_s: float = 1.0
    onset_shift_s: float = 0.0

    def __post_init__(self) -> None:
        counts, times_s = ("smoothing_windows", "min_consecutive"), ("hop_s", "refractory_s", "onset_shift_s")
        for name in (*counts, *times_s):
            value = getattr(self, name)
            number = type(value) is int or (name in times_s and type(value) is float and math.isfinite(value))
            if not number or (name in counts and value < 1) or (name == "refractory_s" and value < 0):
                raise ConfigError(
                    f"{name} is out of range",
                    expected="an integer >= 1" if name in counts else "a number of seconds",
                    received=f"{name}={value!r}",
                )
        if self.hop_s <= 0:
            raise ConfigError("hop_s is out of range", expected="above 0 s", received=f"hop_s={self.hop_s!r}")

    @property
    def refractory_hops(self) -> int:
        """Hops from the hop that closes a detection to the first that may open the next."""
        return math.ceil(self.refractory_s / self.hop_s - 1e-9)  # 0.3 / 0.1 is 2.9999999999999996 or so

    def span_s(
        self, first_hops: np.ndarray, last_hops: np.ndarray, *, window_s: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Onsets and offsets, in seconds, of runs of hits.

        A smoothed score stands at the centre of the audio that it averages. An onset is the centre of the
        first hit plus `onset_shift_s`, an offset the centre of the last hit minus `onset_shift_s`: a window
        reaches the threshold as soon as it holds enough of an event and until it holds too little, so both
        ends are wrong by the same amount, in opposite directions. The span never becomes shorter than one
        hop, around its middle, and no onset lies before the stream's start.

        Args:
            first_hops: (runs,) integer, the first hop of each run.
            last_hops: (runs,) integer, the last hop of each run.
            window_s: Length of a window in seconds.

        Returns:
            Onsets (runs,) and offsets (runs,); each offset is later than its onset.

        Example:
            >>> post = PostProcessing(hop_s=0.5, smoothing_windows=1)
            >>> post.span_s(np.array([2]), np.array([4]), window_s=1.0)
            (array([1.5]), array([2.5]))
        """
        begins_s = self._centres_s(first_hops, window_s)
        ends_s = self._centres_s(last_hops, window_s)
        middles_s = (begins_s + ends_s) / 2
        halves_s = np.maximum((ends_s - begins_s) / 2 - self.onset_shift_s, self.hop_s / 2)
        return np.maximum(middles_s - halves_s, 0.0), middles_s + halves_s

    def _centres_s(self, hops: np.ndarray, window_s: float) -> np.ndarray:
        averaged = np.minimum(np.asarray(hops) + 1, self.smoothing_windows)
        return (hops - (averaged - 1) / 2) * self.hop_s + window_s / 2

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PostProcessing:
        """The inverse of `to_dict`; unknown keys are errors."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError("unknown post-processing setting", expected=known, received=unknown)
        return cls(**values)


def smooth(scores: np.ndarray, windows: int) -> np.ndarray:
    """Causal moving average over hops; at the start, the average of what is there.

    Args:
        scores: (hops,) or (hops, labels).
        windows: How many hops to average, >= 1.

    Returns:
        float64, the shape of `scores`. A hop's value depends on no later hop, to the last bit.

    Example:
        >>> smooth(np.array([1.0, 0.0, 0.0, 0.5]), 2)
        array([1.  , 0.5 , 0.  , 0.25])
    """
    return moving_average(np.zeros((windows - 1, *scores.shape[1:])), scores, first_hop=0)


def moving_average(history: np.ndarray, scores: np.ndarray, *, first_hop: int) -> np.ndarray:
    """Averages each score with those before it; `history` holds the windows - 1 rows before the first."""
    windows, hops = len(history) + 1, len(scores)
    padded = np.concatenate([history, scores])
    # Always added up in the same order, oldest last, so that no chunking changes even the last bit.
    total = np.zeros(scores.shape)
    if hops < windows:  # whichever loop is shorter
        for hop in range(hops):
            total[hop] = np.add.accumulate(padded[hop : hop + windows][::-1], axis=0)[-1]
    else:
        for back in range(windows):
            total += padded[windows - 1 - back : windows - 1 - back + hops]
    counts = np.minimum(np.arange(first_hop, first_hop + hops) + 1, windows)
    return total / counts.reshape(-1, *[1] * (scores.ndim - 1))
