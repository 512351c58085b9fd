"""Operations on resource variables, in which a streaming model keeps its states from call to call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.history import State

_NUMBERS: dict[str, np.dtype[Any]] = {"FLOAT32": np.dtype("<f4"), "INT8": np.dtype("i1")}


def handle(editor: GraphEditor, state: State) -> Any:
    """The operation that gives the variable of a state; all graphs know it by the name that it shares."""
    options = schema.VarHandleOptionsT()
    options.container, options.sharedName = "", state.input.removesuffix("_in")
    return editor.operation("VAR_HANDLE", [], editor.add_tensor((), schema.TensorType.RESOURCE), options)


def read(editor: GraphEditor, variable: Any, into: int) -> Any:
    """The operation that reads the variable of a `handle` operation into a tensor."""
    return editor.operation("READ_VARIABLE", variable.outputs, into, schema.ReadVariableOptionsT())


def assign(editor: GraphEditor, variable: Any, value: int) -> Any:
    """The operation that gives the variable of a `handle` operation the value of a tensor."""
    operator = editor.operation(
        "ASSIGN_VARIABLE", [*variable.outputs, value], value, schema.AssignVariableOptionsT()
    )
    operator.outputs = []
    return operator


def call_once(editor: GraphEditor) -> Any:
    """The operation that runs the second graph before the first call."""
    options = schema.CallOnceOptionsT()
    options.initSubgraphIndex = 1
    operator = editor.operation("CALL_ONCE", [], 0, options)
    operator.inputs, operator.outputs = [], []
    return operator


def add_first_values(unpacked: Any, states: Sequence[State], like: Mapping[str, Any], *, name: str) -> None:
    """Adds the graph, number 1, that fills the variables of a new stream.

    Args:
        unpacked: The model so far, a `schema.ModelT` of one graph.
        states: Whose variables are filled.
        like: By a state's input, a tensor of its type and quantisation.
        name: Of the graph.
    """
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = name, [], [], [], []
    unpacked.subgraphs.append(graph)
    editor = GraphEditor(unpacked, graph=1)
    for state in states:
        values = np.full(state.shape, state.start, _NUMBERS[state.type])
        tensor = like[state.input]
        start = editor.add_constant(values, tensor.type, quantization=tensor.quantization)
        variable = handle(editor, state)
        graph.operators += [variable, assign(editor, variable, start)]
