"""The model that ESPHome's `micro_wake_word` runs: int8 features of a few frames in, a probability out."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.native_log import native_log_held_back
from kwsembed.tflite.clients import describe
from kwsembed.tflite.convert import convert_int8
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.esphome_states import with_states_inside
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.streaming import Streamed, streamed

OPERATIONS = (
    "ADD",
    "ASSIGN_VARIABLE",
    "AVERAGE_POOL_2D",
    "CALL_ONCE",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "LOGISTIC",
    "MAX_POOL_2D",
    "MEAN",
    "MUL",
    "PACK",
    "PAD",
    "QUANTIZE",
    "READ_VARIABLE",
    "RESHAPE",
    "SPLIT_V",
    "STRIDED_SLICE",
    "VAR_HANDLE",
)
"""All that the device's interpreter knows."""
MOST_VARIABLES = 20
_MOST_STRIDE = 3


@dataclass(frozen=True)
class EsphomeModel:
    """A model for `micro_wake_word`.

    Attributes:
        model: Flatbuffer: int8 `(1, stride, channels)` to uint8 `(1, 1)`, its states inside.
        windowed: The same network without states: int8 `(1, frames, 1, channels)` to uint8 `(1, 1)`.
        frames: Frames of a window.
        stride: Frames per call.
        variables: How many states it has.
        warm_up: Calls of a new stream whose outputs depend on what was before it.
    """

    model: bytes
    windowed: bytes
    frames: int
    stride: int
    variables: int
    warm_up: int


def esphome_model(
    network: keras.Model, *, representative: np.ndarray, input_range: tuple[float, float]
) -> EsphomeModel:
    """Quantises a network of windows and makes it judge a stream.

    Args:
        network: `(batch, frames, 1, channels)` to logits `(batch, 1)`, time mixed by unpadded convolutions
            and one mean, as in `temporal_cnn`.
        representative: `(examples, frames, channels)` float32, from which the int8 ranges are taken.
        input_range: Numbers that the lowest and the highest int8 input stand for.

    Raises:
        KwsembedError: ESPHome would refuse the result. A fault of the export, not of the user.
    """
    frames, channels = network.input_shape[1], network.input_shape[3]
    examples = np.array(representative, np.float32)[:, :, np.newaxis]
    examples[0, 0, 0, :2] = input_range  # one number of each end is enough for the whole range
    with native_log_held_back():
        windowed = convert_int8(
            lambda values: tf.sigmoid(network(values, training=False)),
            (1, frames, 1, channels),
            representative=examples,
            input_type=tf.int8,
            output_type=tf.uint8,
        )
    stream = streamed(windowed)
    model = _taking_frames(with_states_inside(stream), stream, channels)
    _check(model, stream, channels, input_range)
    return EsphomeModel(model, windowed, frames, stream.rows, len(stream.states), stream.warm_up)


def _taking_frames(model: bytes, stream: Streamed, channels: int) -> bytes:
    """Puts a RESHAPE before the model, since the device hands over `(1, stride, channels)`."""
    unpacked = unpack(model)
    editor = GraphEditor(unpacked, graph=0)
    inner = int(editor.graph.inputs[0])
    outer = editor.add_tensor_like(inner, (1, stream.rows, channels), name="features")
    shape = np.array((1, stream.rows, 1, channels), "<i4")
    wanted = editor.add_constant(shape, schema.TensorType.INT32)
    options = schema.ReshapeOptionsT()
    options.newShape = shape
    editor.graph.operators.insert(1, editor.operation("RESHAPE", [outer, wanted], inner, options))
    editor.graph.inputs = [outer]
    editor.graph.tensors[int(editor.graph.outputs[0])].name = b"probability"
    return pack(unpacked)


def _check(model: bytes, stream: Streamed, channels: int, input_range: tuple[float, float]) -> None:
    facts = describe(model)
    quantization = unpack(model).subgraphs[0].tensors[unpack(model).subgraphs[0].inputs[0]].quantization
    scale, zero_point = float(quantization.scale[0]), int(quantization.zeroPoint[0])
    unknown = sorted({operation.name for operation in facts.operations} - set(OPERATIONS))
    checks = [
        (not unknown, f"operations among {', '.join(OPERATIONS)}", ", ".join(unknown)),
        (len(stream.states) <= MOST_VARIABLES, f"at most {MOST_VARIABLES} variables", len(stream.states)),
        (1 <= stream.rows <= _MOST_STRIDE, f"1 to {_MOST_STRIDE} frames per call", stream.rows),
        (
            [(t.type, t.shape) for t in facts.inputs + facts.outputs]
            == [("INT8", (1, stream.rows, channels)), ("UINT8", (1, 1))],
            "an int8 input (1, stride, channels) and a uint8 output (1, 1)",
            facts.inputs + facts.outputs,
        ),
        (
            np.isclose(scale, (input_range[1] - input_range[0]) / 255, rtol=1e-4) and zero_point == -128,
            f"an input from {input_range[0]:g} to {input_range[1]:g}",
            f"scale={scale}, zero_point={zero_point}",
        ),
    ]
    for holds, expected, received in checks:
        if not holds:
            raise KwsembedError("ESPHome would refuse the model", expected=expected, received=received)
