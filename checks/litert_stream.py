"""Runs a model that keeps its states inside in LiteRT, call after call; needs `ai-edge-litert` alone.

    python checks/litert_stream.py MODEL.tflite FEATURES.npy

FEATURES holds int8 inputs, one per row. Prints JSON: the version of the client and its outputs.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main(model: str, features: str) -> None:
    """Prints the outputs of `model` for each row of `features`."""
    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for row in np.load(features):
        interpreter.set_tensor(into["index"], row.reshape(into["shape"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(out["index"])[0].tolist())
    client = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
    print(json.dumps({"client": client, "outputs": outputs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
