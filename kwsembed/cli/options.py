"""Options that several commands share: backgrounds, folds, seed."""

from __future__ import annotations

import argparse


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Adds DATA, --background, --test-folds, --validation-folds and --seed."""
    parser.add_argument("data", metavar="DATA", help="a folder with a folder per class, or a CSV manifest")
    parser.add_argument(
        "--background",
        action="append",
        default=[],
        metavar="NAME",
        help="a further class that is background, never an event (repeatable)",
    )
    parser.add_argument(
        "--test-folds",
        type=folds,
        metavar="N[,N...]|none",
        help="folds held out for the test (default: the highest)",
    )
    parser.add_argument(
        "--validation-folds",
        type=folds,
        metavar="N[,N...]",
        help="folds that choose variant and thresholds (default: the highest one left)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of everything random (default: 0)")


def folds(text: str) -> tuple[int, ...]:
    """Parses `5`, `4,5` or `none`.

    Example:
        >>> folds("4,5")
        (4, 5)
    """
    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected numbers such as 5 or 4,5, or none; received {text!r}"
        ) from None
