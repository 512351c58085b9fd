"""`kwsembed mine`: the worst false alarms in hours of audio, as clips to train on."""

from __future__ import annotations

import argparse
from typing import Any

from kwsembed.cli.audio_files import FileTally, add_runtime_options
from kwsembed.cli.options import positive, whole
from kwsembed.errors import AudioError
from kwsembed.mining import mine
from kwsembed.progress import ProgressLine


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "mine",
        help="the worst false alarms as clips, ready to add as negatives",
        description="Scans AUDIO, which holds no event but those of --annotations, and keeps what fired, "
        "then what nearly did, as WAV clips under a background label with a manifest. `kwsembed refit` and "
        "`kwsembed train` take the folder with --negatives.",
        epilog="example: kwsembed mine RUN/bundle sounds/background/ --out mined --count 200",
    )
    add_runtime_options(parser)
    parser.add_argument("audio", metavar="AUDIO", nargs="+", help="audio files, or folders of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder; must be new or empty")
    parser.add_argument(
        "--count", type=whole, default=100, metavar="N", help="the most clips to keep (default: 100)"
    )
    parser.add_argument("--per-hour", action="store_true", help="so many of each hour heard, not in all")
    parser.add_argument(
        "--least-score",
        type=positive,
        default=0.5,
        metavar="X",
        help="smoothed score from which on a near miss counts (default: 0.5)",
    )
    parser.add_argument(
        "--context-s",
        type=float,
        default=1.0,
        metavar="S",
        help="audio kept before and after the sound (default: 1)",
    )
    parser.add_argument(
        "--label", metavar="NAME", help="background label of the clips, where there are several"
    )
    parser.add_argument("--annotations", metavar="TSV", help="DCASE: filename onset offset event_label")


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    mined = mine(
        args.bundle,
        args.audio,
        args.out,
        count=args.count,
        per_hour=args.per_hour,
        least_score=args.least_score,
        context_s=args.context_s,
        label=args.label,
        annotations=args.annotations,
        runtime=args.runtime,
        progress=ProgressLine("listening", unit="s"),
    )
    tally = FileTally("mine")
    for _, reason in mined.skipped:
        tally.skipped(AudioError(reason))
    tally.finish(used=mined.files)
    fired = ", ".join(f"{label} {count}" for label, count in mined.fired.items())
    print(f"heard {mined.hours:.2f} h: fired {fired}; near misses {mined.near_misses}")
    print(f"{mined.clips} clips: {mined.manifest}")
    return 0
