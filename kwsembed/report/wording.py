"""How the report says things: numbers, names, conclusions; the unknown is a dash, never `None` or `nan`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNKNOWN = "–"


@dataclass(frozen=True)
class Finding:
    """One conclusion; `tone` is "good", "caution", "bad" or "plain"."""

    tone: str
    text: str


def decimal(value: float | None, digits: int = 3) -> str:
    """A fixed number of decimals: `decimal(0.8421)` is "0.842"."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """As `decimal`, with its sign (a real minus): `signed(-0.0031)` is "−0.003"."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text[1:] if float(text[1:]) == 0 else text


def digits_apart(pairs: Iterable[tuple[float | None, float | None]], *, least: int = 3, most: int = 6) -> int:
    """Decimals with which the two numbers of each pair look different where they are.

    Example:
        >>> digits_apart([(0.8421, 0.8424), (0.5, 0.5), (0.7, None)])
        4
    """
    known = [(one, other) for one, other in pairs if one is not None and other is not None and one != other]
    alike = (
        digits
        for digits in range(least, most)
        if all(round(one, digits) != round(other, digits) for one, other in known)
    )
    return next(alike, most)


def percent(fraction: float | None, digits: int = 0) -> str:
    """A fraction in per cent: `percent(0.184)` is "18 %"."""
    return UNKNOWN if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.{digits}f} %"


def short(value: float | None) -> str:
    """Two significant digits below 10, whole numbers above: 0.31, 9.7, 24, 2,019."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    if abs(value) >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"


def small(value: float | None) -> str:
    """A difference: three decimals from a thousandth on, below that one figure: 0.031, 4e−7."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0 or value >= 0.0005:
        return f"{value:.3f}" if value else "0"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "\N{MINUS SIGN}")


def hours(value: float | None) -> str:
    """A length of audio: "0.31 h", below six minutes in seconds."""
    if value is None:
        return UNKNOWN
    return f"{value * 3600:.0f} s" if 0 < value < 0.1 else f"{short(value)} h"


def seconds(value: float | None) -> str:
    """A length of work: "8.2 s", "3 min 20 s", "1 h 05 min"."""
    if value is None:
        return UNKNOWN
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest_s = divmod(round(value), 60)
    return f"{minutes} min {rest_s:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def latency(value_us: float | None) -> str:
    """A latency: "310 µs", from a millisecond on "2.9 ms"."""
    if value_us is None:
        return UNKNOWN
    return f"{short(value_us / 1e3)} ms" if value_us >= 1e3 else f"{value_us:.0f} µs"


def whole(value: float | None) -> str:
    """A count: `whole(32644)` is "32,644"."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def size(size_bytes: float | None) -> str:
    """A file size in kB of 1,000 bytes or MB of 1,000,000."""
    if size_bytes is None:
        return UNKNOWN
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"


def counted(number: int, thing: str, plural: str | None = None) -> str:
    """A number with its noun: `counted(1, "clip")` is "1 clip", `counted(2019, "clip")` is "2,019 clips"."""
    return f"{number:,} {thing if number == 1 else plural or thing + 's'}"


def listed(names: Sequence[str], *, most: int = 6) -> str:
    """Names as a sentence has them: "a, b and c"; beyond `most` of them "a, b and 12 more"."""
    shown = list(names)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(names) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else UNKNOWN
