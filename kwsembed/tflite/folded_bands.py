"""A first convolution with a stride over bands, written so that kernels with wide loads run it faster.

Its input has one channel, and the int8 kernels of XNNPACK (in LiteRT, MediaPipe) load eight channels at a
time: seven of them would be padding. But `stride` bands that lie side by side can be read as the channels of
one: a reshape that moves nothing. The kernel then is one of stride 1 over fewer bands and more channels,
filled up with zeros. Every sum has the same products as before, so int8 outputs are the same to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.tflite.editing import GraphEditor


def fold_bands(unpacked: Any) -> bool:
    """Folds the first convolution's bands into channels, if it is an int8 one that this pays for.

    Args:
        unpacked: `schema.ModelT` with one subgraph; changed in place.

    Returns:
        Whether there was something to fold.
    """
    editor = GraphEditor(unpacked)
    graph = editor.graph
    found = _first_convolution(editor)
    if found is None:
        return False
    convolution, options = graph.operators[found], graph.operators[found].builtinOptions
    source, weights = int(convolution.inputs[0]), int(convolution.inputs[1])
    rows, bands, channels = editor.shape(source)[1:]
    outputs, height, width, _ = editor.shape(weights)
    stride = options.strideW
    folded_width = -(-width // stride)
    if (
        channels != 1
        or stride == 1
        or bands % stride
        or graph.tensors[weights].type != schema.TensorType.INT8
        or options.padding != schema.Padding.SAME
        or options.dilationWFactor != 1
        # Padding "same" must be zeros on the right only: on the left it would move what is folded.
        or width - stride > 1
    ):
        return False
    kernel = np.zeros((outputs, height, folded_width * stride), np.int8)
    kernel[:, :, :width] = _int8(editor, weights).reshape(outputs, height, width)
    _set(editor, weights, kernel.reshape(outputs, height, folded_width, stride))
    shape = (1, rows, bands // stride, stride)
    folded = editor.add_tensor_like(source, shape)
    target = editor.add_constant(np.array(shape, np.int32), schema.TensorType.INT32)
    reshape = editor.operation("RESHAPE", [source, target], folded, schema.ReshapeOptionsT())
    convolution.inputs[0], options.strideW = folded, 1
    graph.operators = [*graph.operators[:found], reshape, *graph.operators[found:]]
    return True


def unfold_bands(unpacked: Any) -> bool:
    """Undoes `fold_bands`: for targets that edit the convolution, or whose kernels gain nothing.

    Args:
        unpacked: `schema.ModelT` with one subgraph; changed in place.

    Returns:
        Whether there was something to undo.
    """
    editor = GraphEditor(unpacked)
    graph = editor.graph
    found = _first_convolution(editor)
    if not found:
        return False
    before = graph.operators[found - 1]
    if editor.name(before) != "RESHAPE":
        return False
    convolution = graph.operators[found]
    source, weights = int(before.inputs[0]), int(convolution.inputs[1])
    outputs, height, folded_width, stride = editor.shape(weights)
    if int(before.outputs[0]) != int(convolution.inputs[0]) or editor.shape(source)[3] != 1:
        return False
    kernel = _int8(editor, weights).reshape(outputs, height, folded_width * stride)
    width = int(np.flatnonzero(kernel.any(axis=(0, 1))).max(initial=0)) + 1
    _set(editor, weights, kernel[:, :, :width, np.newaxis])
    convolution.inputs[0], convolution.builtinOptions.strideW = source, stride
    graph.operators = [*graph.operators[: found - 1], *graph.operators[found:]]
    return True


def _first_convolution(editor: GraphEditor) -> int | None:
    names = [editor.name(operator) for operator in editor.graph.operators]
    return names.index("CONV_2D") if "CONV_2D" in names else None


def _int8(editor: GraphEditor, tensor: int) -> np.ndarray:
    data = editor.model.buffers[editor.graph.tensors[tensor].buffer].data
    return np.asarray(data, np.uint8).view(np.int8)


def _set(editor: GraphEditor, tensor: int, values: np.ndarray) -> None:
    held = editor.graph.tensors[tensor]
    held.shape, held.shapeSignature = np.array(values.shape, np.int32), None
    editor.model.buffers[held.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
