"""How many false alarms per hour there may truly be, given how many were counted."""

from __future__ import annotations

import math

import numpy as np

from kwsembed.errors import ConfigError


def false_alarm_upper_bound(count: int, hours: float, *, confidence: float = 0.95) -> float:
    """Exact upper bound of a Poisson rate, per hour (Garwood 1936).

    The rate at which `count` or fewer alarms in `hours` would have the probability `1 - confidence`. None in
    T hours proves only less than 3.0 / T per hour.

    Args:
        count: False alarms counted, >= 0.
        hours: Hours listened to, > 0.
        confidence: In (0, 1), one-sided.

    Example:
        >>> round(false_alarm_upper_bound(0, 2.0), 3)
        1.498
    """
    if count < 0 or not hours > 0 or not 0 < confidence < 1:
        raise ConfigError(
            "no bound for these numbers",
            expected="count >= 0, hours > 0, confidence in (0, 1)",
            received=f"count={count}, hours={hours}, confidence={confidence}",
        )
    counts = np.arange(count + 1)
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])

    def log_probability_of_so_few(mean: float) -> float:
        terms = counts * math.log(mean) - log_factorials
        largest = terms.max()
        return float(largest + np.log(np.exp(terms - largest).sum()) - mean)

    low, high = 0.0, count - math.log(1 - confidence) + 1.0
    while log_probability_of_so_few(high) > math.log(1 - confidence):
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if log_probability_of_so_few(middle) > math.log(1 - confidence):
            low = middle
        else:
            high = middle
    return high / hours


def most_false_alarms_within(
    target_false_alarms_per_hour: float, hours: float, *, confidence: float = 0.95
) -> int | None:
    """The most false alarms in so many hours whose upper bound keeps a target; None if not even none does.

    Example:
        >>> [most_false_alarms_within(0.5, hours) for hours in (5.9, 6.0, 9.4, 9.5)]
        [None, 0, 0, 1]
    """
    if hours <= 0 or false_alarm_upper_bound(0, hours, confidence=confidence) > target_false_alarms_per_hour:
        return None
    # A count keeps the target where so few alarms, at the rate of the target itself, would be improbable.
    mean = target_false_alarms_per_hour * hours
    reach = 40 * math.sqrt(mean) + 40  # a count farther from the mean has no probability in float64
    first = max(math.floor(mean - reach), 0)
    counts = np.arange(first, math.floor(mean + reach) + 1)
    log_factorials = math.lgamma(first + 1) + np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
    probability_of_so_few = np.cumsum(np.exp(counts * math.log(mean) - mean - log_factorials))
    return first + int(np.searchsorted(probability_of_so_few, 1 - confidence, side="right")) - 1
