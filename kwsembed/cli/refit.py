"""`kwsembed refit`: a run's head trained anew with mined negatives."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from kwsembed.atomic import ending_cleanly
from kwsembed.cli.options import add_negatives_option, add_run_options


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "refit",
        help="train a run's head anew with mined negatives, in minutes",
        description="Keeps the embedding of RUN, trains its head on the old data and the negatives, sets "
        "thresholds anew, and compares old and new bundle on RUN's validation and test. RUN stays as it is.",
        epilog="example: kwsembed refit RUN --negatives mined --out RUN2",
    )
    add_run_options(parser)
    add_negatives_option(parser, required=True)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from kwsembed import refit

    with ending_cleanly():
        refit(
            args.run_directory,
            args.out,
            negatives=args.negatives,
            cache_dir=args.cache,
            command=shlex.join(["kwsembed", *sys.argv[1:]]),
        )
    return 0
