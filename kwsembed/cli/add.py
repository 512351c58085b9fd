"""`kwsembed add`: a new class from a few clips, on the frozen embedding of a run."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from kwsembed.atomic import ending_cleanly
from kwsembed.cli.options import add_run_options


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "add",
        help="a new class from a few clips, on a run's frozen embedding",
        description="Keeps the embedding of RUN, trains its head on the old data and the new clips, compares "
        "old and new bundle on RUN's validation and test, and leaves each new clip out once to see whether "
        "it would be found. RUN stays as it is.",
        epilog="example: kwsembed add RUN doorbell/ --label doorbell --out RUN2",
    )
    add_run_options(parser)
    parser.add_argument("clips", metavar="CLIPS", nargs="+", help="three or more files, or folders of them")
    parser.add_argument("--label", required=True, metavar="L", help="name of the new class")


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from kwsembed import add_class

    with ending_cleanly():
        add_class(
            args.run_directory,
            args.clips,
            args.out,
            label=args.label,
            cache_dir=args.cache,
            command=shlex.join(["kwsembed", *sys.argv[1:]]),
        )
    return 0
