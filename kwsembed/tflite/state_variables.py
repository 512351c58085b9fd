"""States of a streaming model kept inside it, as resource variables, for clients that pass nothing along."""

from __future__ import annotations

from collections.abc import Sequence
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
    filling = _empty_graph(RESET)
    before = [editor.operation("CALL_ONCE", [], None, _call_once(graph_index=1))]
    after = []
    for state in states:
        handle = _handle(editor, graph, state)
        before += [handle, editor.operation("READ_VARIABLE", handle.outputs, inputs[state.input])]
        after.append(editor.operation("ASSIGN_VARIABLE", [*handle.outputs, outputs[state.output]], None))
        handle = _handle(editor, filling, state)
        like = graph.tensors[inputs[state.input]]
        start = _constant(editor, filling, np.full(state.shape, state.start, _NUMBERS[state.type]), like)
        filling.operators += [handle, editor.operation("ASSIGN_VARIABLE", [*handle.outputs, start], None)]
    graph.operators = [*before, *graph.operators, *after]
    graph.inputs, graph.outputs = graph.inputs[:1], graph.outputs[:1]
    unpacked.subgraphs.append(filling)
    _name_signatures(unpacked)
    needed = version_text(max(runtime_version(unpacked), _NEEDED))
    add_metadata(unpacked, RUNTIME_VERSION, needed.encode().ljust(16, b"\0"))
    return pack(unpacked)


def _handle(editor: GraphEditor, graph: Any, state: State) -> Any:
    """The operation that gives the variable of a state; both graphs know it by the name that it shares."""
    at = _append(graph, schema.TensorT(), shape=(), kind=schema.TensorType.RESOURCE)
    options = schema.VarHandleOptionsT()
    options.container, options.sharedName = "", state.input.removesuffix("_in")
    return editor.operation("VAR_HANDLE", [], at, options)


def _constant(editor: GraphEditor, graph: Any, values: np.ndarray, like: Any) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    editor.model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.quantization = like.quantization
    at = _append(graph, tensor, shape=values.shape, kind=like.type)
    tensor.buffer = len(editor.model.buffers) - 1
    return at


def _append(graph: Any, tensor: Any, *, shape: Sequence[int], kind: int) -> int:
    tensor.shape, tensor.type, tensor.buffer, tensor.name = np.array(shape, np.int32), kind, 0, ""
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _call_once(*, graph_index: int) -> Any:
    options = schema.CallOnceOptionsT()
    options.initSubgraphIndex = graph_index
    return options


def _empty_graph(name: str) -> Any:
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = name, [], [], [], []
    return graph


def _name_signatures(unpacked: Any) -> None:
    (main,) = unpacked.signatureDefs
    main.inputs, main.outputs = main.inputs[:1], main.outputs[:1]
    reset = schema.SignatureDefT()
    reset.signatureKey, reset.subgraphIndex, reset.inputs, reset.outputs = RESET, 1, [], []
    unpacked.signatureDefs.append(reset)
