"""Cuts a long stream with events from the test clips of any run, for checks that need real audio.

    python -m checks.stream RUN --out STREAM.wav [--data DATA] [--minutes 5] [--split test]

Events of all labels in turn, each whole, with background of the same split before, between and after them.
Beside the WAV comes STREAM.tsv with the true events, as `kwsembed evaluate --annotations` reads it. The clips
are read where the run found them, or from DATA. The same run, data and seed give the same file.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.audio import wav
from kwsembed.bundle import Bundle
from kwsembed.detection.replay import Event
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.evaluation.streams import event_streams
from kwsembed.export_targets.run_data import open_run_audio

LEAD_S = 2.0  # of background around each event, as in `event_streams`


def main() -> int:
    """Writes the stream and says what is in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--out", type=Path, required=True, help="WAV to write")
    parser.add_argument("--data", help="folder or manifest of the clips, if they have moved")
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    parser.add_argument("--minutes", type=float, default=5.0, help="length; less where there are fewer clips")
    parser.add_argument("--seed", type=int, default=0, help="chooses clips and background")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.run / "bundle")
    audio = open_run_audio(arguments.run, bundle, split=arguments.split, data=arguments.data)
    waveform, events = cut(audio, duration_s=60 * arguments.minutes, seed=arguments.seed)
    wav.write(arguments.out, waveform, audio.sample_rate_hz)
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n")
    writer.writerow(("filename", "onset", "offset", "event_label"))
    writer.writerows(
        (arguments.out.name, f"{event.onset_s:.3f}", f"{event.offset_s:.3f}", event.label) for event in events
    )
    atomic.write_text(arguments.out.with_suffix(".tsv"), table.getvalue())
    print(f"{arguments.out}: {len(waveform) / audio.sample_rate_hz:.0f} s, {len(events)} events")
    return 0


def cut(audio: SplitAudio, *, duration_s: float, seed: int) -> tuple[np.ndarray, list[Event]]:
    """A stream of about `duration_s` and its true events, in order.

    Returns:
        `(samples,)` float32 in [-1, 1], and the events.
    """
    chosen = clips_in_turn(audio, seconds=duration_s, seed=seed)
    backgrounds = audio.clips[audio.classes >= audio.event_count]
    labels = [clip.label for clip in audio.store.clips]
    parts, events, start_s = [], [], 0.0
    for stream in event_streams(
        audio.store, chosen, backgrounds, label_of=labels, sample_rate_hz=audio.sample_rate_hz, seed=seed
    ):
        parts.append(stream.waveform)
        events += [Event(e.label, e.onset_s + start_s, e.offset_s + start_s) for e in stream.events]
        start_s += len(stream.waveform) / audio.sample_rate_hz
    return np.concatenate(parts), events


def clips_in_turn(audio: SplitAudio, *, seconds: float, seed: int) -> np.ndarray:
    """Event clips, a random one of each label in turn, as many as fit into the time with their background."""
    random = np.random.default_rng(seed)
    by_label = [random.permutation(audio.clips[audio.classes == at]) for at in range(audio.event_count)]
    chosen: list[int] = []
    left_s = seconds - LEAD_S
    for turn in range(max(map(len, by_label))):
        for clips in by_label:
            if turn < len(clips):
                needed_s = float(audio.store.samples[clips[turn]]) / audio.sample_rate_hz + LEAD_S
                if needed_s > left_s and chosen:
                    return np.array(chosen, np.int64)
                chosen.append(int(clips[turn]))
                left_s -= needed_s
    return np.array(chosen, np.int64)


if __name__ == "__main__":
    sys.exit(main())
