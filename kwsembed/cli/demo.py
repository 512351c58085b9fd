"""`kwsembed demo`: the whole path on synthesised sounds."""

from __future__ import annotations

import argparse
from itertools import count
from pathlib import Path
from typing import Any

from kwsembed.errors import RunError


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "demo",
        help="the whole path on built-in synthesised sounds, minutes on two cores",
        description="Synthesises sounds, trains on them, and detects events in a stream beside the truth. "
        "Needs no network and no data.",
        epilog="example: kwsembed demo --out demo",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="new folder (default: kwsembed-demo, numbered if that exists)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of sounds and training (default: 0)"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    out = Path(args.out) if args.out else _free_name("kwsembed-demo")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(
            "the demo needs a new or empty folder", received=f"out={out}", fix="choose another --out"
        )

    from kwsembed import run_demo

    run_demo(out, seed=args.seed)
    return 0


def _free_name(stem: str) -> Path:
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(Path(name) for name in names if not Path(name).exists())
