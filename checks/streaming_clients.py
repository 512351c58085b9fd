"""Plays one stream to a run's streaming models in the interpreters that can run them.

    python -m checks.streaming_clients RUN --work DIR --audio STREAM.wav [--minutes 2]

For states passed along and for states kept inside, at the model's own hop and at 30 ms: TensorFlow Lite
Micro, tflite-runtime and LiteRT, each in a virtual environment of its own under DIR. `python -m checks.stream
RUN --out STREAM.wav` cuts a stream. Thresholds are those of the run's bundle: what is compared is clients.

Exits 1 if a client refuses a model, if both forms of a model differ in one client, if its scores lie further
from our runtime's on the nearer family of int8 kernels than `checks.client_table` allows, or if it detects
otherwise than our runtime does there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from checks.client_table import FAMILIES, OTHER_FLOAT_KERNELS, SAME_KERNELS
from checks.clients import INTERPRETERS, environment
from kwsembed.audio import wav
from kwsembed.audio.decode import read
from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.export_targets.streaming import stream_bundle
from kwsembed.parity.agreement import differences, events_apart
from kwsembed.runtime.streaming import StreamingClassifier
from kwsembed.stream_bundle import STATE_FORMS, StreamBundle
from kwsembed.tflite.streaming_export import export_streaming

HOPS_MS = (None, 30.0)


def main() -> int:
    """Checks every client; prints a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--work", type=Path, required=True, help="folder for environments and models")
    parser.add_argument("--audio", type=Path, required=True, help="a stream with events")
    parser.add_argument("--minutes", type=float, default=2.0, help="of it to play")
    arguments = parser.parse_args()
    source = Bundle.load(arguments.run / "bundle")
    arguments.work.mkdir(parents=True, exist_ok=True)
    waveform, rate_hz = read(arguments.audio)
    at_rate = resample(waveform, rate_hz, source.sample_rate_hz)
    samples = wav.to_float(wav.to_int16(at_rate[: round(arguments.minutes * 60 * source.sample_rate_hz)]))
    np.save(arguments.work / "samples.npy", samples)
    problems: list[str] = []
    for hop_ms in HOPS_MS:
        exported = export_streaming(source, hop_ms=hop_ms)
        problems += _check_forms(
            {form: stream_bundle(source, exported, state_form=form) for form in STATE_FORMS},
            samples,
            arguments.work,
        )
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return int(bool(problems))


def _check_forms(bundles: dict[str, StreamBundle], samples: np.ndarray, work: Path) -> list[str]:
    """Plays both forms of one model to every client."""
    hop_ms = f"{1000 * bundles['passed'].timing.hop_s:g} ms"
    answers: dict[tuple[str, str], dict[str, Any]] = {}
    problems = []
    for form, bundle in bundles.items():
        folder = work / f"{form}-{bundle.timing.hop_samples}"
        folder.mkdir(exist_ok=True)
        bundle.write(folder)
        for name in INTERPRETERS:
            answer = _ask(name, folder, work)
            if "refused" in answer:
                problems.append(f"{name}, {hop_ms}, states {form}: refused: {answer['refused']}")
            else:
                answers[name, form] = answer
    ours = {name: answers[name, "passed"]["outputs"] for name in FAMILIES if (name, "passed") in answers}
    own = StreamingClassifier(bundles["passed"])
    scores = own.process(samples)
    if ours and min(np.abs(scores - theirs).max() for theirs in ours.values()) > 0:
        problems.append(f"{own.runtime}, {hop_ms}: scores otherwise in our runtime than by itself")
    for (name, form), answer in answers.items():
        problems += _judged(f"{name}, {hop_ms}, states {form}", answer, ours, bundles[form])
        if (name, "passed") in answers:
            apart = np.abs(answer["outputs"] - answers[name, "passed"]["outputs"]).max()
            if apart > 0:
                problems.append(f"{name}, {hop_ms}: states {form} differ by {apart:.2g} from states passed")
    return problems


def _judged(
    name: str, answer: dict[str, Any], ours: dict[str, np.ndarray], bundle: StreamBundle
) -> list[str]:
    """Compares a client with the interpreters that our runtime runs on, from the end of the warm-up on."""
    warm = bundle.timing.warm_up_hops
    apart = {family: differences(answer["outputs"][warm:], one[warm:]) for family, one in ours.items()}
    nearest = min(apart, key=lambda family: apart[family]["mean"])
    theirs, mine = _events(answer["outputs"], bundle), _events(ours[nearest], bundle)
    events = events_apart(theirs, mine, within_s=bundle.post.hop_s + 1e-6)
    print(
        f"{name}: {answer['client']}: {len(answer['outputs'])} calls, {len(theirs)} events; from {nearest}: "
        f"largest {apart[nearest]['largest']:.2g}, 99 % {apart[nearest]['p99']:.2g}, same events "
        f"{events['matched']:.0f} of {events['against']:.0f}",
        flush=True,
    )
    bounds = OTHER_FLOAT_KERNELS if "Micro" in name else SAME_KERNELS
    problems = [
        f"{name}: {figure} difference {apart[nearest][figure]:.2g}, allowed {bound:g}"
        for figure, bound in bounds.items()
        if not apart[nearest][figure] <= bound
    ]
    if events["unmatched"]:
        problems.append(f"{name}: {events['unmatched']:.0f} detections are not those of ours on {nearest}")
    return problems if mine else [*problems, f"{name}: nothing is detected, so no event is compared"]


def _events(scores: np.ndarray, bundle: StreamBundle) -> list[Detection]:
    """Detections after the package's own post-processing; times from the first score that counts."""
    timing = bundle.timing
    window_s = timing.window_samples / timing.sample_rate_hz
    detector = EventDetector(bundle.event_labels, bundle.thresholds, bundle.post, window_s)
    columns = [label in bundle.event_labels for label in bundle.labels]
    found = detector.process(scores[timing.warm_up_hops :, columns])
    return found + detector.flush(end_s=len(scores) * timing.hop_s)


def _ask(name: str, folder: Path, work: Path) -> dict[str, Any]:
    """A client's scores `(calls, labels)`, or why it refused."""
    python = environment(work / name.lower().replace(" ", "-"), INTERPRETERS[name][1])
    script = Path(__file__).with_name("streaming_interpreter.py")
    command = [python, script, folder, work / "samples.npy"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if finished.returncode:
        return {"refused": (finished.stderr.strip() or "without a word").splitlines()[-1]}
    answer: dict[str, Any] = json.loads(
        next(line for line in finished.stdout.splitlines() if line.startswith("{"))
    )
    return {**answer, "outputs": np.array(answer["outputs"], np.float32)}


if __name__ == "__main__":
    sys.exit(main())
