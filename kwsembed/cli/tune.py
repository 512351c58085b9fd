"""`kwsembed tune`: searches for settings by what the detector is for."""

from __future__ import annotations

import argparse
from typing import Any

from kwsembed.cli.options import add_data_options, add_setting_options, config_of
from kwsembed.methods import SEARCH_GROUPS, SEARCHES


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "tune",
        help="search for class weights and other settings; makes a config for train",
        description="Trains DATA with varied settings and keeps those with the highest recall on validation "
        "at the target of false alarms per hour. The same command goes on with a search that was stopped. "
        "The test split is not looked at.",
        epilog="example: kwsembed tune sounds/ --out SEARCH --trials 20 --epochs-share 0.5",
    )
    add_data_options(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the search; new, empty, or one to go on with"
    )
    parser.add_argument(
        "--trials", type=int, default=20, metavar="N", help="configurations to try in all (default: 20)"
    )
    parser.add_argument(
        "--seeds", type=int, default=2, metavar="N", help="networks of each, averaged (default: 2)"
    )
    parser.add_argument(
        "--epochs-share",
        type=float,
        default=1.0,
        metavar="X",
        help="share of the schedule's epochs that trials train (default: 1)",
    )
    parser.add_argument(
        "--method", choices=SEARCHES, default=SEARCHES[0], help="how settings are proposed (default: random)"
    )
    parser.add_argument(
        "--search",
        type=lambda text: tuple(text.split(",")),
        default=SEARCH_GROUPS,
        metavar="NAME[,NAME...]",
        help=f"what is varied: {', '.join(SEARCH_GROUPS)} (default: all)",
    )
    parser.add_argument(
        "--frozen",
        action="store_true",
        help="also judge the frozen variant, and take the one that train would keep",
    )
    add_setting_options(parser)
    parser.add_argument(
        "--cache", metavar="DIR", help="where decoded audio is kept (default: the user's cache)"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    config = config_of(args)

    from kwsembed import tune

    tune(
        args.data,
        args.out,
        config=config,
        trials=args.trials,
        seeds=args.seeds,
        epochs_share=args.epochs_share,
        method=args.method,
        search=args.search,
        frozen=args.frozen,
        background=args.background,
        test_folds=args.test_folds,
        validation_folds=args.validation_folds,
        cache_dir=args.cache,
    )
    return 0
