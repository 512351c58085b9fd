"""`kwsembed classify`: the probability of each label for each clip, as CSV."""

from __future__ import annotations

import argparse
import csv
from typing import Any

from kwsembed.audio.decode import blocks, find_audio
from kwsembed.bundle import Bundle
from kwsembed.cli.audio_files import (
    FileTally,
    add_runtime_options,
    named,
    progress_beside_output,
    table_output,
)
from kwsembed.errors import AudioError
from kwsembed.runtime import Classifier
from kwsembed.runtime.unknown import UnknownMeter


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "classify",
        help="which label is each clip? CSV on standard output",
        description="Writes CSV: the path of each clip, then one column per label with its probability. "
        "Files that cannot be used are reported on standard error and skipped.",
        epilog="example: kwsembed classify RUN/bundle sounds/whistle/ > clips.csv",
    )
    add_runtime_options(parser)
    parser.add_argument("audio", metavar="AUDIO", nargs="+", help="audio files, or folders of them")
    parser.add_argument(
        "--unknown",
        action="store_true",
        help="add a column unknown_distance: how far the clip lies from what its likeliest label was trained "
        "on, above 1 if farther than 95 %% of that label's validation clips",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; 2 if no file could be used."""
    bundle = Bundle.load(args.bundle)
    paths = find_audio(args.audio)
    classifier = Classifier(bundle, runtime=args.runtime)
    table = csv.writer(table_output(), lineterminator="\n")
    meter = UnknownMeter(bundle, runtime=args.runtime) if args.unknown else None
    table.writerow(["path", *classifier.labels, *(["unknown_distance"] if meter else [])])
    tally = FileTally("classify")
    progress = progress_beside_output("classifying", unit="files")
    for done, path in enumerate(paths, start=1):
        try:
            if meter is None:
                probabilities, distances = classifier.classify_blocks(*blocks(path)), []
            else:
                probabilities, distance = classifier.classify_blocks_with_distance(*blocks(path), meter)
                distances = [f"{distance:.3f}"]
        except AudioError as error:
            tally.skipped(named(error, path))
        else:
            tally.used()
            table.writerow([path, *(f"{probability:.6f}" for probability in probabilities), *distances])
        progress(done, len(paths))
    return tally.finish()
