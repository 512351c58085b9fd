"""Runs a model in an interpreter of TensorFlow Lite by itself, as a program without kwsembed would.

    python checks/tflite_interpreter.py MODEL.tflite ROWS.npy

Needs `tflite-runtime` or `ai-edge-litert`, whichever is installed. ROWS holds inputs, one per row. Prints
JSON: the client and its outputs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np


def main(model: str, rows: str) -> None:
    """Prints the outputs of `model` for each row of `rows`."""
    package = next(name for name in ("tflite_runtime", "ai_edge_litert") if importlib.util.find_spec(name))
    interpreter = importlib.import_module(f"{package}.interpreter").Interpreter(
        model_content=Path(model).read_bytes()
    )
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for row in np.load(rows):
        interpreter.set_tensor(taken["index"], row.reshape(taken["shape"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given["index"])[0].tolist())
    client = f"{package.replace('_', '-')} {importlib.metadata.version(package.replace('_', '-'))}"
    print(json.dumps({"client": client, "outputs": outputs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
