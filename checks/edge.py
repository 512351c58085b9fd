"""Detections at the edge of their thresholds, which come and go where a last bit differs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

EDGE = 1.0
"""In log-odds: as near to its threshold an event may be found by one and not by the other.

Where the last bit of a float front end, other samples of a resampler or another start of windows take a
feature across the border of an int8 step, scores move by up to 0.1; that is 1 in log-odds for a threshold of
0.86, and thresholds of rare events lie higher.
"""


class Event(NamedTuple):
    """A detection as a client tells it; `score` is its highest one."""

    label: str
    onset_s: float
    offset_s: float
    score: float


def at_edge(event: Event, thresholds: Mapping[str, float]) -> bool:
    """Whether an event's score clears its threshold by little.

    Example:
        >>> at_edge(Event("dog", 1.0, 2.0, 0.95), {"dog": 0.9})
        True
        >>> at_edge(Event("dog", 1.0, 2.0, 0.99), {"dog": 0.9})
        False
    """
    return _log_odds(event.score) - _log_odds(thresholds[event.label]) < EDGE


def lowered(thresholds: Mapping[str, float]) -> dict[str, float]:
    """Thresholds that let through whatever could come and go."""
    return {label: 1 / (1 + math.exp(EDGE - _log_odds(value))) for label, value in thresholds.items()}


def match(event: Event, events: Sequence[Event], *, collar_s: float) -> Event | None:
    """The event of the same label that it overlaps, to within a collar; the one nearest in onset."""
    found = [
        other
        for other in events
        if other.label == event.label
        and other.onset_s <= event.offset_s + collar_s
        and other.offset_s >= event.onset_s - collar_s
    ]
    return min(found, key=lambda other: abs(other.onset_s - event.onset_s), default=None)


def unmatched(
    events: Sequence[Event], among: Sequence[Event], thresholds: Mapping[str, float], *, collar_s: float
) -> list[Event]:
    """Events, other than those at the edge, that are not among others."""
    return [
        event
        for event in events
        if not at_edge(event, thresholds) and match(event, among, collar_s=collar_s) is None
    ]


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-7), 1 - 1e-7)
    return math.log(inside / (1 - inside))
