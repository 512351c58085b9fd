"""States of a streaming model kept inside it, as resource variables, for clients that pass nothing along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.tflite.clients import RUNTIME_VERSION, runtime_version, version_text
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import add_metadata, pack, text, unpack
from kwsembed.tflite.history import State
from kwsembed.tflite.variable_operations import add_first_values, assign, call_once, handle, read

RESET = "reset"
"""Name of the signature that starts a new stream."""

_NEEDED = (2, 6, 0)  # the first runtime that knows resource variables and CALL_ONCE


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
    before, after = [call_once(editor)], []
    for state in states:
        variable = handle(editor, state)
        before += [variable, read(editor, variable, inputs[state.input])]
        after.append(assign(editor, variable, outputs[state.output]))
    graph.operators = [*before, *graph.operators, *after]
    graph.inputs, graph.outputs = graph.inputs[:1], graph.outputs[:1]
    quantised = {state.input: graph.tensors[inputs[state.input]] for state in states}
    add_first_values(unpacked, states, quantised, name=RESET)
    _name_signatures(unpacked)
    needed = version_text(max(runtime_version(unpacked), _NEEDED))
    add_metadata(unpacked, RUNTIME_VERSION, needed.encode().ljust(16, b"\0"))
    return pack(unpacked)


def _name_signatures(unpacked: Any) -> None:
    (main,) = unpacked.signatureDefs
    main.inputs, main.outputs = main.inputs[:1], main.outputs[:1]
    reset = schema.SignatureDefT()
    reset.signatureKey, reset.subgraphIndex, reset.inputs, reset.outputs = RESET, 1, [], []
    unpacked.signatureDefs.append(reset)
