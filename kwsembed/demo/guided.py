"""The guided run: synthesise sounds, train, and detect events in a stream beside the truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kwsembed.bundle import Bundle
from kwsembed.config import ScheduleConfig, TrainConfig
from kwsembed.demo.corpus import write_corpus, write_stream
from kwsembed.detection.events import Detection
from kwsembed.detection.replay import Event, match_events
from kwsembed.evaluation.evaluate import detect_file
from kwsembed.training.train import TrainResult, train

# Enough for sounds as plain as these; real ones get the defaults of TrainConfig.
_SCHEDULE = ScheduleConfig(
    batch_size=32, epoch_steps=50, pretrain_epochs=6, head_epochs=2, finetune_epochs=6, scratch_epochs=6
)


def run_demo(
    out: str | os.PathLike[str], *, seed: int = 0, say: Callable[[str], None] = print
) -> tuple[TrainResult, list[Event], list[Detection]]:
    """Runs the whole path on synthesised sounds; the same as `kwsembed demo`.

    Args:
        out: New or empty folder; gets `sounds/`, `RUN/` and `stream.wav`.
        seed: Seed of sounds and training.
        say: Receives lines for the user.

    Returns:
        The training result, the events of the stream, and what was detected in it.
    """
    root = Path(out)
    say(f"1. Synthesising door knocks, smoke alarms, whistles and background in {root / 'sounds'}")
    write_corpus(root / "sounds", seed=seed)
    say(f"2. Training: kwsembed train {root / 'sounds'} --out {root / 'RUN'}")
    result = train(
        root / "sounds",
        root / "RUN",
        config=TrainConfig(schedule=_SCHEDULE, seed=seed),
        cache_dir=root / "cache",
        command=f"kwsembed demo --out {root} --seed {seed}",
        say=say,
    )
    say(f"3. Detecting: kwsembed detect {result.bundle} {root / 'stream.wav'}")
    truth = write_stream(root / "stream.wav", seed=seed + 1)
    detections, _ = detect_file(Bundle.load(result.bundle), root / "stream.wav")
    for line in side_by_side(truth, detections):
        say(line)
    found = match_events(truth, detections)
    say(
        f"{len(truth) - found.misses} of {len(truth)} events found, {found.false_alarms} false alarms in 60 s"
    )
    say(f"Look at {result.report}")
    return result, truth, detections


def side_by_side(truth: Sequence[Event], detections: Sequence[Detection]) -> list[str]:
    """Truth and detections in order of time, one line each, matched ones on one line."""
    lines: list[tuple[float, str]] = []
    left = sorted(detections, key=lambda detection: detection.onset_s)
    for event in truth:
        hits = [d for d in left if match_events([event], [d]).hit[0]]
        left = [d for d in left if d not in hits]
        heard = " + ".join(_span(d.label, d.onset_s, d.offset_s) + f"  score {d.score:.2f}" for d in hits)
        lines.append(
            (event.onset_s, f"{_span(event.label, event.onset_s, event.offset_s)}   {heard or 'missed'}")
        )
    for detection in left:
        heard = _span(detection.label, detection.onset_s, detection.offset_s)
        lines.append((detection.onset_s, f"{'':27}   {heard}  score {detection.score:.2f}  FALSE ALARM"))
    return [f"{'truth':27}   detected", *(text for _, text in sorted(lines))]


def _span(label: str, onset_s: float, offset_s: float) -> str:
    return f"{label:12}{onset_s:6.2f}-{offset_s:6.2f} s"
