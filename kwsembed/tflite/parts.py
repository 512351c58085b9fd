"""A bundle's model taken apart again: input scaling, int8 core, float head.

Deploy targets are made from these parts, so that they run the very weights and ranges that were judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsembed.errors import BundleError
from kwsembed.tflite.editing import GraphEditor, cut
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.folded_bands import unfold_bands


@dataclass(frozen=True)
class ModelParts:
    """What `export_model` joined.

    Attributes:
        slope: `(mels,)` float32; scaled features are `slope * log_mel + offset`.
        offset: `(mels,)` float32.
        core: Flatbuffer, int8 features `(1, frames, mels, 1)` to int8 embedding `(1, dimensions)`; its first
            convolution as it was trained, not folded (see `folded_bands`).
        core_and_head: Flatbuffer, scaled features in float32 to probabilities `(1, labels)` float32, int8 in
            between.
        head_weights: `(labels, dimensions)` float32, of the embedding at unit norm.
        head_bias: `(labels,)` float32.
        input_scale: Number that one step of the core's input stands for.
        input_zero_point: Input of the core that stands for 0.
        frames: Frames of a window.
    """

    slope: np.ndarray
    offset: np.ndarray
    core: bytes
    core_and_head: bytes
    head_weights: np.ndarray
    head_bias: np.ndarray
    input_scale: float
    input_zero_point: int
    frames: int


def parts_of(model: bytes, *, mels: int) -> ModelParts:
    """Takes a model of `export_model` apart.

    Args:
        model: Flatbuffer, waveform to probabilities.
        mels: Mel bands of its front end.

    Raises:
        BundleError: The model is not built as `export_model` builds it.
    """
    unpacked = unpack(model)
    unfold_bands(unpacked)
    editor = GraphEditor(unpacked)
    operators = editor.graph.operators
    names = [editor.name(operator) for operator in operators]
    if not {"LOG", "QUANTIZE", "DEQUANTIZE"} <= set(names) or names[-3:] != [
        "L2_NORMALIZATION",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]:
        raise BundleError(
            "the bundle's model cannot be taken apart",
            expected="a model that kwsembed exported: LOG, QUANTIZE .. DEQUANTIZE, L2_NORMALIZATION, "
            "FULLY_CONNECTED, SOFTMAX",
            received=", ".join(dict.fromkeys(names)),
        )
    log, quantize, dequantize = names.index("LOG"), names.index("QUANTIZE"), names.index("DEQUANTIZE")
    slope, offset = np.ones(mels), np.zeros(mels)
    for operator in operators[log + 1 : quantize]:
        slope, offset = _scaled(editor, operator, slope, offset)
    dense = operators[-2]
    features, embedding = int(operators[quantize].outputs[0]), int(operators[dequantize].inputs[0])
    quantization = editor.graph.tensors[features].quantization
    start, stop = int(operators[quantize].inputs[0]), int(editor.graph.outputs[0])
    return ModelParts(
        slope=slope.astype(np.float32),
        offset=offset.astype(np.float32),
        core=pack(cut(unpacked, start=features, stop=embedding)),
        core_and_head=pack(cut(unpacked, start=start, stop=stop)),
        head_weights=_floats(editor, int(dense.inputs[1])),
        head_bias=_bias(editor, dense),
        input_scale=float(quantization.scale[0]),
        input_zero_point=int(quantization.zeroPoint[0]),
        frames=editor.shape(features)[1],
    )


def log_mel_tensor(model: bytes) -> int:
    """Index of the tensor that holds log-mel in a model of `export_model`.

    Raises:
        BundleError: There is not exactly one LOG in the model.
    """
    editor = GraphEditor(unpack(model))
    found = [int(op.outputs[0]) for op in editor.graph.operators if editor.name(op) == "LOG"]
    if len(found) != 1:
        raise BundleError(
            "the model's log-mel is not found", expected="one LOG operation", received=f"{len(found)}"
        )
    return found[0]


def _scaled(
    editor: GraphEditor, operator: Any, slope: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What one operation of the input scaling makes of `slope * log_mel + offset`."""
    name = editor.name(operator)
    if name == "RESHAPE":
        return slope, offset
    if name in ("MUL", "ADD", "SUB") and editor.is_constant(int(operator.inputs[1])):
        number = _floats(editor, int(operator.inputs[1])).ravel()
        if number.size in (1, len(slope)):
            if name == "MUL":
                return slope * number, offset * number
            return slope, offset + number if name == "ADD" else offset - number
    raise BundleError(
        "the bundle's input scaling is not understood",
        expected="a factor and an addend per mel band",
        received=name,
    )


def _floats(editor: GraphEditor, tensor: int) -> np.ndarray:
    data = editor.model.buffers[editor.graph.tensors[tensor].buffer].data
    return np.asarray(data, np.uint8).view("<f4").reshape(editor.shape(tensor)).copy()


def _bias(editor: GraphEditor, dense: Any) -> np.ndarray:
    """The converter leaves out a bias of zeros."""
    tensor = int(dense.inputs[2]) if len(dense.inputs) > 2 else -1
    labels = editor.shape(int(dense.inputs[1]))[0]
    return np.zeros(labels, np.float32) if tensor < 0 else _floats(editor, tensor)
