"""`kwsembed check`: what there is in the data, and what is wrong with it, before training."""

from __future__ import annotations

import argparse
from typing import Any

from kwsembed import atomic
from kwsembed.cli.audio_files import table_output
from kwsembed.cli.options import add_data_options, add_negatives_option, filled_path
from kwsembed.errors import DataError
from kwsembed.manifest.check import check_data
from kwsembed.progress import ProgressLine


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "check",
        help="tell what is in DATA and what is wrong with it",
        description="Listens to every file and tells how much there is of each class and split, which files "
        "are broken, silent, clipped, too long or too short, which groups lie in two splits, and which audio "
        "comes twice. Exit code 2 if the data cannot be trained on.",
        epilog="example: kwsembed check sounds/ --json check.json",
    )
    add_data_options(parser)
    add_negatives_option(parser)
    parser.add_argument("--json", type=filled_path, metavar="OUT", help="also write the whole report there")


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    report = check_data(
        args.data,
        background=args.background,
        negatives=args.negatives,
        test_folds=args.test_folds,
        validation_folds=args.validation_folds,
        seed=args.seed or 0,
        progress=ProgressLine("listening", unit="clips"),
    )
    print(report.text, file=table_output())
    if args.json:
        atomic.write_json(args.json, report.to_dict())
    if report.problem is not None:
        raise DataError(report.problem)
    return 0
