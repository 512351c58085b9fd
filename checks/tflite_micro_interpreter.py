"""Runs a model in TensorFlow Lite Micro, as a microcontroller would; needs `tflite-micro` alone.

    python checks/tflite_micro_interpreter.py MODEL.tflite FEATURES.npy

FEATURES holds int8 inputs, one per row. Prints JSON: the version of the client, its outputs, and on standard
error the memory that it used.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
from tflite_micro.python.tflite_micro import runtime


def main(model: str, features: str) -> None:
    """Prints the outputs of `model` for each row of `features`."""
    content = Path(model).read_bytes()
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=16 * len(content) + (1 << 20))
    shape = interpreter.get_input_details(0)["shape"]
    outputs = []
    for row in np.load(features):
        interpreter.set_input(row.reshape(shape), 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0)[0].tolist())
    client = f"tflite-micro {importlib.metadata.version('tflite-micro')}"
    print(json.dumps({"client": client, "outputs": outputs}))
    interpreter.print_allocations()


if __name__ == "__main__":
    main(*sys.argv[1:])
