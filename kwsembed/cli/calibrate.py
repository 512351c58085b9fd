"""`kwsembed calibrate`: new operating points from the user's own long audio, without retraining."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from kwsembed.calibration import calibrate, set_thresholds
from kwsembed.cli.audio_files import FileTally, add_runtime_options
from kwsembed.cli.options import filled_path, label_threshold, positive, seconds, wholes
from kwsembed.errors import AudioError, UserError
from kwsembed.progress import ProgressLine

_ABOUT_AUDIO = ("annotations", "smoothing_windows", "min_consecutive", "refractory_s", "collar_s", "runtime")


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "calibrate",
        help="new operating points from your own long audio, without retraining",
        description="Scores AUDIO once, tries settings and thresholds on the scores, and writes a new "
        "bundle; the old one stays as it is. Without --annotations all of AUDIO is taken to hold no event.",
        epilog="example: kwsembed calibrate RUN/bundle sounds/background/ --out tuned "
        "--target-false-alarms-per-hour 0.2; kwsembed calibrate tuned --set whistle=0.8 --out bolder",
    )
    add_runtime_options(parser)
    audio = parser.add_argument(
        "audio",
        metavar="AUDIO",
        nargs="+",
        type=filled_path,
        default=[],
        help="audio files, or folders of them; may be left out with --set or a target, whose costs are then "
        "read off the curves that the bundle carries",
    )
    # Not nargs="*": argparse would take it as given, empty, at an option between BUNDLE and AUDIO.
    audio.required = False
    parser.add_argument(
        "--out", required=True, type=filled_path, metavar="NEW_BUNDLE", help="folder; must not exist"
    )
    parser.add_argument(
        "--annotations", type=filled_path, metavar="TSV", help="DCASE: filename onset offset event_label"
    )
    parser.add_argument(
        "--target-false-alarms-per-hour",
        type=positive,
        metavar="X",
        help="for each event label (default: as the bundle has it)",
    )
    parser.add_argument(
        "--set",
        type=label_threshold,
        action="append",
        default=[],
        metavar="LABEL=X",
        help="a label's threshold by hand (repeatable)",
    )
    tried = "to try, with --annotations (default: some; without: the bundle's own)"
    parser.add_argument("--smoothing-windows", type=wholes, metavar="N[,N...]", help=tried)
    parser.add_argument("--min-consecutive", type=wholes, metavar="N[,N...]", help=tried)
    parser.add_argument("--refractory-s", type=seconds, metavar="S[,S...]", help=tried)
    parser.add_argument(
        "--collar-s", type=positive, metavar="S", help="tolerance in time, with --annotations (default: 0.5)"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    if not args.audio:
        target = args.target_false_alarms_per_hour
        _refuse(args, _ABOUT_AUDIO, without="AUDIO")
        if not (args.set or target):
            raise UserError(
                "nothing to listen to",
                expected="audio files or folders, or only --set LABEL=X or --target-false-alarms-per-hour X",
            )
        made = set_thresholds(args.bundle, args.out, dict(args.set), target_false_alarms_per_hour=target)
    else:
        if args.annotations is None:
            _refuse(args, ("collar_s",), without="--annotations")
        made = calibrate(
            args.bundle,
            args.audio,
            args.out,
            annotations=args.annotations,
            target_false_alarms_per_hour=args.target_false_alarms_per_hour,
            thresholds=dict(args.set),
            smoothing_windows=args.smoothing_windows,
            min_consecutive=args.min_consecutive,
            refractory_s=args.refractory_s,
            collar_s=0.5 if args.collar_s is None else args.collar_s,
            runtime=args.runtime,
            progress=ProgressLine("listening", unit="s"),
            trying=ProgressLine("trying", unit="settings"),
        )
    tally = FileTally("calibrate")
    for _, reason in made.skipped:
        tally.skipped(AudioError(reason))
    tally.finish(used=made.files)
    for line in made.lines:
        print(line)
    if made.curves is not None:
        print(f"curves: {made.curves}")
        print(f"picture: {made.picture}" if made.picture else "no picture: matplotlib is not installed")
    print(f"bundle: {made.bundle}")
    return 0


def _refuse(args: argparse.Namespace, names: Sequence[str], *, without: str) -> None:
    """An option that would do nothing is an error: whoever gave it believes that it did."""
    given = ["--" + name.replace("_", "-") for name in names if getattr(args, name) is not None]
    if given:
        verb = "needs" if len(given) == 1 else "need"
        raise UserError(f"{', '.join(given)} {verb} {without}", fix=f"give {without}, or leave it out")
