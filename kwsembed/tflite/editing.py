"""Editing the graph of a TensorFlow Lite model: cutting a piece out, adding tensors and operations."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.tflite.clients import operation_names
from kwsembed.tflite.flatbuffer import text

# What runtimes check to know whether they have the kernel: 2 is that for int8 of the operations added here.
_INT8_KERNEL = {
    "CONCATENATION": 2,
    "PAD": 2,
    "SLICE": 2,
    "STRIDED_SLICE": 2,
    "L2_NORMALIZATION": 2,
    "FULLY_CONNECTED": 4,
    "DEQUANTIZE": 2,
}


class GraphEditor:
    """One subgraph of an unpacked model (`schema.ModelT`), with tensors and operations by index.

    Args:
        model: As `kwsembed.tflite.flatbuffer.unpack` gives it; changed in place.
        graph: Which subgraph; the only one if None.
    """

    def __init__(self, model: Any, *, graph: int | None = None) -> None:
        if graph is None and len(model.subgraphs) != 1:
            raise KwsembedError(
                "The model cannot be edited", expected="one subgraph", received=f"{len(model.subgraphs)}"
            )
        self.model = model
        self.graph = model.subgraphs[graph or 0]
        self._names = operation_names(model)

    def name(self, operator: Any) -> str:
        """The operation's name in the schema, such as `CONV_2D`."""
        return self._names[operator.opcodeIndex]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(int(n) for n in self.graph.tensors[tensor].shape)

    def is_constant(self, tensor: int) -> bool:
        """Whether a tensor is stored in the model."""
        data = self.model.buffers[self.graph.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def constant(self, tensor: int) -> np.ndarray | None:
        """Content of an int32 constant, or None if the tensor is computed."""
        if not self.is_constant(tensor):
            return None
        return np.asarray(self.model.buffers[self.graph.tensors[tensor].buffer].data, np.uint8).view("<i4")

    def add_tensor_like(self, tensor: int, shape: Sequence[int], *, name: str = "") -> int:
        """Adds a computed tensor of the type and quantisation of another; returns its index."""
        model = self.graph.tensors[tensor]
        return self.add_tensor(shape, model.type, quantization=model.quantization, name=name)

    def add_tensor(self, shape: Sequence[int], kind: int, *, quantization: Any = None, name: str = "") -> int:
        """Adds a computed tensor of a `schema.TensorType`; returns its index."""
        added = schema.TensorT()
        added.shape, added.type, added.buffer, added.name = np.array(shape, np.int32), kind, 0, name
        added.quantization = copy.copy(quantization)
        self.graph.tensors.append(added)
        return len(self.graph.tensors) - 1

    def add_constant(self, values: np.ndarray, kind: int, *, quantization: Any = None) -> int:
        """Adds a constant, stored as the array is; returns its index."""
        index = self.add_tensor(values.shape, kind, quantization=quantization)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        self.graph.tensors[index].buffer = len(self.model.buffers) - 1
        return index

    def operation(self, name: str, inputs: Sequence[int], output: int, options: Any = None) -> Any:
        """Makes an operation that is not yet in the graph; its kernel is that of the output's type."""
        operator = schema.OperatorT()
        int8 = schema.TensorType.INT8 in {self.graph.tensors[at].type for at in (*inputs[:1], output)}
        operator.opcodeIndex = self._code(name, _INT8_KERNEL.get(name, 1) if int8 else 1)
        operator.inputs, operator.outputs = list(inputs), [output]
        if options is not None:
            operator.builtinOptions = options
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        return operator

    def slice(self, source: int, begin: Sequence[int], output: int) -> Any:
        """Makes the operation that cuts what has the shape of `output` out of `source`, from `begin` on."""
        limits = [
            self.add_constant(np.array(values, np.int32), schema.TensorType.INT32)
            for values in (begin, self.shape(output))
        ]
        return self.operation("SLICE", [source, *limits], output, schema.SliceOptionsT())

    def require_version(self, operator: Any, version: int) -> None:
        """Raises the version of an operation's kernel to at least this one."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        operator.opcodeIndex = self._code(self.name(operator), max(code.version, version))

    def _code(self, name: str, version: int) -> int:
        for at, code in enumerate(self.model.operatorCodes):
            if self._names[at] == name and code.version == version:
                return at
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        self._names.append(name)
        return len(self.model.operatorCodes) - 1


def cut(model: Any, *, start: int, stop: int) -> Any:
    """The operations between two tensors as a model of their own, with the same constants.

    Args:
        model: Unpacked model with one subgraph, operations in order of execution; not changed.
        start: Index of the tensor that becomes the input.
        stop: Index of the tensor that becomes the output.

    Returns:
        Unpacked model.

    Raises:
        KwsembedError: Something between the two depends on more than `start` and constants.
    """
    piece = copy.deepcopy(model)
    graph = piece.subgraphs[0]
    needed, kept = {stop}, []
    for operator in reversed(graph.operators):
        if start not in operator.outputs and needed & set(operator.outputs):
            kept.append(operator)
            needed |= {at for at in operator.inputs if at >= 0}
    made = {at for operator in kept for at in operator.outputs} | {start}
    editor = GraphEditor(piece)
    open_ends = [
        text(graph.tensors[at].name) or at for at in sorted(needed - made) if not editor.is_constant(at)
    ]
    if open_ends or stop not in made:
        raise KwsembedError("The model cannot be cut there", received=f"also needed: {open_ends}")
    used = sorted(needed | {start})
    position = {old: new for new, old in enumerate(used)} | {-1: -1}
    graph.operators = kept[::-1]
    for operator in graph.operators:
        operator.inputs = [position[at] for at in operator.inputs]
        operator.outputs = [position[at] for at in operator.outputs]
        operator.intermediates = None
    graph.tensors = [graph.tensors[at] for at in used]
    graph.inputs, graph.outputs = [position[start]], [position[stop]]
    piece.signatureDefs = None
    _drop_unused_buffers(piece)
    return piece


def _drop_unused_buffers(model: Any) -> None:
    """Keeps the buffers of tensors and metadata; the first stays empty, for what is computed."""
    users = [*model.subgraphs[0].tensors, *(model.metadata or [])]
    kept = [0, *sorted({user.buffer for user in users} - {0})]
    position = {old: new for new, old in enumerate(kept)}
    model.buffers = [model.buffers[at] for at in kept]
    for user in users:
        user.buffer = position[user.buffer]
