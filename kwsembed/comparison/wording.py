"""How a study says where something was found, and by how much two methods differ."""

from __future__ import annotations

from kwsembed.comparison.study import WHOLE
from kwsembed.report.intervals import Interval
from kwsembed.report.wording import counted


def imbalance(ratio: float) -> str:
    """An imbalance as people say it: `imbalance(100.0)` is "100:1"."""
    return "as they are" if ratio == WHOLE else f"{ratio:g}:1"


def at(ratio: float) -> str:
    """Where something was found: `at(100.0)` is "at 100:1"."""
    return "on the data as they are" if ratio == WHOLE else f"at {imbalance(ratio)}"


def fewer(errors: Interval, *, of: str = "balanced errors", than: str = "", cells: int | None = None) -> str:
    """A relative difference of errors with its interval.

    Example:
        >>> fewer(Interval(0.12, 0.03, 0.2))
        '12 % fewer balanced errors (95 % interval 3 to 20 %)'
        >>> fewer(Interval(-0.08, -0.15, 0.01))
        '8 % more balanced errors (95 % interval −1 to 15 %)'
    """
    less = errors.estimate >= 0
    value, low, high = (
        (errors.estimate, errors.low, errors.high) if less else (-errors.estimate, -errors.high, -errors.low)
    )
    bounds = f"95 % interval {_percent(low)} to {_percent(high)} %"
    if cells is not None:
        bounds += f"; {counted(cells, 'cell')}"
    return f"{_percent(value)} % {'fewer' if less else 'more'} {of}{than} ({bounds})"


def _percent(share: float) -> str:
    # One digit below 10 %, so that a bound near zero does not look like zero.
    digits = 1 if 0 < abs(share) < 0.0995 and round(100 * share, 1) % 1 else 0
    text = f"{100 * share:.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return "0" if text.strip("\N{MINUS SIGN}0.") == "" else text
