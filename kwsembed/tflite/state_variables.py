"""States of a streaming model kept inside it, as resource variables, for clients that pass nothing along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.tflite.clients import RUNTIME_VERSION, runtime_version, version_text
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import add_metadata, pack, text, unpack
from kwsembed.tflite.history import State

RESET = "reset"
"""Name of the signature that starts a new stream."""

_NEEDED = (2, 6, 0)  # the first runtime that knows resource variables and CALL_ONCE
_NUMBERS = {"FLOAT32": np.float32, "INT8": np.int8}


def with_variables(model: bytes, states: Sequence[State]) -> bytes:
    """Turns states that are passed from call to call into variables that the interpreter keeps.

    Every state input becomes a READ_VARIABLE, every state output an ASSIGN_VARIABLE. The first call fills
    the variables (CALL_ONCE), by a second graph that the signature `reset` also names: running it starts a
    new stream. The computation in between is the same, operation for operation.

    Args:
        model: Flatbuffer of one graph and one signature, as `join` makes it.
        states: All its states.

    Returns:
        Flatbuffer with one input and one output.

    Raises:
        KwsembedError: The model's inputs and outputs besides the first are not these states.

    Example:
        >>> with_variables(streaming.model, streaming.states)  # doctest: +SKIP
    """
    unpacked = unpack(model)
    editor = GraphEditor(unpacked)
    graph = editor.graph
    beside = [
        {text(graph.tensors[at].name): int(at) for at in ends[1:]} for ends in (graph.inputs, graph.outputs)
    ]
    named = [{state.input for state in states}, {state.output for state in states}]
    if [set(ends) for ends in beside] != named:
        raise KwsembedError(
            "The states do not fit the model",
            expected=", ".join(sorted(named[0] | named[1])),
            received=", ".join(sorted(beside[0] | beside[1])),
        )
    inputs, outputs = beside
    before, after = [_call_once(editor)], []
    for state in states:
        handle, reading = _handle(editor, state), schema.ReadVariableOptionsT()
        before += [
            handle,
            editor.operation("READ_VARIABLE", handle.outputs, inputs[state.input], reading),
        ]
        after.append(_assign(editor, handle, outputs[state.output]))
    graph.operators = [*before, *graph.operators, *after]
    graph.inputs, graph.outputs = graph.inputs[:1], graph.outputs[:1]
    quantised = {state.input: graph.tensors[inputs[state.input]] for state in states}
    _add_first_values(unpacked, states, quantised)
    _name_signatures(unpacked)
    needed = version_text(max(runtime_version(unpacked), _NEEDED))
    add_metadata(unpacked, RUNTIME_VERSION, needed.encode().ljust(16, b"\0"))
    return pack(unpacked)


def _handle(editor: GraphEditor, state: State) -> Any:
    """The operation that gives the variable of a state; both graphs know it by the name that it shares."""
    options = schema.VarHandleOptionsT()
    options.container, options.sharedName = "", state.input.removesuffix("_in")
    return editor.operation("VAR_HANDLE", [], editor.add_tensor((), schema.TensorType.RESOURCE), options)


def _assign(editor: GraphEditor, handle: Any, value: int) -> Any:
    operator = editor.operation(
        "ASSIGN_VARIABLE", [*handle.outputs, value], value, schema.AssignVariableOptionsT()
    )
    operator.outputs = []
    return operator


def _call_once(editor: GraphEditor) -> Any:
    options = schema.CallOnceOptionsT()
    options.initSubgraphIndex = 1
    operator = editor.operation("CALL_ONCE", [], 0, options)
    operator.outputs = []
    return operator


def _add_first_values(unpacked: Any, states: Sequence[State], like: Mapping[str, Any]) -> None:
    """Adds the graph that fills the variables of a new stream."""
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = RESET, [], [], [], []
    unpacked.subgraphs.append(graph)
    editor = GraphEditor(unpacked, graph=1)
    for state in states:
        values = np.full(state.shape, state.start, _NUMBERS[state.type])
        tensor = like[state.input]
        start = editor.add_constant(values, tensor.type, quantization=tensor.quantization)
        handle = _handle(editor, state)
        graph.operators += [handle, _assign(editor, handle, start)]


def _name_signatures(unpacked: Any) -> None:
    (main,) = unpacked.signatureDefs
    main.inputs, main.outputs = main.inputs[:1], main.outputs[:1]
    reset = schema.SignatureDefT()
    reset.signatureKey, reset.subgraphIndex, reset.inputs, reset.outputs = RESET, 1, [], []
    unpacked.signatureDefs.append(reset)
