"""`kwsembed train`: from data to a bundle and a report."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from typing import Any

from kwsembed.cli.options import add_data_options, add_negatives_option, add_setting_options, config_of
from kwsembed.config import KEPT


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "train",
        help="train a detector on DATA; makes a bundle and a report",
        description="Pretrains an embedding, trains a head on it and a network end to end, keeps the better "
        "one on validation, sets a threshold per event, and writes a bundle and a report.",
        epilog="example: kwsembed train sounds/ --out RUN --target-false-alarms-per-hour 0.5",
    )
    add_data_options(parser)
    add_negatives_option(parser)
    parser.add_argument(
        "--out", required=True, metavar="RUN", help="run directory; new or empty, or see --resume"
    )
    add_setting_options(parser)
    parser.add_argument(
        "--cache", metavar="DIR", help="where decoded audio is kept (default: the user's cache)"
    )
    parser.add_argument(
        "--keep",
        metavar="VARIANT",
        help=f"what is shipped: {', '.join(KEPT)} (default: the first, the better of frozen and end_to_end); "
        "with --resume a finished run ships another, without training again",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    config = config_of(args)
    if args.keep is not None:
        config = dataclasses.replace(config, keep=args.keep)

    from kwsembed import train

    train(
        args.data,
        args.out,
        config=config,
        background=args.background,
        negatives=args.negatives,
        test_folds=args.test_folds,
        validation_folds=args.validation_folds,
        cache_dir=args.cache,
        resume=args.resume,
        command=shlex.join(["kwsembed", *sys.argv[1:]]),
    )
    return 0
