"""How far a streaming model is from the windowed model that it was made of, on a run's own audio.

    python -m benchmarks.streaming RUN STREAM [--split test]

RUN is a run directory, STREAM what `python -m export.streaming RUN --out STREAM` made. Prints how far scores
of the same windows lie apart, which events each detector finds at its own thresholds, and what each costs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.operating import measure
from kwsembed.detection.replay import ScoredStream
from kwsembed.evaluation.judge import Judgement
from kwsembed.evaluation.streams import Stream
from kwsembed.export_targets.run_data import open_run_audio
from kwsembed.export_targets.streaming_judgement import judge_streams
from kwsembed.runtime import Classifier
from kwsembed.runtime.streaming import StreamingClassifier
from kwsembed.stream_bundle import StreamBundle


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("stream", type=Path)
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    parser.add_argument("--data", help="the run's clips, if they have moved")
    parser.add_argument("--runtime", help="interpreter")
    arguments = parser.parse_args()
    windowed, streamed = Bundle.load(arguments.run / "bundle"), StreamBundle.load(arguments.stream)
    audio = open_run_audio(arguments.run, windowed, split=arguments.split, data=arguments.data)
    classifier = Classifier(windowed, runtime=arguments.runtime)
    stream_classifier = StreamingClassifier(streamed, runtime=arguments.runtime)
    print(f"{arguments.split} split of {arguments.run}, {classifier.runtime}")

    streams = [
        *audio.negative_streams(),
        *(stream for label in windowed.event_labels for stream in audio.positive_streams(label)),
    ]
    _print_scores(streams, classifier, stream_classifier, streamed)

    def heard(stream: Stream) -> ScoredStream:
        return stream.scored(
            classifier.score_windows,
            window_samples=windowed.window_samples,
            hop_samples=windowed.hop_samples,
            sample_rate_hz=windowed.sample_rate_hz,
        )

    by_window = Judgement(
        evidence=np.zeros((0, len(windowed.labels))),
        negatives=[heard(stream) for stream in audio.negative_streams()],
        positives={
            label: [heard(stream) for stream in audio.positive_streams(label)]
            for label in windowed.event_labels
        },
        audio=audio,
        post=windowed.post,
    )
    by_stream = judge_streams(streamed, audio, runtime=arguments.runtime)
    print("\nlabel: events; missed, false alarms: windowed | streamed | streamed at the windowed thresholds")
    for label in windowed.event_labels:
        cells = []
        for judgement, threshold in (
            (by_window, windowed.thresholds[label]),
            (by_stream, streamed.thresholds[label]),
            (by_stream, windowed.thresholds[label]),
        ):
            point = measure(judgement.replay(label), threshold, target_false_alarms_per_hour=0.5)
            cells.append(f"{point.misses}, {point.false_alarms}")
        print(f"{label}: {point.events}; {' | '.join(cells)}  ({point.hours:.2f} h)")
    _print_cost(windowed, streamed, classifier, stream_classifier)


def _print_scores(
    streams: list[Stream],
    classifier: Classifier,
    stream_classifier: StreamingClassifier,
    bundle: StreamBundle,
) -> None:
    timing = bundle.timing
    pairs = []
    for stream in streams:
        stream_classifier.reset()
        scores = stream_classifier.process(stream.waveform)[timing.warm_up_hops :]
        first = timing.warm_up_hops * timing.hop_samples + timing.first_window_start
        windows = np.lib.stride_tricks.sliding_window_view(stream.waveform, timing.window_samples)
        windows = windows[first :: timing.hop_samples][: len(scores)]
        pairs.append(np.stack([classifier.score_windows(windows), scores]))
    windowed, streamed = np.concatenate(pairs, axis=1)
    odds = [np.log((s + 1e-6) / (1 - s + 1e-6)) for s in (windowed, streamed)]
    difference = np.abs(windowed - streamed)
    print(f"\n{len(windowed)} windows judged by both; scores of the same window")
    print(
        f"same label first: {np.mean(windowed.argmax(1) == streamed.argmax(1)):.3f}; "
        f"|difference|: mean {difference.mean():.4f}, 95 % {np.quantile(difference, 0.95):.3f}, "
        f"max {difference.max():.2f}"
    )
    for column, label in enumerate(bundle.labels):
        high = np.maximum(windowed, streamed)[:, column] > 0.5
        correlation = np.corrcoef(odds[0][:, column], odds[1][:, column])[0, 1]
        print(
            f"{label}: correlation of log-odds {correlation:.3f}; where either is above 0.5 ({high.sum()}): "
            f"mean |difference| {difference[high, column].mean():.3f}"
        )


def _print_cost(
    windowed: Bundle, streamed: StreamBundle, classifier: Classifier, stream_classifier: StreamingClassifier
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, windowed.window_samples).astype(np.float32)
    hop = noise[: streamed.timing.hop_samples]
    per_window: list[float] = []
    per_hop: list[float] = []
    for _ in range(200):
        for times, call, waveform in (
            (per_window, classifier.score_windows, noise[None]),
            (per_hop, stream_classifier.process, hop),
        ):
            since = time.process_time()
            call(waveform)
            times.append(time.process_time() - since)
    window_us, hop_us = (1e6 * statistics.median(times) for times in (per_window, per_hop))
    window_hop_s, hop_s = windowed.post.hop_s, streamed.timing.hop_s
    print(
        f"\nCPU per call: window {window_us:.0f} us, hop {hop_us:.0f} us. Per second of audio: a window "
        f"every {window_hop_s:g} s {window_us / window_hop_s:.0f} us, a window every {hop_s:g} s "
        f"{window_us / hop_s:.0f} us, a hop every {hop_s:g} s {hop_us / hop_s:.0f} us"
    )


if __name__ == "__main__":
    main()
