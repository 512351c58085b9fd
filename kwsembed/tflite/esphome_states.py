"""The states of an ESPHome network kept inside it: few live at a time, and only operations that it knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import pack, text, unpack
from kwsembed.tflite.streaming import Streamed
from kwsembed.tflite.variable_operations import add_first_values, assign, call_once, handle, read


def with_states_inside(network: Streamed) -> bytes:
    """Turns the states of a streaming network from inputs and outputs into variables of the model.

    A state is read right before its use and assigned as soon as its next value is known, so that few live at
    one time. Before the first call a second graph, run once, fills each with the number 0. SLICE becomes
    STRIDED_SLICE, which clients with variables have.

    Args:
        network: What `streamed` made.

    Returns:
        Flatbuffer with one input and one output; a new interpreter begins a new stream.
    """
    unpacked = unpack(network.model)
    editor = GraphEditor(unpacked)
    graph = editor.graph
    at = {text(tensor.name): index for index, tensor in enumerate(graph.tensors)}
    handles, operators = [], []
    reads: dict[int, Any] = {}
    assigns: dict[int, Any] = {}
    for state in network.states:
        variable = handle(editor, state)
        handles.append(variable)
        past, future = at[state.input], at[state.output]
        reads[past] = read(editor, variable, past)
        assigns[future] = assign(editor, variable, future)
    for operator in graph.operators:
        operators += [reads.pop(int(source)) for source in operator.inputs if int(source) in reads]
        operators.append(_strided(editor, operator) if editor.name(operator) == "SLICE" else operator)
        operators += [assigns.pop(int(made)) for made in operator.outputs if int(made) in assigns]
    if reads or assigns:
        raise KwsembedError("a state of the streaming network is not used", received=[*reads, *assigns])
    outside = {state.input for state in network.states} | {state.output for state in network.states}
    graph.inputs = [index for index in graph.inputs if text(graph.tensors[index].name) not in outside]
    graph.outputs = [index for index in graph.outputs if text(graph.tensors[index].name) not in outside]
    graph.operators = [call_once(editor), *handles, *operators]
    graph.name = graph.name or b"main"
    states = {state.input: graph.tensors[at[state.input]] for state in network.states}
    add_first_values(unpacked, network.states, states, name="first_values")
    unpacked.signatureDefs = None
    _drop_unused_codes(unpacked)
    return pack(unpacked)


def _strided(editor: GraphEditor, operator: Any) -> Any:
    begin, size = (editor.constant(int(index)) for index in operator.inputs[1:])
    if begin is None or size is None:
        raise KwsembedError("a SLICE of the streaming network is not constant")
    limits = [
        editor.add_constant(values.astype("<i4"), schema.TensorType.INT32)
        for values in (begin, begin + size, np.ones_like(begin))
    ]
    options = schema.StridedSliceOptionsT()
    return editor.operation(
        "STRIDED_SLICE", [int(operator.inputs[0]), *limits], int(operator.outputs[0]), options
    )


def _drop_unused_codes(unpacked: Any) -> None:
    operators = [operator for graph in unpacked.subgraphs for operator in graph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    position = {old: new for new, old in enumerate(used)}
    unpacked.operatorCodes = [unpacked.operatorCodes[index] for index in used]
    for operator in operators:
        operator.opcodeIndex = position[operator.opcodeIndex]
