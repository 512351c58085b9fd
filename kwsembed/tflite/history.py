"""What a stream remembers: rows of earlier calls, put before those of a tensor by a state of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.tflite.clients import NAMES_OF_TYPES
from kwsembed.tflite.editing import GraphEditor

TIME = 1  # axis of `(1, rows, ...)`


@dataclass(frozen=True)
class State:
    """What a stream remembers at one place of the network, given back by each call and passed to the next.

    Attributes:
        input: Name of the input tensor.
        output: Name of the output tensor.
        shape: `(1, rows, ...)`.
        type: `FLOAT32` or `INT8`.
        start: The element that fills the state of a new stream: it stands for the number 0.
    """

    input: str
    output: str
    shape: tuple[int, ...]
    type: str
    start: int


def with_history(editor: GraphEditor, tensor: int, older: int, *, name: str) -> tuple[int, list[Any], State]:
    """Puts rows of earlier calls before those of a tensor, by a state of the graph.

    Args:
        editor: The graph; gets an input `{name}_in` and an output `{name}_out`.
        tensor: Index of the tensor `(1, rows, ...)`.
        older: How many rows to remember.
        name: Of the state.

    Returns:
        Index of the tensor `(1, older + rows, ...)`; the operations that make it and the state's next
        value, to be put behind those that make `tensor`; the state.
    """
    shape = editor.shape(tensor)
    past = editor.add_tensor_like(tensor, (1, older, *shape[2:]), name=f"{name}_in")
    joined = editor.add_tensor_like(tensor, (1, older + shape[TIME], *shape[2:]))
    future = editor.add_tensor_like(tensor, (1, older, *shape[2:]), name=f"{name}_out")
    options = schema.ConcatenationOptionsT()
    options.axis = TIME
    operators = [
        editor.operation("CONCATENATION", [past, tensor], joined, options),
        rows_from(editor, joined, shape[TIME], future),
    ]
    editor.graph.inputs = [*editor.graph.inputs, past]
    editor.graph.outputs = [*editor.graph.outputs, future]
    kind = NAMES_OF_TYPES[editor.graph.tensors[tensor].type]
    start = int(editor.graph.tensors[tensor].quantization.zeroPoint[0]) if kind == "INT8" else 0
    return joined, operators, State(f"{name}_in", f"{name}_out", (1, older, *shape[2:]), kind, start)


def rows_from(editor: GraphEditor, source: int, first_row: int, output: int) -> Any:
    """The operation that copies as many rows as `output` has, from `first_row` of `source` on."""
    begin = [0] * len(editor.shape(output))
    begin[TIME] = first_row
    return editor.slice(source, begin, output)
