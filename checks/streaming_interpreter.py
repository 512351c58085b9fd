"""Plays a stream to a streaming model in one interpreter, hop by hop, as a program without kwsembed would.

    python checks/streaming_interpreter.py FOLDER SAMPLES.npy

Needs `tflite-micro`, `tflite-runtime` or `ai-edge-litert`, whichever is installed. FOLDER is what the target
`streaming` made: states are passed from call to call as `streaming.json` says, or kept by the interpreter.
Prints JSON: the client, and the scores of each call; on standard error what TensorFlow Lite Micro allocated.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

TYPES = {"FLOAT32": np.float32, "INT8": np.int8}
_ARENA_BYTES = 1 << 22


def main(folder: str, samples: str) -> None:
    """Prints the scores of every call."""
    description = json.loads((Path(folder) / "streaming.json").read_text(encoding="utf-8"))
    names = ("tflite_micro", "tflite_runtime", "ai_edge_litert")
    package = next(name for name in names if importlib.util.find_spec(name))
    content = (Path(folder) / "model.tflite").read_bytes()
    states = description["states"]
    call, report = (_micro if package == "tflite_micro" else _lite)(package, content, states)
    kept = [np.full(one["shape"], one["start"], TYPES[one["type"]]) for one in states]
    hop = description["timing"]["hop_samples"]
    waveform = np.load(samples)
    scores = []
    for start in range(0, len(waveform) - hop + 1, hop):
        found, kept = call(waveform[None, start : start + hop], kept)
        scores.append(found[0].tolist())
    distribution = package.replace("_", "-")
    client = f"{distribution} {importlib.metadata.version(distribution)}"
    print(json.dumps({"client": client, "outputs": scores}))
    report()


Call = Callable[[np.ndarray, list], tuple[np.ndarray, list]]


def _lite(package: str, content: bytes, states: list[dict]) -> tuple[Call, Callable[[], None]]:
    interpreter = importlib.import_module(f"{package}.interpreter").Interpreter(model_content=content)
    interpreter.allocate_tensors()
    taken = {one["name"]: one["index"] for one in interpreter.get_input_details()}
    given = {one["name"]: one["index"] for one in interpreter.get_output_details()}

    def call(waveform: np.ndarray, kept: list) -> tuple[np.ndarray, list]:
        interpreter.set_tensor(taken["waveform"], waveform)
        for state, value in zip(states, kept, strict=True):
            interpreter.set_tensor(taken[state["input"]], value)
        interpreter.invoke()
        new = [interpreter.get_tensor(given[state["output"]]) for state in states]
        return interpreter.get_tensor(given["scores"]), new

    return call, lambda: None


def _micro(package: str, content: bytes, states: list[dict]) -> tuple[Call, Callable[[], None]]:
    runtime = importlib.import_module(f"{package}.python.{package}.runtime")
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=_ARENA_BYTES)

    # It knows tensors by their places in the file: the waveform and the scores first, then the states.
    def call(waveform: np.ndarray, kept: list) -> tuple[np.ndarray, list]:
        for at, value in enumerate([waveform, *kept]):
            interpreter.set_input(value, at)
        interpreter.invoke()
        found = [np.array(interpreter.get_output(at)) for at in range(1 + len(states))]
        return found[0], found[1:]

    return call, interpreter.print_allocations


if __name__ == "__main__":
    main(*sys.argv[1:])
