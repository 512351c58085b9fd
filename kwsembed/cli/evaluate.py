"""`kwsembed evaluate`: what a bundle is worth on clips or long recordings that it has not seen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from kwsembed import atomic
from kwsembed.bundle import Bundle
from kwsembed.cli.options import filled_path
from kwsembed.detection.tradeoff import CurvePoint, tradeoff_lines
from kwsembed.errors import UserError
from kwsembed.progress import ProgressLine


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "evaluate",
        help="judge a bundle on labelled clips or annotated recordings",
        description="Judges a bundle on labelled clips, or with --annotations on long recordings.",
        epilog="example: kwsembed evaluate RUN/bundle RUN/data.csv --split test; "
        "kwsembed evaluate RUN/bundle field/ --annotations field.tsv",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument(
        "data", metavar="DATA", help="clips (folder per class or manifest), or folder of recordings"
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        help="what a manifest's paths are relative to (default: its folder; of RUN/data.csv the run's data)",
    )
    parser.add_argument("--annotations", metavar="TSV", help="DCASE: filename onset offset event_label")
    parser.add_argument(
        "--collar-s", type=float, default=0.5, metavar="S", help="tolerance in time (default: 0.5)"
    )
    parser.add_argument(
        "--background", action="append", default=[], metavar="NAME", help="a further background class"
    )
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), help="only this split of the manifest"
    )
    parser.add_argument(
        "--runtime", metavar="NAME", help="interpreter: ai_edge_litert, tflite_runtime or tensorflow"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="accepted everywhere; nothing here is random"
    )
    parser.add_argument("--json", type=filled_path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--curves",
        metavar="CSV",
        help="with --annotations: misses against false alarms at other thresholds, and a picture beside it",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    bundle = Bundle.load(args.bundle)
    if args.curves and not args.annotations:
        raise UserError("--curves are of annotated recordings", expected="--annotations TSV beside it")

    from kwsembed import evaluate_clips, evaluate_recordings

    if args.annotations:
        result = evaluate_recordings(
            bundle,
            args.data,
            args.annotations,
            collar_s=args.collar_s,
            runtime=args.runtime,
            curves_file=args.curves,
            progress=ProgressLine("detecting", unit="recordings"),
        )
        _print_recordings(result)
    else:
        result = evaluate_clips(
            bundle,
            args.data,
            root=args.root,
            background=args.background,
            split=args.split,
            runtime=args.runtime,
            progress=ProgressLine("classifying", unit="clips"),
        )
        _print_clips(result)
        trained_on = 0 if args.split else _trained_on(args.data, result)
        if trained_on:
            print(
                f"includes {trained_on} clips that the run was trained on, by the column split; "
                "--split test leaves them out"
            )
        if args.data.endswith(".csv") and Path(args.data).parent.resolve() != Path(result["root"]):
            print(f"note: the clips were read from {result['root']}", file=sys.stderr)
    for label in result.get("unknown_labels", ()):
        print(
            f"warning: {label} is annotated but unknown to the bundle, and counts as background",
            file=sys.stderr,
        )
    for file in result["skipped"]:
        print(f"skipped {file['name']}: {file['reason']}", file=sys.stderr)
    if args.json:
        atomic.write_json(args.json, result)
    return 0


def _trained_on(data: str, result: dict[str, Any]) -> int:
    """How many of the clips that were judged a manifest has in its training split."""
    if Path(data).is_dir():
        return 0
    from kwsembed.evaluation.run_data import recorded_further_roots
    from kwsembed.manifest.read import read_clips

    clips = read_clips(data, root=result["root"], further_roots=recorded_further_roots(data))
    skipped = {file["name"] for file in result["skipped"]}
    return sum(clip.split == "train" and clip.name not in skipped for clip in clips)


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _print_clips(result: dict[str, Any]) -> None:
    print("label\tclips\tprevalence\taverage_precision\terror")
    for label, values in result["per_class"].items():
        print(
            f"{label}\t{values['clips']}\t{values['prevalence']:.3f}\t"
            f"{_figure(values['average_precision'])}\t{_figure(values['error'])}"
        )
    print(f"macro average precision {_figure(result['macro_average_precision'])}")
    print(f"balanced error {_figure(result['balanced_error'])}")


def _print_recordings(result: dict[str, Any]) -> None:
    print("label\tevents\tmisses\tmiss_rate\tfalse_alarms\tfalse_alarms_per_hour\tupper_bound\tf1")
    for label, values in result["per_class"].items():
        print(
            f"{label}\t{values['events']}\t{values['misses']}\t{_figure(values['miss_rate'])}\t"
            f"{values['false_alarms']}\t{values['false_alarms_per_hour']:.2f}\t"
            f"{values['false_alarms_per_hour_upper']:.2f}\t{_figure(values['f1'])}"
        )
    print(f"{result['hours']:.3f} hours in {result['recordings']} recordings")
    curves = result["curves"]
    print("other thresholds on the same scores; `kwsembed calibrate` moves to one with --set LABEL=X:")
    lines = tradeoff_lines(
        {label: CurvePoint.of(curve) for label, curve in curves.items()},
        hours={label: curve["hours"] for label, curve in curves.items()},
        events={label: curve["events"] for label, curve in curves.items()},
    )
    for line in lines:
        print(line)
