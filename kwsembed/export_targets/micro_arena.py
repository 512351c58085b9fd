"""How much memory a model needs in TensorFlow Lite Micro, measured there where it is installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import unpack

PACKAGE = "tflite-micro"
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")
# In a process of its own: the interpreter prints its figures from C++, and a model that it refuses ends it.
_MEASURE = """
import json, sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime
model, features = sys.stdin.buffer.read(int(sys.argv[1])), sys.stdin.buffer.read()
interpreter = runtime.Interpreter.from_bytes(model, arena_size=16 * len(model) + (1 << 20))
shape = interpreter.get_input_details(0)["shape"]
interpreter.set_input(np.frombuffer(features, np.int8).reshape(shape), 0)
interpreter.invoke()
print(json.dumps(interpreter.get_output(0)[0].tolist()))
interpreter.print_allocations()
"""
# What lay beside the tensors where it was measured (11 KB for 20 operations), with room for other kernels.
_BESIDE_TENSORS = 16 * 1024
_MARGIN = 4 * 1024


@dataclass(frozen=True)
class Arena:
    """Memory that the interpreter needs.

    Attributes:
        bytes: What to give it, a whole number of KiB.
        measured: What it used, or None if that was not measured.
        source: Where the figure is from, in words.
        logits: What the model put out in that interpreter, or None.
    """

    bytes: int
    measured: int | None
    source: str
    logits: np.ndarray | None


def arena(model: bytes, features: np.ndarray) -> Arena:
    """Runs a model in TensorFlow Lite Micro, or estimates from its tensors if the package is not there.

    Args:
        model: Flatbuffer, int8 in, int8 or uint8 out.
        features: int8 input.

    Raises:
        KwsembedError: The interpreter is there and refuses the model.
    """
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        size = live_bytes(model) + _BESIDE_TENSORS + _MARGIN
        return Arena(
            _whole_kib(size),
            None,
            f"estimated from the tensors, not measured: {PACKAGE} is not installed",
            None,
        )
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(len(model))],
        input=model + features.tobytes(),
        capture_output=True,
        timeout=300,
    )
    total = _TOTAL.search(done.stderr.decode(errors="replace"))
    if done.returncode or total is None:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise KwsembedError(f"{PACKAGE} {found} refuses the model", received=last)
    measured = int(total.group(1))
    logits = np.array(json.loads(done.stdout))
    return Arena(
        _whole_kib(measured + _MARGIN), measured, f"measured in {PACKAGE} {found} on this computer", logits
    )


def live_bytes(model: bytes) -> int:
    """The most bytes of computed tensors that are needed at one time, and of variables, which always are."""
    editor = GraphEditor(unpack(model), graph=0)
    bytes_of = {schema.TensorType.INT8: 1, schema.TensorType.UINT8: 1, schema.TensorType.RESOURCE: 0}
    size = {
        at: int(np.prod(editor.shape(at))) * bytes_of.get(tensor.type, 4)
        for at, tensor in enumerate(editor.graph.tensors)
        if not editor.is_constant(at)
    }
    operators = editor.graph.operators
    made = {int(at): -1 for at in editor.graph.inputs}
    last = {int(at): len(operators) for at in editor.graph.outputs}
    for position, operator in enumerate(operators):
        made |= {int(at): position for at in operator.outputs}
        last |= {int(at): max(last.get(int(at), 0), position) for at in operator.inputs}
    variables = sum(size[int(op.outputs[0])] for op in operators if editor.name(op) == "READ_VARIABLE")
    return variables + max(
        sum(size[at] for at in size if made.get(at, 0) <= position <= last.get(at, made.get(at, 0)))
        for position in range(len(operators))
    )


def _whole_kib(size: int) -> int:
    return -(-size // 1024) * 1024
