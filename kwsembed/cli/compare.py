"""`kwsembed compare`: remedies for imbalance and embeddings side by side on one's own data."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from typing import Any

from kwsembed.cli.options import with_teacher
from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.methods import PRETRAININGS, REBALANCINGS, TEACHER, parse_method


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "compare",
        help="compare remedies for imbalance on DATA; makes tables, plots and a page",
        description="Trains every method from the same budget of steps, at several imbalances, on several "
        "folds and with several seeds, and says what beats class weights, by how much, and how sure that is. "
        "A study that was stopped goes on; more methods, ratios, folds and seeds may be added later.",
        epilog="example: kwsembed compare sounds/ --out STUDY --methods class_weight logit_adjusted "
        "clustering clustering/frozen siamese --ratios 30 100",
    )
    parser.add_argument("data", metavar="DATA", help="a folder with a folder per class, or a CSV manifest")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the study")
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help=f"rebalancings ({', '.join(REBALANCINGS)}), pretrainings ({', '.join(PRETRAININGS)}), "
        "PRETRAINING/frozen, PRETRAINING+REBALANCING, METHOD+even_groups, METHOD+backwards, "
        "METHOD+sublabels, METHOD+taught, PRETRAINING+distilled, "
        "PRETRAINING+natural_batches (default: the best known ones)",
    )
    parser.add_argument(
        "--ratios",
        nargs="+",
        type=ratio,
        default=[ratio("whole")],
        metavar="R",
        help="background clips per clip of each event, reached by leaving out events; or whole (default)",
    )
    parser.add_argument(
        "--folds", nargs="+", type=int, metavar="N", help="folds tested in turn (default: all)"
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many seeds (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first of them (default: 0)")
    parser.add_argument(
        "--steps", type=int, default=1600, metavar="N", help="budget of every method (default: 1600)"
    )
    parser.add_argument(
        "--trials",
        type=int,
        default=1,
        metavar="N",
        help="settings tried for every method on validation before (default: 1, as named)",
    )
    parser.add_argument(
        "--clips-only", action="store_true", help="leave out misses at the target of false alarms: faster"
    )
    parser.add_argument("--background", action="append", default=[], metavar="NAME", help="see train")
    parser.add_argument("--config", metavar="FILE", help="TOML settings that all methods share")
    parser.add_argument(
        "--teacher",
        metavar="FILE",
        help="the model that the method `teacher` imitates, as in train, and that METHOD+taught is taught by",
    )
    parser.add_argument(
        "--unlabelled",
        metavar="DIR",
        help="recordings without labels for METHOD+taught, as in train; needs --teacher",
    )
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="cells at a time (default: 2)")
    parser.add_argument(
        "--report-only", action="store_true", help="train nothing; write the page from the cells so far"
    )
    parser.add_argument("--cache", metavar="DIR", help="where decoded audio is kept")


def ratio(text: str) -> float:
    """Parses `100` or `whole`.

    Example:
        >>> ratio("100"), ratio("whole")
        (100.0, 0.0)
    """
    if text == "whole":
        return 0.0
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"expected a number above 0, or whole; received {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    if args.seeds < 1:
        raise ConfigError("--seeds is out of range", expected="1 or more", received=f"{args.seeds}")
    config = TrainConfig.read(args.config, teacher=args.teacher) if args.config else None
    if args.teacher is not None or args.unlabelled is not None:
        config = _taught(config or TrainConfig(), args)

    from kwsembed import compare

    compare(
        args.data,
        args.out,
        methods=args.methods,
        ratios=args.ratios,
        folds=args.folds,
        seeds=range(args.seed, args.seed + args.seeds),
        steps=args.steps,
        trials=args.trials,
        streams=not args.clips_only,
        background=args.background,
        config=config,
        processes=args.processes,
        cache_dir=args.cache,
        report_only=args.report_only,
        command=shlex.join(["kwsembed", *sys.argv[1:]]),
    )
    return 0


def _taught(config: TrainConfig, args: argparse.Namespace) -> TrainConfig:
    """The settings with a teacher, if a method has one: a study without would be none of what was asked."""
    from kwsembed.comparison.contender import parse_contender

    contenders = [parse_contender(name) for name in args.methods or ()]
    pretrainings = [
        parse_method(one.pretrain, PRETRAININGS, kind="method") for one in contenders if one.pretrain
    ]
    taught = any(one.taught for one in contenders)
    if args.unlabelled is not None and not taught:
        raise ConfigError(
            "no method of the study hears recordings without labels",
            expected="METHOD+taught among --methods, such as class_weight+taught",
            received=f"--unlabelled {args.unlabelled}",
            fix="add +taught to a method, or leave --unlabelled out",
        )
    if not taught and not any(method.name == TEACHER for method, _ in pretrainings):
        raise ConfigError(
            "no method of the study learns from a teacher",
            expected=f"{TEACHER}, {TEACHER}/frozen or METHOD+taught among --methods",
            received=f"--teacher {args.teacher}",
            fix=f"add {TEACHER} to --methods, or leave --teacher out",
        )
    return with_teacher(config, teacher=args.teacher, unlabelled=args.unlabelled, taught=taught)
