"""What a training step takes with TensorFlow's own kernels and with oneDNN's, as training asks for on x86.

    python -m benchmarks.kernels [--rounds N] [--batch N]

The step of `clustering` for each backbone, features from memory. Kernels are chosen when TensorFlow is
imported, so each kind has a process of its own; they take turns, and a ratio is the median over the rounds of
CPU times. TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 makes it one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from kwsembed.config import BACKBONES
from kwsembed.cpu_kernels import ONEDNN

STEPS = 5  # of a turn
KINDS = {"TensorFlow's own": "0", "oneDNN's": "1"}


def main() -> None:
    """Prints a table, a row for each backbone."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="turns of each (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=64, help="windows per step (default: %(default)s)")
    parser.add_argument("--serve", choices=BACKBONES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return _serve(arguments.serve, arguments.batch)
    print(f"| network | {' | '.join(f'{kind}, ms' for kind in KINDS)} | ratio |\n|---|---|---|---|")
    for backbone in BACKBONES:
        with _processes(backbone, arguments.batch) as processes:
            rows = [[_turn(process) for process in processes] for _ in range(arguments.rounds)]
        seconds = np.array(rows)  # (rounds, kinds)
        both = " | ".join(f"{1000 * value:.0f}" for value in np.median(seconds, axis=0))
        print(f"| {backbone} | {both} | {np.median(seconds[:, 1] / seconds[:, 0]):.2f} |", flush=True)


@contextmanager
def _processes(backbone: str, batch: int) -> Iterator[list[subprocess.Popen[str]]]:
    """A process for each kind of kernels, ready to take turns."""
    command = [sys.executable, "-m", "benchmarks.kernels", "--serve", backbone, "--batch", str(batch)]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", ONEDNN: value},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for value in KINDS.values()
    ]
    try:
        for process in processes:
            _turn(process)  # does not count
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _turn(process: subprocess.Popen[str]) -> float:
    """CPU seconds of a step, in a turn of that process."""
    assert process.stdin
    assert process.stdout
    print("go", file=process.stdin, flush=True)
    return float(process.stdout.readline())


def _serve(backbone: str, batch: int) -> None:
    """Takes a turn for each line on standard input, and says what a step took."""
    from benchmarks.training import Bench

    bench = Bench(clips=500, batch=batch, backbone=backbone)
    step, features = bench.step("clustering"), bench.batch()
    for _ in sys.stdin:
        started_s = time.process_time()
        for _ in range(STEPS):
            step(features)
        print((time.process_time() - started_s) / STEPS, flush=True)


if __name__ == "__main__":
    main()
