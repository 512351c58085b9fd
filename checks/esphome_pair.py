"""Makes an ESPHome pair from a run, and runs it in the clients that such pairs are made for.

    python -m checks.esphome_pair RUN --work DIR [--event LABEL] [--pair FOLDER] [--clip CLIP] [--schema]

`pymicro-wakeword` plays a recording to the very pair, TensorFlow Lite Micro and LiteRT take the same
features, and ESPHome itself (`--schema`; installing it takes minutes) validates the manifest and the YAML of
the README. Each client gets a virtual environment of its own under DIR, kept for the next time. Exits 1 if
one refuses the pair or gives other probabilities than those that the cutoff was chosen on, or if the arena is
too small.

The recording is the run's own events between background, a part of its test split, unless `--clip` names one.
Without `--pair` a pair is trained, briefly.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from checks.clients import environment
from kwsembed.audio import decode, wav
from kwsembed.audio.resample import resample
from kwsembed.data.cache import build_cache
from kwsembed.detection.post_processing import smooth
from kwsembed.export_targets import esphome
from kwsembed.export_targets.esphome_features import SAMPLE_RATE_HZ, micro_features
from kwsembed.export_targets.esphome_judgement import probabilities
from kwsembed.tflite import describe
from kwsembed.training.data import TrainingData
from kwsembed.training.prior_run import PriorRun

PACKAGES = {
    "pymicro-wakeword": ["pymicro-wakeword>=2,<3", "ai-edge-litert>=2"],
    "tflite-micro": ["tflite-micro"],
    "esphome": ["esphome"],
}
# Of a probability, in 256ths: other kernels round otherwise than those of microcontrollers; 9 was seen.
MOST_STEPS = 16
MOST_STEPS_OF_MICRO = 1
_EXAMPLES, _STEPS = 640, 100
_MOST_S = 60


def main() -> int:
    """Checks every client; prints a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--work", type=Path, required=True, help="folder for environments and the pair")
    parser.add_argument("--event", metavar="LABEL", help="the event; the run's first if not given")
    parser.add_argument("--pair", type=Path, help="an export to check, instead of a new one")
    parser.add_argument("--clip", type=Path, help="a recording to play")
    parser.add_argument("--schema", action="store_true", help="validate with the package esphome too")
    arguments = parser.parse_args()
    prior = PriorRun.read(arguments.run)
    event = arguments.event or prior.bundle.event_labels[0]
    folder = arguments.pair or arguments.work / "esphome-pair"
    if arguments.pair is None:
        esphome.export(arguments.run, folder, event=event, examples=_EXAMPLES, steps=_STEPS)
    manifest_path, manifest = manifest_of(folder)
    waveform = _clip(arguments.clip) if arguments.clip else _stream(prior, event)
    clip = arguments.work / "stream.wav"
    wav.write(clip, waveform, SAMPLE_RATE_HZ)
    model_path = manifest_path.parent / manifest["model"]
    failures = _check_stream(model_path, manifest_path, manifest, clip, waveform, arguments.work)
    if arguments.schema:
        answer, _ = client(arguments.work, "esphome", "esphome_manifest.py", manifest_path)
        failures += answer is None
        if answer:
            print(f"{answer['client']}: takes the manifest, and the YAML of the README")
    return int(failures > 0)


def manifest_of(pair: Path) -> tuple[Path, dict[str, Any]]:
    """Path and content of the manifest of an export."""
    (path,) = (path for path in pair.glob("*.json") if path.stem not in ("export", "measured"))
    return path, json.loads(path.read_text(encoding="utf-8"))


def _clip(path: Path) -> np.ndarray:
    waveform, sample_rate_hz = decode.read(path)
    return resample(waveform, sample_rate_hz, SAMPLE_RATE_HZ)


def _stream(prior: PriorRun, event: str) -> np.ndarray:
    """Events between background: the run's own streams, of its test split or else of validation."""
    store = build_cache(prior.manifest, cache_dir=prior.cache_dir)
    data = TrainingData.of(store, prior.manifest, prior.config)
    split = "test" if len(data.clips_of("test")) else "validation"
    stream = next(data.audio(split).positive_streams(event))
    return stream.waveform[: _MOST_S * SAMPLE_RATE_HZ]


def _check_stream(
    model: Path, manifest: Path, content: dict[str, Any], clip: Path, waveform: np.ndarray, work: Path
) -> int:
    """Number of findings in `pymicro-wakeword`, LiteRT and TensorFlow Lite Micro."""
    features = micro_features(waveform)
    stride = _input_frames(model)
    calls = len(features) // stride
    expected = probabilities(model.read_bytes(), features, stride=stride).astype(int)
    rows = work / "features.npy"
    np.save(rows, features[: calls * stride].reshape(calls, -1))
    settings = content["micro"]
    failures = 0

    answer, _ = client(work, "pymicro-wakeword", "pymicro_wakeword_client.py", manifest, clip)
    failures += answer is None
    if answer:
        means = smooth(expected / 256, settings["sliding_window_size"])
        ours = means > settings["probability_cutoff"]
        heard = answer["streams"][0]
        theirs = np.array(heard["reported"])
        near = np.abs(means - settings["probability_cutoff"]) <= MOST_STEPS / 256
        warm = np.arange(calls) >= settings["sliding_window_size"] - 1  # it waits until its window is full
        steps = int(np.abs(expected - np.array(heard["bytes"])).max())
        otherwise = int(((ours != theirs) & ~near & warm).sum())
        failures += (steps > MOST_STEPS) + (otherwise > 0)
        print(
            f"{answer['client']}: {calls} calls, probabilities differ by {steps}/256 at most; above the "
            f"cutoff in {int(theirs.sum())} calls, here in {int(ours[warm].sum())}"
        )
    answer, _ = client(work, "pymicro-wakeword", "litert_stream.py", model, rows)
    failures += answer is None or _differs(answer, expected, MOST_STEPS)
    answer, messages = client(work, "tflite-micro", "tflite_micro_interpreter.py", model, rows)
    failures += answer is None or _differs(answer, expected, MOST_STEPS_OF_MICRO)
    if answer:
        used = int(re.findall(r"Arena allocation total (\d+)", messages)[-1])
        print(f"{answer['client']}: arena used {used} of {settings['tensor_arena_size']} bytes")
        failures += used > settings["tensor_arena_size"]
    return int(failures)


def client(work: Path, name: str, script: str, *arguments: Path) -> tuple[dict[str, Any] | None, str]:
    """Answer of a client and what it wrote beside; None, with a line for the user, if it refused."""
    python = environment(work / name, PACKAGES[name])
    command = [python, Path(__file__).with_name(script), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if finished.returncode:
        print(f"{script}: refused: {(finished.stderr.strip() or 'without a word').splitlines()[-1]}")
        return None, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1]), finished.stderr


def _differs(answer: dict[str, Any], expected: np.ndarray, most_steps: int) -> bool:
    steps = int(np.abs(expected - np.array(answer["outputs"])[:, 0]).max())
    print(f"{answer['client']}: {len(expected)} calls, probabilities differ by {steps}/256 at most")
    return steps > most_steps


def _input_frames(model: Path) -> int:
    return describe(model.read_bytes()).inputs[0].shape[1]


if __name__ == "__main__":
    sys.exit(main())
