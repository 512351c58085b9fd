"""Runs a bundle in the client libraries that apps use, and compares their scores with ours.

    python -m checks.clients RUN/bundle --work DIR

Each client gets a virtual environment of its own under DIR, filled from PyPI and kept for the next time:
their demands on protobuf and NumPy exclude one another. CPython 3.11. Exits 1 if a client refuses the model
or scores otherwise than we do.
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
    lenient = classifier.runtime.startswith("tflite_runtime")
    tolerance = TOLERANCE_OF_TFLITE_RUNTIME if lenient else TOLERANCE
    print(f"compared with {classifier.runtime}, tolerance {tolerance:g}")
    failures = 0
    for name, (script, packages) in CLIENTS.items():
        python = environment(arguments.work / name, packages)
        command = [python, Path(__file__).with_name(script), arguments.bundle, clip]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if finished.returncode:
            verdict = f"refused: {finished.stderr.strip().splitlines()[-1]}"
            failures += 1
        else:
            answer = json.loads(finished.stdout.splitlines()[-1])
            scores = np.array([[window[label] for label in bundle.labels] for window in answer["windows"]])
            difference = np.abs(scores - expected).max() if scores.shape == expected.shape else np.inf
            failures += int(difference > tolerance)
            verdict = f"{answer['client']}: largest difference of a score {difference:.2g}"
        print(f"{name}: {verdict}", flush=True)
    return int(failures > 0)


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
