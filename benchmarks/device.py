"""What our models cost on a device, beside those of other projects, as ratios taken in one process.

    python -m benchmarks.device [RUN] [--peers DIR]... [--edge-python PYTHON] [--rounds N]

RUN is a run directory; without it an untrained network of the default size stands in, whose costs are the
same. Other projects' models are looked for in each DIR, as `.tflite` files or inside wheels, and in installed
packages; what is not there is skipped, saying so. To have those that are on PyPI:

    python -m pip download --no-deps -d DIR pymicro-wakeword pymicro-features wyoming-openwakeword

One thread, CPU time. The models take turns, round after round; a ratio is the median over the rounds. The
interpreter is the first installed one, or the one that KWSEMBED_RUNTIME names.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ[_variable] = "1"  # read when NumPy and TensorFlow load
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.device_models import (
    DS_CNN,
    MICRO_FEATURES,
    OPEN_WAKE_WORD,
    OPEN_WAKE_WORD_MEL,
    PACKAGES,
    Peers,
    Timed,
    core,
    front_ends,
    theirs,
    timed_model,
)
from benchmarks.interleaved import interleaved, ratio
from kwsembed.bundle import Bundle
from kwsembed.export_targets.streaming import stream_bundle
from kwsembed.runtime import Detector
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.runtime.streaming import StreamingDetector
from kwsembed.stream_bundle import StreamBundle
from kwsembed.tflite.streaming_export import export_streaming

ROOT = Path(__file__).parents[1]
HOPS_MS = (160, 40, 30, 10)
STARTS = 5
WINDOW, CORE, FRONT_END = "window", "int8 core of a window", "front end of a window, 64 mels"


def hop(milliseconds: int, form: str = "states passed") -> str:
    """Name of the line of a streaming model."""
    return f"{milliseconds}-ms hop, {form}"


def ours(bundle: Bundle, streams: dict[tuple[int, str], StreamBundle]) -> dict[str, Timed]:
    """Models alone, then the same from Python with all that belongs to a detector."""
    front = front_ends(bundle, hops=(1, 3))
    lines = {
        WINDOW: timed_model(bundle.model, audio_s=bundle.post.hop_s, runtime=None),
        CORE: core(bundle),
        FRONT_END: timed_model(front[None], audio_s=bundle.window_s, runtime=None),
        "front end of a 10-ms hop, 64 mels": timed_model(front[1], audio_s=0.01, runtime=None),
        "front end of a 30-ms hop, 64 mels": timed_model(front[3], audio_s=0.03, runtime=None),
    }
    for (milliseconds, form), stream in streams.items():
        name = hop(milliseconds, "states passed" if form == "passed" else form)
        lines[name] = timed_model(stream.model, audio_s=milliseconds / 1000, runtime=None)
    silent = dict.fromkeys(bundle.event_labels, 2.0)  # as nearly always: nothing is heard
    chunk = np.random.default_rng(0).normal(0, 0.05, 16 * 30).astype(np.float32)
    windowed = Detector(bundle, thresholds=silent)
    lines["Python, windows, chunks of 30 ms"] = Timed(lambda: windowed.process(chunk), 0.03)
    for (milliseconds, form), stream in streams.items():
        if milliseconds in (160, 30):
            detector = StreamingDetector(stream, thresholds=silent)
            samples = np.random.default_rng(0).normal(0, 0.05, stream.timing.hop_samples).astype(np.float32)
            name = hop(milliseconds, "states passed" if form == "passed" else form)
            lines[f"Python, {name}"] = Timed(_processing(detector, samples), milliseconds / 1000)
    return lines


def _processing(detector: StreamingDetector, samples: np.ndarray):
    return lambda: detector.process(samples)


def untrained(folder: Path) -> Path:
    """A bundle of the default network, untrained, its int8 ranges from noise."""
    from benchmarks.untrained import write_untrained_bundle

    write_untrained_bundle(folder)
    return folder


def edge_process(python: str, folder: Path, form: str) -> dict:
    """The medians of a few starts of the edge process, in CPU time, and the time on the clock."""
    starts = []
    for _ in range(STARTS):
        began_s = time.perf_counter()
        done = subprocess.run(
            [python, "-m", "benchmarks.edge_process", str(folder), form],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        starts.append({**json.loads(done.stdout), "clock_s": time.perf_counter() - began_s})
    numbers = ("import_s", "cpu_s", "clock_s", "memory_bytes")
    return {**starts[0], **{key: statistics.median(start[key] for start in starts) for key in numbers}}


def print_table(lines: dict[str, Timed], seconds: dict[str, np.ndarray]) -> None:
    """A line per model."""
    print("| | audio per call, ms | us per call | us per second of audio | KB |\n|---|---|---|---|---|")
    for name, line in lines.items():
        each_s = float(np.median(seconds[name]))
        size = "" if line.size_bytes is None else f"{line.size_bytes / 1000:.0f}"
        rate = f"{1e6 * each_s / line.audio_s:.0f}"
        print(f"| {name} | {1000 * line.audio_s:g} | {1e6 * each_s:.1f} | {rate} | {size} |")


def print_targets(lines: dict[str, Timed], seconds: dict[str, np.ndarray], starts: dict[str, dict]) -> None:
    """A line per target: what was aimed at, what was reached."""
    per_audio = {name: seconds[name] / line.audio_s for name, line in lines.items()}
    rows: list[tuple[str, str, float, bool]] = []

    def most(what: str, value: float, limit: float, unit: str = "") -> None:
        rows.append((what, f"at most {limit:g}{unit}", value, value <= limit))

    def least(what: str, value: float, limit: float) -> None:
        rows.append((what, f"at least {limit:g}", value, value >= limit))

    for name in (hop(30), hop(30, "variables"), "Python, " + hop(30, "variables"), "Python, " + hop(160)):
        per_hop_us = 1e6 * float(np.median(per_audio[name])) * 0.03
        most(f"us per 30 ms of audio, {name}", per_hop_us, 40, " us")
    if OPEN_WAKE_WORD in lines:
        for name in (hop(30), hop(160), WINDOW):
            least(
                f"openWakeWord over us, per second of audio: {name}",
                ratio(per_audio, OPEN_WAKE_WORD, name),
                10,
            )
    if DS_CNN in lines:
        each = {name: seconds[name] / lines[name].multiply_adds for name in (CORE, DS_CNN)}
        most("int8 core over MLPerf Tiny's DS-CNN, per multiply-add", ratio(each, CORE, DS_CNN), 1.2)
    most("int8 core, KB", lines[CORE].size_bytes / 1000, 60, " KB")
    if OPEN_WAKE_WORD_MEL in lines:
        least(
            "openWakeWord's front end over ours, time", ratio(per_audio, OPEN_WAKE_WORD_MEL, FRONT_END), 2.5
        )
        sizes = lines[FRONT_END].size_bytes / lines[OPEN_WAKE_WORD_MEL].size_bytes
        most("our front end over openWakeWord's, size", sizes, 0.5)
    if MICRO_FEATURES in lines:
        for name in ("front end of a 10-ms hop, 64 mels", "front end of a 30-ms hop, 64 mels"):
            most(f"{name} over pymicro-features, per 10 ms", ratio(per_audio, name, MICRO_FEATURES), 1.5)
    for form, start in starts.items():
        most(f"import kwsembed, s of CPU time ({form})", start["import_s"], 0.2, " s")
        most(f"start to first score, s of CPU time ({form})", start["cpu_s"], 0.5, " s")
        most(f"memory of the edge process, MB ({form})", start["memory_bytes"] / 1e6, 60, " MB")
    print("\n| | aim | here | |\n|---|---|---|---|")
    for what, aim, value, met in rows:
        print(f"| {what} | {aim} | {value:.3g} | {'met' if met else '**missed**'} |")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN")
    parser.add_argument("--peers", action="append", type=Path, metavar="DIR", help="may be repeated")
    parser.add_argument("--edge-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=25, help="turns of each (default: %(default)s)")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("KWSEMBED_SHARED", ROOT.parent / "shared")) / "peers"
    peers = Peers(arguments.peers or ([shared] if shared.is_dir() else []))
    with tempfile.TemporaryDirectory() as work:
        folder = arguments.run / "bundle" if arguments.run else untrained(Path(work) / "bundle")
        bundle = Bundle.load(folder)
        streams = {}
        for milliseconds in HOPS_MS:
            exported = export_streaming(bundle, hop_ms=milliseconds)
            for form in ("passed", "variables"):
                streams[milliseconds, form] = stream_bundle(bundle, exported, state_form=form)
        stream_folder = Path(work) / "stream"
        stream_folder.mkdir()
        streams[160, "passed"].write(stream_folder)
        starts = {
            form: edge_process(arguments.edge_python, at, form)
            for form, at in (("windowed", folder), ("streaming", stream_folder))
        }
    peer_lines, absent = theirs(peers)
    lines = {**ours(bundle, streams), **peer_lines}
    seconds = interleaved(
        {name: line.call for name, line in lines.items()}, rounds=arguments.rounds, least_s=2e-3
    )

    _, runtime = open_interpreter(bundle.model)
    print(f"{_processor()}, {os.cpu_count()} cores; {_versions(runtime)}; {arguments.rounds} rounds")
    if absent:
        print(f"skipped, not there: {', '.join(absent)}. Give --peers DIR; on PyPI: {' '.join(PACKAGES)}")
    print()
    print_table(lines, seconds)
    for form, start in starts.items():
        print(
            f"\nedge process, {form}: {start['cpu_s']:.2f} s of CPU time and {start['clock_s']:.2f} s on the "
            f"clock to the first score, {start['memory_bytes'] / 1e6:.1f} MB; {', '.join(start['packages'])}"
        )
    print_targets(lines, seconds, starts)


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    for line in found.read_text().splitlines() if found.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _versions(runtime: str) -> str:
    from importlib.metadata import version

    found = version(runtime.replace("_", "-"))
    return f"{runtime} {found}, NumPy {np.__version__}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
