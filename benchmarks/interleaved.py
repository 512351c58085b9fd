"""CPU time of things that take turns, so that a machine that slows down slows them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np


def interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int, least_s: float = 0.0
) -> dict[str, np.ndarray]:
    """CPU seconds of one call of each, in each round, after one call that does not count.

    Args:
        calls: What is timed, by name.
        rounds: How often all of them take a turn.
        least_s: In a turn a call is repeated for about so long, so that the clock's steps do not show.

    Returns:
        `(rounds,)` of each; all the threads of this process together.
    """
    repeats = {}
    for name, call in calls.items():
        call()
        started = time.process_time()
        call()
        took = time.process_time() - started
        repeats[name] = max(1, round(least_s / max(took, 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.process_time()
            for _ in range(repeats[name]):
                call()
            seconds[name].append((time.process_time() - started) / repeats[name])
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(seconds: Mapping[str, np.ndarray], above: str, below: str) -> float:
    """Median over the rounds of the time of one over that of another."""
    return float(np.median(seconds[above] / seconds[below]))
