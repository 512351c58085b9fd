"""Every error that kwsembed raises on purpose: one root, and each class knows its command's exit code."""

from __future__ import annotations


class KwsembedError(Exception):
    """Root of all errors raised on purpose; exit code 1 means a fault of ours.

    Args:
        what: What is wrong, as a sentence without its full stop.
        expected: What would have been right.
        received: What came instead, as `name=value`.
        where: File, row or time it concerns.
        fix: What to do about it.

    Example:
        >>> str(DataError("the label is empty", where="manifest.csv row 7", fix="name the class"))
        'the label is empty (manifest.csv row 7). To mend it: name the class.'
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        expected: object = None,
        received: object = None,
        where: object = None,
        fix: str | None = None,
    ) -> None:
        text = what if where is None else f"{what} ({where})"
        parts = [text]
        if expected is not None:
            parts.append(f"Expected {expected}")
        if received is not None:
            parts.append(f"Received: {received}")
        if fix is not None:
            parts.append(f"To mend it: {fix}")
        # A single line, whatever the parts hold: commands print errors as one line.
        line = ". ".join(" ".join(str(part).split()).rstrip(".") for part in parts)
        super().__init__(line + ("." if len(parts) > 1 else ""))


class DivergenceError(KwsembedError):
    """A network's loss or scores are no numbers any more."""


class UserError(KwsembedError):
    """Something that was asked or given is wrong; exit code 2."""

    exit_code = 2


class DataError(UserError):
    """A manifest, a data folder or its split cannot be used."""


class AudioError(UserError):
    """An audio file or stream cannot be used."""


class ConfigError(UserError):
    """A setting is unknown or out of range."""


class BundleError(UserError):
    """A bundle is missing, damaged or does not match its model."""


class RunError(UserError):
    """A run directory cannot be used as asked."""


class MissingDependencyError(UserError, ImportError):
    """A package that an optional part needs is not installed."""
