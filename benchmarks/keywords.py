"""A run's detectors on its test clips and on long streams mixed from them: the gates of MLPerf Tiny.

    python -m benchmarks.keywords RUN... --work DIR [--background FOLDER] [--snr 0 10 20]

For each RUN, from the test split, which neither trained the network nor chose a threshold:

1. Top-1 over clips of the model that the target `micro` makes (int8 in, int8 out), in TensorFlow Lite Micro's
   interpreter, beside the bundle's model; for keywords also in MLPerf Tiny's twelve classes.
2. Misses and false alarms on streams in which every test clip lies in background at a stated ratio: of
   `kwsembed detect` with the bundle, of the `micro` model, and of `kwsembed detect` with the target
   `streaming` at its own hop and at 30 ms.

Background is the test split's own, or the audio files of FOLDER; then the split's background clips are mixed
in as clips that must not be reported. Any run will do, of keywords or not. The micro model needs PyPI once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.micro_scores import MicroScorer
from benchmarks.mixed_streams import MixedStream, background_in, background_of, mixed_stream
from kwsembed.audio import decode
from kwsembed.bundle import Bundle
from kwsembed.clip_scores import pool_clip
from kwsembed.detection.events import Detection
from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound
from kwsembed.detection.proportion import proportion_interval
from kwsembed.detection.replay import match_events
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.export_targets import streaming
from kwsembed.export_targets.run_data import open_run_audio
from kwsembed.runtime import Classifier
from kwsembed.stream_bundle import StreamBundle

# Of Speech Commands; any other word is `unknown` there.
TWELVE = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SHORT_HOP_MS = 30.0
Detect = Callable[[MixedStream, Path], list[Detection]]


@dataclass
class Counts:
    """What one detector did on streams.

    Attributes:
        events: True events.
        misses: Those that no detection of their label touches.
        on_clips: False alarms while some other clip of the split was heard.
        on_background: False alarms in the background alone.
        hours: Length of the streams.
    """

    events: int = 0
    misses: int = 0
    on_clips: int = 0
    on_background: int = 0
    hours: float = 0.0

    def cells(self) -> list[str]:
        """Of a table."""
        share = proportion_interval(self.misses, self.events)
        alarms = self.on_clips + self.on_background
        return [
            f"{self.misses} of {self.events} ({100 * share.estimate:.0f} %, "
            f"{100 * share.low:.0f} to {100 * share.high:.0f})",
            *(
                f"{count}; {count / self.hours:.1f}, at most {false_alarm_upper_bound(count, self.hours):.1f}"
                for count in (alarms, self.on_background)
            ),
        ]


def main() -> None:
    """Measures and prints tables of Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="folder for streams, exports, environment")
    parser.add_argument("--background", type=Path, help="folder of audio files to mix into")
    parser.add_argument(
        "--snr", type=float, nargs="*", default=[0.0, 10.0, 20.0], help="in dB; none: no streams"
    )
    parser.add_argument("--data", help="the runs' clips, if they have moved")
    parser.add_argument("--per-label", action="store_true", help="tables by label too")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    for number, run in enumerate(arguments.run):
        bundle = Bundle.load(run / "bundle")
        audio = open_run_audio(run, bundle, split="test", data=arguments.data)
        micro = MicroScorer(bundle, arguments.work)
        print(f"\n## {run}", flush=True)
        _print_top_1(bundle, audio, micro)
        if arguments.snr:
            work = arguments.work / f"run-{number}"
            work.mkdir(exist_ok=True)
            if arguments.background:
                background = background_in(arguments.background, audio.sample_rate_hz)
            else:
                background = background_of(audio)
            streams = [
                mixed_stream(
                    audio, background, snr_db=snr_db, with_background_clips=arguments.background is not None
                )
                for snr_db in arguments.snr
            ]
            detectors = _detectors(run, bundle, micro, work, arguments.data)
            _print_streams(bundle, streams, detectors, work, per_label=arguments.per_label)


def _print_top_1(bundle: Bundle, audio: SplitAudio, micro: MicroScorer) -> None:
    classifier = Classifier(bundle)
    clips = [audio.store.waveform(int(clip)) for clip in audio.clips]
    scores = {"bundle": [classifier.window_scores(clip) for clip in clips], "micro": micro.clips(clips)}
    print(f"{len(clips)} test clips; bundle in {classifier.runtime}, micro in {micro.client}\n")
    print("| model | labels | clips | top-1 | 95 % interval | mean over labels |\n|---|---|---|---|---|---|")
    for name, of_clips in scores.items():
        pooled = np.array([pool_clip(one, bundle.background_mask, bias=bundle.clip_bias) for one in of_clips])
        _print_row(name, f"all {len(bundle.labels)}", pooled, audio.classes)
        if set(TWELVE) <= set(bundle.labels):
            view = np.array([_of_twelve(label) for label in bundle.labels])
            merged = np.stack([pooled[:, view == at].sum(axis=1) for at in range(12)], axis=1)
            _print_row(name, "MLPerf Tiny's 12", merged, view[audio.classes])
            # Further words that the network was taught are easier to tell apart than words it never heard.
            plain = np.isin(audio.classes, [at for at, label in enumerate(bundle.labels) if _plain(label)])
            _print_row(name, "those, without further words", merged[plain], view[audio.classes[plain]])


def _of_twelve(label: str) -> int:
    """Class of a label among MLPerf Tiny's: ten words, unknown, silence."""
    return TWELVE.index(label) if label in TWELVE else 11 if "silence" in label else 10


def _plain(label: str) -> bool:
    return label in TWELVE or label.startswith("_")


def _print_row(name: str, labels: str, probabilities: np.ndarray, classes: np.ndarray) -> None:
    right = probabilities.argmax(axis=1) == classes
    share = proportion_interval(int(right.sum()), len(right))
    mean = np.mean([right[classes == label].mean() for label in np.unique(classes)])
    shown = [f"{100 * part:.1f}" for part in (share.estimate, share.low, share.high, mean)]
    cells = [name, labels, str(len(right)), f"{shown[0]} %", f"{shown[1]} to {shown[2]} %", f"{shown[3]} %"]
    print("| " + " | ".join(cells) + " |", flush=True)


def _detectors(
    run: Path, bundle: Bundle, micro: MicroScorer, work: Path, data: str | None
) -> dict[str, Detect]:
    """Every detector by what it is called in the table."""
    own_hop = work / "streaming"
    short_hop, carried = work / "streaming-30", work / "streaming-30-carried"
    made = streaming.export(run, own_hop, data=data)
    short = streaming.export(run, short_hop, data=data, hop_ms=SHORT_HOP_MS)
    carried.mkdir(exist_ok=True)
    _with_points_of(short, made).write(carried)

    def by_command(folder: Path) -> Detect:
        return lambda stream, path: _detect(folder, path)

    return {
        "`detect`, bundle": by_command(run / "bundle"),
        "micro, TFLite Micro": lambda stream, path: micro.detect(decode.read(path)[0]),
        f"`detect`, streaming, {1000 * made.timing.hop_s:g} ms": by_command(own_hop),
        f"`detect`, streaming, {SHORT_HOP_MS:g} ms": by_command(short_hop),
        f"the same, thresholds of {1000 * made.timing.hop_s:g} ms": by_command(carried),
    }


def _with_points_of(bundle: StreamBundle, other: StreamBundle) -> StreamBundle:
    extra = {**bundle.extra, "thresholds": f"those chosen at a hop of {other.timing.hop_s:g} s"}
    return replace(bundle, operating_points=other.operating_points, extra=extra)


def _detect(folder: Path, path: Path) -> list[Detection]:
    """What `kwsembed detect` says of a file."""
    command = [sys.executable, "-m", "kwsembed", "detect", folder, path]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in finished.stdout.splitlines()[1:]]
    return [Detection(label, float(on), float(off), float(score)) for _, on, off, label, score in rows]


def _print_streams(
    bundle: Bundle,
    streams: Iterable[MixedStream],
    detectors: dict[str, Detect],
    work: Path,
    *,
    per_label: bool,
) -> None:
    found: dict[tuple[str, float], dict[str, Counts]] = {}
    print("\n| detector | ratio | missed | false alarms; per hour | of these in background |")
    print("|---|---|---|---|---|")
    for stream in streams:
        path = work / f"stream{stream.snr_db:+g}dB.wav"
        stream.write(path)
        for name, detect in detectors.items():
            by_label = counted(stream, detect(stream, path), bundle.event_labels)
            found[name, stream.snr_db] = by_label
            cells = [name, f"{stream.snr_db:g} dB", *_total(by_label.values()).cells()]
            print("| " + " | ".join(cells) + " |", flush=True)
    if per_label:
        print("\n| detector | label | missed | false alarms; per hour | of these in background |")
        print("|---|---|---|---|---|")
        for name in detectors:
            for label in bundle.event_labels:
                mine = [by_label[label] for (other, _), by_label in found.items() if other == name]
                total = _total(mine, hours=sum(one.hours for one in mine))
                if total.events:
                    print("| " + " | ".join([name, label, *total.cells()]) + " |")


def counted(stream: MixedStream, detections: list[Detection], labels: Iterable[str]) -> dict[str, Counts]:
    """Misses and false alarms of each label, by the rule of `match_events`."""
    clips = [*stream.events, *stream.others]
    result = {}
    for label in labels:
        events = [event for event in stream.events if event.label == label]
        mine = [one for one in detections if one.label == label]
        matches = match_events(events, mine)
        wrong = [one for one, true in zip(mine, matches.true, strict=True) if not true]
        as_any = [replace(clip, label=label) for clip in clips]
        on_clips = len(wrong) - match_events(as_any, wrong).false_alarms
        result[label] = Counts(len(events), matches.misses, on_clips, len(wrong) - on_clips, stream.hours)
    return result


def _total(counts: Iterable[Counts], *, hours: float | None = None) -> Counts:
    """Of all labels together in the same hours, or in so many."""
    all_of_them = list(counts)
    return Counts(
        *(
            sum(getattr(one, name) for one in all_of_them)
            for name in ("events", "misses", "on_clips", "on_background")
        ),
        hours=all_of_them[0].hours if hours is None else hours,
    )


if __name__ == "__main__":
    main()
