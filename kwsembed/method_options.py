"""What a method and its options are, and how `NAME:OPTION=VALUE,...` is read; needs no training code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kwsembed.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """A number that a method takes: its default, the range it must lie in, and whether it must be whole."""

    default: float
    least: float
    most: float
    whole: bool = False

    @property
    def switch(self) -> bool:
        """Whether it is on (1) or off (0) and nothing between, which no search turns by degrees."""
        return self.whole and (self.least, self.most) == (0, 1)


@dataclass(frozen=True)
class Method:
    """What is known of one method without any training code.

    Attributes:
        name: As it is asked for.
        summary: What it does, in a line.
        source: Where it was published.
        options: Its options.
        sampling: How pretraining by it draws classes, unless another way is asked for.
    """

    name: str
    summary: str
    source: str
    options: Mapping[str, Option]
    sampling: str = "balanced"


def parse_method(text: str, known: Mapping[str, Method], *, kind: str) -> tuple[Method, dict[str, float]]:
    """Reads `NAME` or `NAME:OPTION=VALUE,...`.

    A method with one option takes its bare value too, if nothing else is said: `undersample:10`.

    Args:
        text: The method as it was asked for.
        known: The methods of this kind.
        kind: What to call them in an error, such as `rebalance`.

    Returns:
        The method and the values of all its options, defaults included.

    Raises:
        ConfigError: Unknown method or option, or a value that is no number of its range.

    Example:
        >>> from kwsembed.methods import REBALANCINGS
        >>> parse_method("focal:gamma=1.5", REBALANCINGS, kind="rebalance")[1]
        {'gamma': 1.5}
        >>> parse_method("undersample:4", REBALANCINGS, kind="rebalance")[1]
        {'ratio': 4.0}
    """
    name, colon, rest = text.partition(":")
    if name not in known:
        raise ConfigError(f"unknown {kind}", expected=f"one of {', '.join(known)}", received=f"{kind}={text}")
    method = known[name]
    values = {option: about.default for option, about in method.options.items()}
    parts = rest.split(",") if colon else []
    for part in parts:
        option, equals, value = part.partition("=")
        if not equals and len(values) == len(parts) == 1:  # of a decimal comma, one part would be lost
            option, value = next(iter(values)), part
        if option.strip() not in values:
            raise ConfigError(
                f"unknown option of {kind} {name}",
                expected=", ".join(f"{key}=NUMBER" for key in method.options) or "no option",
                received=f"{kind}={text}",
            )
        values[option.strip()] = _number(option.strip(), value, method, text=text, kind=kind)
    return method, values


def _number(option: str, value: str, method: Method, *, text: str, kind: str) -> float:
    about = method.options[option]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not about.least <= number <= about.most or (about.whole and number != int(number)):
        raise ConfigError(
            f"option {option} of {kind} {method.name} is out of range",
            expected=f"a {'whole ' if about.whole else ''}number from {about.least:g} to {about.most:g}",
            received=f"{kind}={text}",
        )
    return number
