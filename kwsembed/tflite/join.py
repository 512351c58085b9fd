"""Joining TensorFlow Lite models end to end, so that each part can be quantised or not on its own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.tflite.clients import RUNTIME_VERSION, runtime_version, version_text
from kwsembed.tflite.flatbuffer import add_metadata, pack, text, unpack

SIGNATURE = "serving_default"
_SCHEMA_VERSION = 3


def join(models: Sequence[bytes], *, input_name: str, output_name: str) -> bytes:
    """Joins models so that each takes the output of the one before; the result has a single subgraph.

    TensorFlow's converter quantises all of a graph or none of it, but the front end must stay float (its
    powers span ten decades) while the core must be int8. So the parts are converted one by one and their
    graphs put in a row here. What runtimes do not need is left behind: the converter's notes, and the names
    of inner tensors, which take half the bytes of an unrolled recurrent layer.

    Args:
        models: Flatbuffers with one subgraph each. The first output of a part goes into the first input of
            the next; shape and type must agree there. Further inputs and outputs are a stream's states,
            `NAME_in` and `NAME_out`, and stay those of the whole. One model alone is only stripped and named.
        input_name: Name of the input, as a tensor and in the signature `serving_default`.
        output_name: Name of the output.

    Returns:
        Flatbuffer with one subgraph and one signature, whose `min_runtime_version` is the highest of the
        parts.

    Raises:
        KwsembedError: A part has several graphs, or further inputs or outputs that are no states; or
            neighbours do not fit.

    Example:
        >>> whole = join([front_end, core], input_name="waveform", output_name="scores")  # doctest: +SKIP
    """
    parts = [unpack(model) for model in models]
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators = "main", [], []
    graph.inputs, graph.outputs = [], []
    joined = schema.ModelT()
    joined.version, joined.description = _SCHEMA_VERSION, "kwsembed"
    joined.subgraphs, joined.operatorCodes = [graph], []
    joined.buffers = [schema.BufferT()]  # the first buffer is that of tensors without constants
    for position, part in enumerate(parts):
        _append(joined, part, position)
    graph.tensors[graph.inputs[0]].name = input_name
    graph.tensors[graph.outputs[0]].name = output_name
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs = [_named_tensor(graph, at) for at in graph.inputs]
    signature.outputs = [_named_tensor(graph, at) for at in graph.outputs]
    joined.signatureDefs = [signature]
    needed = version_text(max(runtime_version(part) for part in parts))
    add_metadata(joined, RUNTIME_VERSION, needed.encode().ljust(16, b"\0"))
    return pack(joined)


def _append(joined: Any, part: Any, position: int) -> None:
    """Adds the graph of `part` behind the graph of `joined`, every index moved to where its target now is."""
    graph, addition = joined.subgraphs[0], _sole_subgraph(part, position)
    beside = {*addition.inputs[1:], *addition.outputs[1:]}
    tensor_at = {-1: -1}  # -1: an optional input left out
    if position:
        start = addition.inputs[0]
        _check_joint(graph.tensors[graph.outputs[0]], addition.tensors[start], position)
        tensor_at[start] = graph.outputs[0]
    buffer_at = [_added_buffer(joined, buffer) for buffer in part.buffers]
    for at, tensor in enumerate(addition.tensors):
        if at not in tensor_at:
            tensor_at[at] = len(graph.tensors)
            tensor.buffer, tensor.name = buffer_at[tensor.buffer], text(tensor.name) if at in beside else ""
            graph.tensors.append(tensor)
    code_at = [_added_code(joined, code) for code in part.operatorCodes]
    for operator in addition.operators:
        operator.opcodeIndex = code_at[operator.opcodeIndex]
        operator.inputs = [tensor_at[at] for at in operator.inputs]
        operator.outputs = [tensor_at[at] for at in operator.outputs]
        if operator.intermediates is not None:
            operator.intermediates = [tensor_at[at] for at in operator.intermediates]
        graph.operators.append(operator)
    inputs, outputs = ([tensor_at[at] for at in ends] for ends in (addition.inputs, addition.outputs))
    graph.inputs += inputs[1:] if position else inputs
    graph.outputs = [outputs[0], *graph.outputs[1:], *outputs[1:]]


def _added_buffer(joined: Any, buffer: Any) -> int:
    if buffer.data is None or len(buffer.data) == 0:
        return 0
    joined.buffers.append(buffer)
    return len(joined.buffers) - 1


def _added_code(joined: Any, code: Any) -> int:
    for at, known in enumerate(joined.operatorCodes):
        if vars(known) == vars(code):
            return at
    joined.operatorCodes.append(copy.copy(code))
    return len(joined.operatorCodes) - 1


def _sole_subgraph(model: Any, position: int) -> Any:
    graphs = model.subgraphs
    if (
        len(graphs) != 1
        or not len(graphs[0].inputs)
        or not len(graphs[0].outputs)
        or _states(graphs[0], "in") != _states(graphs[0], "out")
    ):
        raise KwsembedError(
            f"Part {position} of the model cannot be joined",
            expected="one subgraph with one input and one output, besides states named *_in and *_out",
            received=", ".join(
                f"subgraph of {len(g.inputs)} inputs, {len(g.outputs)} outputs" for g in graphs
            ),
        )
    return graphs[0]


def _states(graph: Any, end: str) -> list[str]:
    """Names without their end of what a part takes or gives besides its first input or output."""
    beside = (graph.inputs if end == "in" else graph.outputs)[1:]
    return sorted(text(graph.tensors[at].name).removesuffix(f"_{end}") for at in beside)


def _check_joint(end: Any, start: Any, position: int) -> None:
    if list(end.shape) != list(start.shape) or end.type != start.type:
        raise KwsembedError(
            f"Part {position} of the model does not fit the part before it",
            expected=f"shape={[int(n) for n in end.shape]}, type={end.type}",
            received=f"shape={[int(n) for n in start.shape]}, type={start.type}",
        )


def _named_tensor(graph: Any, index: int) -> Any:
    tensor = schema.TensorMapT()
    tensor.name, tensor.tensorIndex = graph.tensors[index].name, index
    return tensor
