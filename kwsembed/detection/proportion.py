"""How sure a share is, such as a miss rate, given how few could be counted."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate between its 95 % bounds."""

    estimate: float
    low: float
    high: float


def proportion_interval(count: int, total: int) -> Interval:
    """Wilson's 95 % interval of a proportion (E. B. Wilson, JASA 1927).

    Args:
        count: How often it happened, from 0 to `total`.
        total: How often it could have, at least 1.

    Example:
        >>> [round(x, 3) for x in (proportion_interval(0, 10).low, proportion_interval(0, 10).high)]
        [0.0, 0.278]
    """
    z = 1.959964
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))
