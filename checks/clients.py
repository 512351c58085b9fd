"""Runs a bundle in the client libraries that apps use, and compares their scores and decisions with ours.

    python -m checks.clients RUN/bundle --work DIR

Each client opens the model three times: as it is in the bundle, without thresholds in its metadata, and with
thresholds amid the scores. Without, its scores must be ours; with, they must be these, calibrated, and it
must report the labels that reach their thresholds, and no others. Each client gets a virtual environment of
its own under DIR, filled from PyPI and kept for the next time: their demands on protobuf and NumPy exclude
one another. CPython 3.11. Exits 1 if a client refuses a model, scores otherwise than we do, or reports
otherwise than the thresholds say.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np

from kwsembed.audio import wav
from kwsembed.bundle import Bundle
from kwsembed.runtime.classifier import Classifier
from kwsembed.tflite import read_metadata, with_thresholds
from kwsembed.tflite.calibration import CALIBRATED_THRESHOLD, calibrated

CLIENTS = {
    "mediapipe-1.2": ("mediapipe_audio_classifier.py", ["mediapipe==1.2.2"]),
    "mediapipe-0.10": ("mediapipe_audio_classifier.py", ["mediapipe==0.10.21"]),
    "task-library": (
        "task_library_audio_classifier.py",
        ["tflite-support==0.4.4", "protobuf==3.20.3", "numpy<2"],
    ),
}
WINDOWS = 6
# All clients here run int8 through XNNPACK, as LiteRT does; they agreed to 1e-6 where this was written.
TOLERANCE = 1e-3
# The int8 kernels of tflite-runtime 2.14 round otherwise; 0.044 was seen.
TOLERANCE_OF_TFLITE_RUNTIME = 0.1
# Of a calibrated score, against the calibration of what the same client scored without: both are float32.
TOLERANCE_OF_CALIBRATION = 1e-4


def main() -> int:
    """Checks every client; prints a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="folder with model.tflite and bundle.json")
    parser.add_argument("--work", type=Path, required=True, help="folder for the environments and the clip")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.bundle)
    clip = arguments.work / "clip.wav"
    classifier = Classifier(bundle)
    expected = classifier.score_windows(_write_clip(clip, bundle))
    models = {
        "as it is": bundle.model,
        "without thresholds": with_thresholds(bundle.model, None),
        "thresholds amid the scores": with_thresholds(bundle.model, _amid(expected, bundle)),
    }
    paths = []
    for name, model in models.items():
        paths.append(arguments.work / f"{name.replace(' ', '_')}.tflite")
        paths[-1].write_bytes(model)
    lenient = classifier.runtime.startswith("tflite_runtime")
    tolerance = TOLERANCE_OF_TFLITE_RUNTIME if lenient else TOLERANCE
    print(f"compared with {classifier.runtime}, tolerance {tolerance:g}")
    failures = 0
    for name, (script, packages) in CLIENTS.items():
        python = environment(arguments.work / name, packages)
        command = [python, Path(__file__).with_name(script), clip, *paths]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if finished.returncode:
            print(f"{name}: refused: {finished.stderr.strip().splitlines()[-1]}", flush=True)
            failures += 1
            continue
        answer = json.loads(finished.stdout.splitlines()[-1])
        plain = _scores(answer["models"][1], bundle.labels)
        difference = np.abs(plain - expected).max() if plain.shape == expected.shape else np.inf
        problems = [] if difference <= tolerance else [f"scores differ by more than {tolerance:g}"]
        for (kind, model), got in zip(models.items(), answer["models"], strict=True):
            problems += [f"{kind}: {problem}" for problem in _problems(model, got, plain, bundle.labels)]
        verdict = f"largest difference of a score {difference:.2g}"
        verdict += f"; {'; '.join(problems) or 'every threshold applied'}"
        print(f"{name}: {answer['client']}: {verdict}", flush=True)
        failures += len(problems)
    return int(failures > 0)


def _amid(scores: np.ndarray, bundle: Bundle) -> dict[str, float]:
    """Thresholds of the events between their scores, so that some windows reach them and some do not."""
    ordered = np.sort(scores, axis=0)[WINDOWS // 2 - 1 : WINDOWS // 2 + 1]
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


def _write_clip(path: Path, bundle: Bundle) -> np.ndarray:
    """Writes windows of noise from -60 to -10 dBFS and returns them as a client will read them."""
    levels = 10 ** (np.linspace(-60, -10, WINDOWS) / 20)
    noise = np.random.default_rng(0).normal(0, 0.25, (WINDOWS, bundle.window_samples))
    windows = wav.to_float(wav.to_int16(noise * levels[:, np.newaxis]))
    wav.write(path, windows.ravel(), bundle.frontend.sample_rate_hz)
    return windows


def environment(folder: Path, packages: list[str]) -> Path:
    """Python of a virtual environment that holds `packages`; made if it is not there."""
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        ready.touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
