"""Operating points: the threshold for a target of false alarms per hour, and how sure one may be of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound
from kwsembed.detection.replay import Event, LabelReplay, Matches, ScoredStream, match_events
from kwsembed.errors import ConfigError, DataError

__all__ = [
    "Event",
    "LabelReplay",
    "Matches",
    "OperatingCurve",
    "OperatingPoint",
    "ScoredStream",
    "choose_threshold",
    "false_alarm_upper_bound",
    "match_events",
    "measure",
    "operating_curve",
]

_MOST_CANDIDATES = (
    400  # thresholds tried for their misses; more would change no decision that the clips support
)
_LEAST_PROBABILITY = 1e-7  # nearer to 0 or 1 a float32 softmax says nothing


@dataclass(frozen=True)
class OperatingPoint:
    """One label's threshold and what it costs, as counted on given audio.

    Args:
        label: The event label.
        threshold: A smoothed score that reaches it is a hit; above 1 the label never fires.
        target_false_alarms_per_hour: What was asked for.
        false_alarms: Detections in the negative audio.
        hours: Hours of negative audio.
        false_alarms_per_hour: Their quotient; None without negative audio.
        false_alarms_per_hour_upper: Upper bound of the rate at 95 % confidence; None without negative audio.
        certified: Whether that bound is within the target.
        events: True events in the positive audio.
        misses: Those that no detection hits.
        miss_rate: Their quotient; None without events.
    """

    label: str
    threshold: float
    target_false_alarms_per_hour: float
    false_alarms: int
    hours: float
    false_alarms_per_hour: float | None
    false_alarms_per_hour_upper: float | None
    certified: bool
    events: int
    misses: int
    miss_rate: float | None

    def __post_init__(self) -> None:
        number = isinstance(self.threshold, int | float) and math.isfinite(self.threshold)
        if not number or self.threshold <= 0:
            raise ConfigError(
                f"the threshold of {self.label} is out of range",
                expected="a number above 0",
                received=f"threshold={self.threshold!r}",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OperatingPoint:
        """The inverse of `to_dict`; missing and unknown keys are errors."""
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            raise ConfigError("not an operating point", expected=sorted(known), received=sorted(values))
        return cls(**values)


def measure(replay: LabelReplay, threshold: float, *, target_false_alarms_per_hour: float) -> OperatingPoint:
    """What a given threshold costs on given audio, such as a threshold chosen on validation on test audio."""
    false_alarms, misses = replay.false_alarms(threshold), replay.misses(threshold)
    upper = false_alarm_upper_bound(false_alarms, replay.hours) if replay.hours > 0 else None
    return OperatingPoint(
        label=replay.label,
        threshold=threshold,
        target_false_alarms_per_hour=target_false_alarms_per_hour,
        false_alarms=false_alarms,
        hours=replay.hours,
        false_alarms_per_hour=false_alarms / replay.hours if replay.hours > 0 else None,
        false_alarms_per_hour_upper=upper,
        certified=upper is not None and upper <= target_false_alarms_per_hour,
        events=replay.events,
        misses=misses,
        miss_rate=misses / replay.events if replay.events else None,
    )


def choose_threshold(
    replay: LabelReplay, *, target_false_alarms_per_hour: float = 0.5, most_false_alarms: int | None = None
) -> OperatingPoint:
    """The threshold with the fewest misses among those that keep the target on the negative streams.

    A threshold keeps the target if it and every higher one does. (Far down, all alarms merge into a single
    long one; that must not count as an improvement.) With less than one alarm allowed, as when there is
    little audio, the threshold therefore lies above the highest negative peak. Where a range of thresholds
    misses equally few events the middle of it is taken, in logits: between the audio that must not fire and
    the weakest event that must, neither side is known better than the other, and probabilities near 1 are
    too crowded to halve. Without events, or if all are missed, it is the lowest that keeps the target.

    The point's bound is that of the audio that was looked at while choosing; only other audio can confirm it.

    Args:
        replay: The label's streams; its hours must not be 0.
        target_false_alarms_per_hour: Above 0.
        most_false_alarms: So many are allowed in the replay's hours; what the target's rate comes to if None.

    Raises:
        DataError: If there is no negative audio: nothing could be said about false alarms.

    Example:
        >>> from kwsembed.detection.events import PostProcessing
        >>> negative = ScoredStream(np.array([[0.1], [0.2], [0.1]]), duration_s=1.5)
        >>> positive = ScoredStream(np.array([[0.1], [0.8], [0.1]]), 1.5, (Event("dog", 0.5, 1.0),))
        >>> post = PostProcessing(smoothing_windows=1)
        >>> replay = LabelReplay("dog", ["dog"], [negative], [positive], post=post, window_s=1.0)
        >>> point = choose_threshold(replay)
        >>> round(point.threshold, 3), point.misses, point.certified
        (0.5, 0, False)
    """
    target = target_false_alarms_per_hour
    if not target > 0:
        raise ConfigError("the target is out of range", expected="above 0 per hour", received=f"{target=}")
    if not replay.hours > 0:
        raise DataError(
            f"no negative audio to choose a threshold for {replay.label}",
            fix="add background clips to the split that chooses thresholds",
        )
    allowed = math.floor(target * replay.hours + 1e-9) if most_false_alarms is None else most_false_alarms
    floor = _highest_breach(replay, allowed=allowed)
    return measure(replay, _fewest_misses_above(replay, floor), target_false_alarms_per_hour=target)


def _highest_breach(replay: LabelReplay, *, allowed: int) -> float:
    """The highest score at which a threshold lets more than `allowed` false alarms pass; 0 if none does."""
    smoothed = replay.negative_smoothed
    peaks = _peaks(smoothed)
    if len(peaks) <= allowed:  # each detection holds a peak, so that no threshold gives more than there are
        return 0.0
    reached = smoothed[np.isfinite(smoothed) & (smoothed <= peaks[allowed])]
    for level in np.unique(reached)[::-1]:
        if replay.false_alarms(float(level)) > allowed:
            return float(level)
    return 0.0


def _fewest_misses_above(replay: LabelReplay, floor: float) -> float:
    lowest = math.nextafter(floor, math.inf)
    smoothed = replay.positive_smoothed
    # Between two neighbouring scores all thresholds are alike; the upper one stands for them.
    candidates = _thinned(np.unique(smoothed[np.isfinite(smoothed) & (smoothed > floor)]))
    misses = np.array([replay.misses(float(candidate)) for candidate in candidates])
    if not len(misses) or misses.min() == replay.events:
        return lowest
    first = int(misses.argmin())
    worse = np.flatnonzero(misses[first:] > misses[first])
    last = first + int(worse[0]) - 1 if len(worse) else len(misses) - 1
    low, high = (float(candidates[first - 1]) if first else floor), float(candidates[last])
    return min(max(_middle_in_logits(low, high), math.nextafter(low, math.inf)), high)


def _thinned(values: np.ndarray, most: int = _MOST_CANDIDATES) -> np.ndarray:
    """At most so many of the sorted values, evenly by rank, both ends among them."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(int)]


def _middle_in_logits(low: float, high: float) -> float:
    low, high = (min(max(p, _LEAST_PROBABILITY), 1 - _LEAST_PROBABILITY) for p in (low, high))
    middle = (math.log(low / (1 - low)) + math.log(high / (1 - high))) / 2
    return 1 / (1 + math.exp(-middle))


@dataclass(frozen=True)
class OperatingCurve:
    """Miss rate against false alarms per hour over falling thresholds (a DET curve's numbers).

    Args:
        label: The event label.
        threshold: (points,), falling.
        false_alarms_per_hour: (points,), never falling: the most at this threshold or any higher one.
        miss_rate: (points,); None without events.
        hours: Hours of negative audio.
        events: True events.
    """

    label: str
    threshold: np.ndarray
    false_alarms_per_hour: np.ndarray
    miss_rate: np.ndarray | None
    hours: float
    events: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }


def operating_curve(
    replay: LabelReplay, *, points: int = 100, thresholds: Sequence[float] = ()
) -> OperatingCurve:
    """The label's miss rate and false alarms per hour at up to `points` thresholds, taken from the scores.

    Half of them are peaks of the negative audio, in geometric steps of rank: few alarms matter more than many
    and are drawn on a logarithmic axis. The rest are the highest peaks of the positive audio, evenly by rank.

    Args:
        replay: The label's streams; its hours must not be 0.
        points: Most thresholds that are taken from the scores.
        thresholds: Further ones: with the chosen threshold among them, its operating point is on the curve.

    Raises:
        DataError: If there is no negative audio.
    """
    if not replay.hours > 0:
        raise DataError(f"no negative audio for the operating curve of {replay.label}")
    alarming, hitting = _peaks(replay.negative_smoothed), _peaks(replay.positive_smoothed)
    if len(alarming):
        alarming = alarming[np.geomspace(1, len(alarming), points // 2).round().astype(int) - 1]
    hitting = _thinned(hitting[: 2 * replay.events], points // 2)
    levels = np.concatenate([alarming, hitting, np.asarray(thresholds, dtype=np.float64)])
    falling = np.unique(levels[levels > 0])[::-1]
    alarms = np.array([replay.false_alarms(float(threshold)) for threshold in falling])
    misses = np.array([replay.misses(float(threshold)) for threshold in falling])
    return OperatingCurve(
        label=replay.label,
        threshold=falling,
        false_alarms_per_hour=np.maximum.accumulate(alarms) / replay.hours,
        miss_rate=misses / replay.events if replay.events else None,
        hours=replay.hours,
        events=replay.events,
    )


def _peaks(smoothed: np.ndarray) -> np.ndarray:
    """Local peaks, highest first: at these thresholds a detection appears."""
    padded = np.concatenate([[-np.inf], smoothed, [-np.inf]])
    return np.sort(smoothed[(smoothed > padded[:-2]) & (smoothed >= padded[2:])])[::-1]
