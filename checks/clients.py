"""Runs a bundle in the client libraries that apps use, and compares what they score and detect with ours.

    python -m checks.clients RUN/bundle --work DIR --audio STREAM.wav [--web]

Every client opens the bundle's model unmodified, scores golden audio from full scale to -60 dBFS and every
window of a stream with events in it (`python -m checks.stream RUN --out STREAM.wav` cuts one from the test
clips of a run), and its scores go through this package's post-processing. The table says for each:

- `events`: how many detections its scores give;
- against our runtime on LiteRT, and on tflite-runtime, whose int8 kernels round otherwise: the largest
  difference of a score, the difference that 99 % keep below, and how many of our detections are also its own,
  to within a hop.

MediaPipe and the Task Library read metadata too. They open the model three times: as it is, without
thresholds, and with thresholds amid the scores. They must report the labels that reach their thresholds, and
no others. Their own scores are calculated back from the calibrated ones, for events; for background, whose
calibrated scores are too near 1 for that, they come from the model without thresholds. TensorFlow Lite Micro
runs the bundle's model and, in the last line, the one of the target `micro`.

Each client gets a virtual environment of its own under DIR, filled from PyPI and kept for the next time:
their demands on protobuf and NumPy exclude one another. CPython 3.11; with --web also npm and Chromium. Exits
1 if a client refuses the model, scores or detects otherwise than it should, or reports otherwise than the
thresholds say.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from checks.client_table import (
    FAMILIES,
    OTHER_FLOAT_KERNELS,
    OTHER_MODEL,
    SAME_KERNELS,
    Answer,
    Stream,
    row,
    table,
)
from kwsembed.audio import wav
from kwsembed.audio.decode import read
from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.export_targets.micro_golden import quantised
from kwsembed.frontend import log_mel
from kwsembed.parity.certificate import synthetic_audio
from kwsembed.runtime.classifier import Classifier
from kwsembed.runtime.windows import WindowBuffer
from kwsembed.tflite import read_metadata, with_thresholds
from kwsembed.tflite.calibration import CALIBRATED_THRESHOLD, calibrated, uncalibrated
from kwsembed.tflite.micro import micro_model
from kwsembed.tflite.parts import parts_of

INTERPRETERS = {
    "LiteRT": ("tflite_interpreter.py", ["ai-edge-litert==2.3.0"]),
    "tflite-runtime": ("tflite_interpreter.py", ["tflite-runtime==2.14.0", "numpy<2"]),
    "TFLite Micro": ("tflite_micro_interpreter.py", ["tflite-micro"]),
}
CLASSIFIERS = {
    "MediaPipe 1.2": ("mediapipe_audio_classifier.py", ["mediapipe==1.2.2"]),
    "MediaPipe 0.10": ("mediapipe_audio_classifier.py", ["mediapipe==0.10.21"]),
    "Task Library": (
        "task_library_audio_classifier.py",
        ["tflite-support==0.4.4", "protobuf==3.20.3", "numpy<2"],
    ),
}
# Our runtime is an interpreter's: its scores are those of the interpreter by itself.
TOLERANCE_OF_RUNTIME = 1e-6
# Of a calibrated score, against the calibration of what the same client scored without: both are float32.
TOLERANCE_OF_CALIBRATION = 1e-4


def main() -> int:
    """Checks every client; prints the table, and a line for each problem."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="folder with model.tflite and bundle.json")
    parser.add_argument("--work", type=Path, required=True, help="folder for the environments and the audio")
    parser.add_argument("--audio", type=Path, required=True, help="a stream with events")
    parser.add_argument("--web", action="store_true", help="also MediaPipe's web package, in Chromium")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.bundle)
    stream = _stream(arguments.audio, bundle)
    classifier = Classifier(bundle)
    ours = classifier.score_windows(stream.windows)
    asked = _Asked(bundle, stream, ours, arguments.work)
    answers = {name: asked.interpreter(name) for name in INTERPRETERS}
    answers |= {name: asked.classifier(name) for name in CLASSIFIERS}
    if arguments.web:
        answers["MediaPipe web"] = asked.web()
    answers["TFLite Micro, micro"] = asked.micro()
    families = {name: scores for name in FAMILIES if (scores := answers[name].scores) is not None}
    if len(families) < len(FAMILIES):
        for name in FAMILIES:
            print(f"{name}: {'; '.join(answers[name].problems)}")
        return 1
    rows = [row(name, answer, families, stream, bundle) for name, answer in answers.items()]
    print(
        f"compared with {classifier.runtime} on {len(stream.windows)} windows: {stream.golden} of golden "
        f"audio, {stream.duration_s:.0f} s of {arguments.audio.name}"
    )
    print(table(rows))
    problems = [
        f"{name}: {problem}" for name, one in zip(answers, rows, strict=True) for problem in one.problems
    ]
    if min(np.abs(scores - ours).max() for scores in families.values()) > TOLERANCE_OF_RUNTIME:
        problems.append(f"{classifier.runtime} scores otherwise in our runtime than by itself")
    if not stream.events(ours, bundle):
        problems.append("nothing is detected in the stream, so no event is compared")
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return int(bool(problems))


def _stream(path: Path, bundle: Bundle) -> Stream:
    """Golden audio and the stream, in 16 bits: so that every client reads the very same samples."""
    golden = synthetic_audio(bundle)
    windows = [golden.separate_windows(level) for level in golden.levels]
    waveform, rate_hz = read(path)
    samples = wav.to_float(wav.to_int16(resample(waveform, rate_hz, bundle.sample_rate_hz)))
    cut = WindowBuffer(bundle.window_samples, bundle.hop_samples)
    return Stream(
        windows=np.concatenate([*windows, cut.process(samples), cut.flush()]),
        golden=sum(map(len, windows)),
        duration_s=len(samples) / bundle.sample_rate_hz,
    )


class _Asked:
    """Asks clients, each in a process of its own, to score the windows."""

    def __init__(self, bundle: Bundle, stream: Stream, ours: np.ndarray, work: Path) -> None:
        self._bundle, self._work = bundle, work
        work.mkdir(parents=True, exist_ok=True)
        self._clip, self._rows, self._features = work / "clip.wav", work / "rows.npy", work / "features.npy"
        wav.write(self._clip, stream.windows.ravel(), bundle.sample_rate_hz)
        np.save(self._rows, stream.windows)
        self._models = {
            "as it is": bundle.model,
            "without thresholds": with_thresholds(bundle.model, None),
            "thresholds amid the scores": with_thresholds(bundle.model, _amid(ours, bundle)),
        }
        self._paths = []
        for name, model in self._models.items():
            self._paths.append(work / f"{name.replace(' ', '_')}.tflite")
            self._paths[-1].write_bytes(model)
        self._windows = stream.windows

    def interpreter(self, name: str) -> Answer:
        """A client that runs models and knows nothing of metadata."""
        script, packages = INTERPRETERS[name]
        answer = self._ask(name, script, packages, [self._paths[0], self._rows])
        if isinstance(answer, Answer):
            return answer
        bounds = OTHER_FLOAT_KERNELS if name == "TFLite Micro" else SAME_KERNELS
        return Answer(answer["client"], np.array(answer["outputs"]), bounds=bounds)

    def classifier(self, name: str) -> Answer:
        """A client that reads metadata and reports labels."""
        script, packages = CLASSIFIERS[name]
        answer = self._ask(name, script, packages, [self._clip, *self._paths])
        return answer if isinstance(answer, Answer) else self._judged(answer)

    def web(self) -> Answer:
        """MediaPipe's web package in Chromium."""
        from checks.web_client import classify  # needs npm, which other clients do not

        answer = classify(self._paths, self._windows, self._bundle, self._work)
        return self._judged(answer, bounds=OTHER_FLOAT_KERNELS)

    def micro(self) -> Answer:
        """The model of the target `micro`, features outside, in TensorFlow Lite Micro."""
        parts = parts_of(self._bundle.model, mels=self._bundle.frontend.mel_count)
        model = micro_model(parts)
        path = self._work / "micro.tflite"
        path.write_bytes(model.model)
        rows = [quantised(log_mel(window, self._bundle.frontend), parts) for window in self._windows]
        np.save(self._features, np.stack(rows))
        script, packages = INTERPRETERS["TFLite Micro"]
        answer = self._ask("TFLite Micro", script, packages, [path, self._features])
        if isinstance(answer, Answer):
            return answer
        logits = (np.array(answer["outputs"], float) - model.logit_zero_point) * model.logit_scale
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = powers / powers.sum(axis=1, keepdims=True)
        return Answer(answer["client"], scores, bounds=OTHER_MODEL, same_model=False)

    def _ask(
        self, name: str, script: str, packages: list[str], arguments: Sequence[Path]
    ) -> dict[str, Any] | Answer:
        python = environment(self._work / name.lower().replace(" ", "-"), packages)
        command = [python, Path(__file__).with_name(script), *arguments]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        if finished.returncode:
            wanted = packages[0].replace("==", " ")
            return Answer(wanted, None, (f"refused: {finished.stderr.strip().splitlines()[-1]}",))
        answer: dict[str, Any] = json.loads(
            next(line for line in finished.stdout.splitlines() if line.startswith("{"))
        )
        return answer

    def _judged(self, answer: dict[str, Any], *, bounds: Mapping[str, float] = SAME_KERNELS) -> Answer:
        labels = self._bundle.labels
        as_it_is, plain, _ = (_scores(one, labels) for one in answer["models"])
        problems = [
            f"{kind}: {problem}"
            for (kind, model), got in zip(self._models.items(), answer["models"], strict=True)
            for problem in _problems(model, got, plain, labels)
        ]
        own = uncalibrated(as_it_is, read_metadata(self._bundle.model).calibration)
        scores = np.where(self._bundle.background_mask, plain, own)
        return Answer(answer["client"], scores, tuple(problems), bounds)


def _amid(scores: np.ndarray, bundle: Bundle) -> dict[str, float]:
    """Thresholds of the events between their scores, so that some windows reach them and some do not."""
    middle = len(scores) // 2
    ordered = np.sort(scores, axis=0)[middle - 1 : middle + 1]
    return dict(zip(bundle.event_labels, ordered.mean(axis=0)[~bundle.background_mask].tolist(), strict=True))


def _problems(model: bytes, got: dict, plain: np.ndarray, labels: tuple[str, ...]) -> list[str]:
    """Where a client did otherwise than a model's metadata say; `plain` are its scores without thresholds."""
    sigmoids = read_metadata(model).calibration
    wanted = calibrated(plain, sigmoids) if sigmoids else plain
    problems = []
    difference = np.abs(_scores(got, labels) - wanted).max()
    if not difference <= TOLERANCE_OF_CALIBRATION:
        problems.append(f"calibrated scores differ by {difference:.2g}")
    reported = np.array([[label in window for label in labels] for window in got["reported"]])
    reaches = wanted >= CALIBRATED_THRESHOLD
    near = np.abs(wanted - CALIBRATED_THRESHOLD) <= TOLERANCE_OF_CALIBRATION
    if sigmoids and ((reported != reaches) & ~near).any():
        problems.append("reports other labels than those that reach their thresholds")
    return problems


def _scores(answer: dict, labels: tuple[str, ...]) -> np.ndarray:
    return np.array([[window[label] for label in labels] for window in answer["scores"]])


def environment(folder: Path, packages: list[str]) -> Path:
    """Python of a virtual environment that holds `packages`; made if it is not there."""
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, clear=True)  # without a pip of its own, which takes seconds: this one's does it
        command = [sys.executable, "-m", "pip", "--python", python, "install", "-q", *packages]
        subprocess.run(command, check=True)
        ready.touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
