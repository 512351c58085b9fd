"""Checks of settings that every config class shares, and building such a class from plain values."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from kwsembed.errors import ConfigError


def require(holds: bool, what: str, *, expected: str, received: str) -> None:
    """Raises a ConfigError unless the condition holds."""
    if not holds:
        raise ConfigError(what, expected=expected, received=received)


def require_positive(settings: object, *names: str) -> None:
    """Takes settings that are finite and above 0."""
    for name in names:
        value = getattr(settings, name)
        require(
            0 < value < math.inf,
            f"{name} must be positive",
            expected="more than 0",
            received=f"{name}={value}",
        )


def require_not_negative(settings: object, *names: str) -> None:
    """Takes settings that are finite and not below 0."""
    for name in names:
        value = getattr(settings, name)
        require(
            0 <= value < math.inf,
            f"{name} must not be negative",
            expected="0 or more",
            received=f"{name}={value}",
        )


def require_named(settings: object, name: str, known: tuple[str, ...]) -> None:
    """Takes one of the known names, where `word:RATIO` stands for the word and a positive number."""
    value = getattr(settings, name)
    word, colon, ratio = value.partition(":")
    try:
        holds = f"{word}:RATIO" in known and 0 < float(ratio) < math.inf if colon else value in known
    except ValueError:
        holds = False
    expected = f"one of {', '.join(known)}"
    if any(choice.endswith(":RATIO") for choice in known):
        expected += " (RATIO: a positive number)"
    require(holds, f"unknown {name}", expected=expected, received=f"{name}={value}")


def from_plain(kind: Any, values: dict[str, Any], *, prefix: str = "") -> Any:
    """A config class from plain values, as TOML or JSON hold them; what is not named keeps its default.

    Args:
        kind: A dataclass whose fields all have defaults; a field that is a dataclass itself is a section.
        values: By name of the field; a section has a dict of its own.
        prefix: Put before names in messages, such as `schedule.`.

    Raises:
        ConfigError: A setting is unknown or its value of the wrong kind; names it.
    """
    known = [entry.name for entry in dataclasses.fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        listed = ", ".join(prefix + name for name in known)
        raise ConfigError(f"unknown setting {prefix}{unknown[0]}", expected=f"one of {listed}")
    defaults = kind()
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        default = getattr(defaults, name)
        if dataclasses.is_dataclass(default):
            require(
                isinstance(value, dict),
                f"{name} is a section",
                expected=f"[{name}]",
                received=f"{name}={value}",
            )
            arguments[name] = from_plain(type(default), value, prefix=f"{prefix}{name}.")
        else:
            arguments[name] = _coerced(prefix + name, value, default)
    return kind(**arguments)


def _coerced(name: str, value: Any, default: Any) -> Any:
    """Takes a value of the default's kind; an integer stands for a float, a list for a tuple of numbers.

    A table holds numbers by name.
    """
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(_coerced(name, item, default[0]) for item in value)
    if isinstance(default, dict) and isinstance(value, dict):
        return {key: _coerced(f"{name}.{key}", item, 1.0) for key, item in value.items()}
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    require(
        type(value) is type(default),
        f"{name} is of the wrong kind",
        expected=f"a value like {default!r}",
        received=f"{name}={value!r}",
    )
    return value
