"""Exports a run for microcontrollers, compiles the C code, and runs the model in TensorFlow Lite Micro.

    python -m checks.micro RUN --work DIR

TensorFlow Lite Micro gets a virtual environment of its own under DIR, filled from PyPI and kept for the next
time. Linux on x86-64, with make and a C compiler. Exits 1 if the model is refused or computes otherwise than
TensorFlow Lite's reference kernels, if the arena is too small, or if the C code differs from Python.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from checks.clients import environment
from kwsembed.bundle import Bundle
from kwsembed.export_targets import micro
from kwsembed.export_targets.micro_golden import golden, quantised, run_reference
from kwsembed.frontend import log_mel
from kwsembed.tflite.micro import micro_model
from kwsembed.tflite.parts import ModelParts, parts_of

PACKAGES = ["tflite-micro"]
WINDOWS = 20
# Roundings differ between kernels; one step of a logit was the most that was seen.
MOST_STEPS = 1


def main() -> int:
    """Checks and prints a line for each finding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--work", type=Path, required=True, help="folder for environment and export")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.run / "bundle")
    parts = parts_of(bundle.model, mels=bundle.frontend.mel_count)
    python = environment(arguments.work / "tflite-micro", PACKAGES)
    failures = 0
    for int8_head in (False, True):
        model = micro_model(parts, int8_head=int8_head)
        out = arguments.work / ("micro-int8-head" if int8_head else "micro")
        needed = micro.export(arguments.run, out, int8_head=int8_head)
        rows = np.stack([golden(bundle, parts, model).features, *_noise(bundle, parts)])
        np.save(out / "features.npy", rows)
        script = Path(__file__).with_name("tflite_micro_interpreter.py")
        command = [python, script, out / "model.tflite", out / "features.npy"]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if finished.returncode:
            print(f"{out.name}: refused: {finished.stderr.strip().splitlines()[-1]}")
            failures += 1
            continue
        answer = json.loads(finished.stdout.splitlines()[-1])
        expected = np.array([run_reference(model.model, row) for row in rows], int)
        steps = int(np.abs(expected - np.array(answer["outputs"])).max())
        used = int(re.findall(r"Arena allocation total (\d+)", finished.stderr)[-1])
        failures += int(steps > MOST_STEPS) + int(used > needed.bytes)
        print(
            f"{out.name}: {answer['client']}: {len(rows)} windows, largest difference of a logit {steps} "
            f"steps; arena used {used} of {needed.bytes} bytes"
        )
    tested = subprocess.run(["make", "-C", arguments.work / "micro", "test"], capture_output=True, text=True)
    print(tested.stdout.strip() if tested.returncode == 0 else tested.stdout + tested.stderr)
    return int(failures + tested.returncode > 0)


def _noise(bundle: Bundle, parts: ModelParts) -> list[np.ndarray]:
    """Features of noise from -60 to -10 dBFS."""
    random = np.random.default_rng(0)
    levels = 10 ** (np.linspace(-60, -10, WINDOWS) / 20)
    windows = [level * random.normal(0, 0.25, bundle.window_samples) for level in levels]
    return [quantised(log_mel(window, bundle.frontend), parts) for window in windows]


if __name__ == "__main__":
    sys.exit(main())
