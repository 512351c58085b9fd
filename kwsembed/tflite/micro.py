"""The model for microcontrollers: int8 features in, int8 logits out, only operations that they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.join import join
from kwsembed.tflite.parts import ModelParts

# Fixed by the kernels of L2_NORMALIZATION in int8: components of a unit vector, in steps of 1/128.
_UNIT_SCALE = 1 / 128
_WEIGHT_STEPS = 127


@dataclass(frozen=True)
class MicroModel:
    """A model for TensorFlow Lite Micro.

    Attributes:
        model: Flatbuffer: int8 features `(1, frames, mels, 1)` to int8 logits `(1, labels)`.
        feature_scale: One step of the input, in scaled log-mel.
        feature_zero_point: Input that stands for 0.
        logit_scale: One step of the output.
        logit_zero_point: Output that stands for a logit of 0.
    """

    model: bytes
    feature_scale: float
    feature_zero_point: int
    logit_scale: float
    logit_zero_point: int


def micro_model(parts: ModelParts, *, int8_head: bool = False) -> MicroModel:
    """Puts a head behind the int8 core that ends in int8 logits.

    Logits and not probabilities: in steps of 1/256 a probability cannot tell 0.998 from 0.9996, and
    thresholds lie there. The embedding's normalisation stays: it depends on the window, so no weights can
    take it in, and without it all logits would grow with the length of the embedding, and scores with them.

    Args:
        parts: Of the bundle's model.
        int8_head: Normalise and multiply in int8 too; for cores without floating point, and less exact.

    Returns:
        The model. The range of its logits needs no data: a unit vector's product with weights `w` is at most
        the norm of `w`.
    """
    largest = np.max(np.linalg.norm(parts.head_weights, axis=1) + np.abs(parts.head_bias))
    logit_scale = float(largest) / 127
    editor = GraphEditor(unpack(parts.core))
    embedding = int(editor.graph.outputs[0])
    labels, dimensions = parts.head_weights.shape
    logits = editor.add_tensor(
        (1, labels), schema.TensorType.INT8, quantization=_quantization([logit_scale], [0])
    )
    head = _int8_head if int8_head else _float_head
    editor.graph.operators = [*editor.graph.operators, *head(editor, parts, embedding, logits, dimensions)]
    editor.graph.outputs = [logits]
    return MicroModel(
        model=join([pack(editor.model)], input_name="features", output_name="logits"),
        feature_scale=parts.input_scale,
        feature_zero_point=parts.input_zero_point,
        logit_scale=logit_scale,
        logit_zero_point=0,
    )


def _float_head(
    editor: GraphEditor, parts: ModelParts, embedding: int, logits: int, dimensions: int
) -> list[Any]:
    kind = schema.TensorType.FLOAT32
    values, unit = (editor.add_tensor((1, dimensions), kind) for _ in range(2))
    products = editor.add_tensor((1, len(parts.head_bias)), kind)
    weights, bias = (
        editor.add_constant(array.astype("<f4"), kind) for array in (parts.head_weights, parts.head_bias)
    )
    return [
        editor.operation("DEQUANTIZE", [embedding], values, schema.DequantizeOptionsT()),
        editor.operation("L2_NORMALIZATION", [values], unit, schema.L2NormOptionsT()),
        editor.operation("FULLY_CONNECTED", [unit, weights, bias], products, schema.FullyConnectedOptionsT()),
        editor.operation("QUANTIZE", [products], logits, schema.QuantizeOptionsT()),
    ]


def _int8_head(
    editor: GraphEditor, parts: ModelParts, embedding: int, logits: int, dimensions: int
) -> list[Any]:
    int8 = schema.TensorType.INT8
    weight_scale = float(np.abs(parts.head_weights).max()) / _WEIGHT_STEPS
    unit = editor.add_tensor((1, dimensions), int8, quantization=_quantization([_UNIT_SCALE], [0]))
    weights = editor.add_constant(
        np.rint(parts.head_weights / weight_scale).astype(np.int8),
        int8,
        quantization=_quantization([weight_scale], [0]),
    )
    bias_scale = weight_scale * _UNIT_SCALE
    bias = editor.add_constant(
        np.rint(parts.head_bias / bias_scale).astype("<i4"),
        schema.TensorType.INT32,
        quantization=_quantization([bias_scale], [0]),
    )
    return [
        editor.operation("L2_NORMALIZATION", [embedding], unit, schema.L2NormOptionsT()),
        editor.operation("FULLY_CONNECTED", [unit, weights, bias], logits, schema.FullyConnectedOptionsT()),
    ]


def _quantization(scales: list[float], zero_points: list[int]) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.array(scales, np.float32)
    quantization.zeroPoint = np.array(zero_points, np.int64)
    quantization.quantizedDimension = 0
    return quantization
