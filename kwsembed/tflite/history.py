"""What a stream remembers: rows of earlier calls before those of a tensor, and the rows chosen of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
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


def every_row(editor: GraphEditor, tensor: int, *, step: int, count: int) -> tuple[int, list[Any]]:
    """Chooses every `step`-th row of a tensor, the last one among them.

    A slice with a stride would do, but it leaves the fast part of a runtime. So groups of `step` rows are
    laid side by side, and the last of each group is cut out.

    Args:
        editor: The graph.
        tensor: Index of the tensor `(1, rows, bands, channels)`, of at least `count * step` rows.
        step: From one row to the next.
        count: How many.

    Returns:
        Index of the tensor `(1, count, bands, channels)`, and the operations that make it.
    """
    _, rows, bands, channels = editor.shape(tensor)
    operators: list[Any] = []
    if rows > count * step:
        latest = editor.add_tensor_like(tensor, (1, count * step, bands, channels))
        operators.append(rows_from(editor, tensor, rows - count * step, latest))
        tensor = latest
    if step > 1:
        shape = (1, count, step * bands, channels)
        beside = editor.add_tensor_like(tensor, shape)
        target = editor.add_constant(np.array(shape, np.int32), schema.TensorType.INT32)
        chosen = editor.add_tensor_like(tensor, (1, count, bands, channels))
        operators += [
            editor.operation("RESHAPE", [tensor, target], beside, schema.ReshapeOptionsT()),
            editor.slice(beside, (0, 0, (step - 1) * bands, 0), chosen),
        ]
        tensor = chosen
    return tensor, operators
