"""From a trained core to the model that devices run: waveform in, probabilities out, int8 in between."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kwsembed.errors import KwsembedError
from kwsembed.frontend import FrontendConfig
from kwsembed.native_log import native_log_held_back
from kwsembed.tflite.clients import check_clients
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.folded_bands import fold_bands
from kwsembed.tflite.frontend_graph import log_mel_graph
from kwsembed.tflite.join import join
from kwsembed.tflite.metadata import write_metadata

# Layers at the start of a core that only rescale its input: exact in float, lossy in int8, and cheap.
_INPUT_SCALING = (
    keras.layers.InputLayer,
    keras.layers.Reshape,
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
    keras.layers.Rescaling,
)

Graph = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class ExportedModel:
    """The exported model in both precisions, and its quantised part alone.

    Attributes:
        int8: What ships: float front end, int8 core, float head; with metadata and labels.
        float32: The same model, not quantised: the yardstick for what quantisation costs.
        core_int8: The quantised part of `int8` alone, with float input and output.
        min_runtime_version: Oldest TensorFlow Lite runtime that runs `int8`.
    """

    int8: bytes
    float32: bytes
    core_int8: bytes
    min_runtime_version: str


def export_model(
    core: keras.Model,
    *,
    frontend: FrontendConfig,
    window_samples: int,
    labels: Sequence[str],
    representative_log_mel: np.ndarray,
    name: str = "kwsembed",
    description: str = "",
) -> ExportedModel:
    """Converts a trained core to TensorFlow Lite.

    The model is made of three parts, converted one by one and joined: front end and input scaling in float,
    the body up to the embedding in int8, and in float what follows the embedding (its normalisation, the
    head, the softmax). In int8 the head would leave a score only a handful of values, too few to choose a
    threshold from.

    Args:
        core: Functional Keras model from log-mel `(batch, frames, mels)` to logits `(batch, labels)`, with
            one `UnitNormalization` that makes the embedding; the layers after it follow one another in a row.
        frontend: Definition of the features.
        window_samples: Samples in the waveform that the model takes.
        labels: Label of each logit, in order.
        representative_log_mel: `(windows, frames, mels)` float32, typical of what the device will hear,
            events and background alike: the ranges of the int8 values are taken from it. 100 to 500 windows
            are enough.
        name: Name of the model in its metadata.
        description: Sentence about the model in its metadata.

    Returns:
        The models, checked against what the clients accept.

    Raises:
        KwsembedError: The core is not built as above, or a client would refuse the result.

    Example:
        >>> exported = export_model(  # doctest: +SKIP
        ...     core, frontend=FrontendConfig(), window_samples=16000, labels=["dog", "other"],
        ...     representative_log_mel=windows)
        >>> Path("model.tflite").write_bytes(exported.int8)  # doctest: +SKIP
    """
    with native_log_held_back():
        scaling, body, head = _split(_unrolled(core))
        log_mel = log_mel_graph(frontend, window_samples)
        scaled = scaling.predict(representative_log_mel, batch_size=32, verbose=0)
        body_input, embedding = (1, *scaling.output.shape[1:]), (1, *body.output.shape[1:])

        front = convert_float(
            lambda waveform: scaling(log_mel(waveform), training=False), (1, window_samples)
        )
        back = convert_float(lambda values: tf.nn.softmax(head(values)), embedding)
        body_float = convert_float(lambda values: body(values, training=False), body_input)
        body_int8 = convert_int8(
            lambda values: body(values, training=False), body_input, representative=scaled
        )

        unpacked = unpack(body_int8)
        if fold_bands(unpacked):
            body_int8 = pack(unpacked)

    def whole(middle: bytes) -> bytes:
        joined = join([front, middle, back], input_name="waveform", output_name="scores")
        return write_metadata(
            joined, name=name, description=description, sample_rate_hz=frontend.sample_rate_hz, labels=labels
        )

    int8, float32 = whole(body_int8), whole(body_float)
    facts = check_clients(int8)
    if facts.outputs[0].shape[1] != len(labels):
        raise KwsembedError(
            "The model and its labels do not match",
            expected=f"{facts.outputs[0].shape[1]} labels, one per logit",
            received=f"labels={list(labels)}",
        )
    core_int8 = join([body_int8], input_name="log_mel", output_name="embedding")
    return ExportedModel(int8, float32, core_int8, facts.min_runtime_version)


def convert_float(graph: Graph, input_shape: Sequence[int]) -> bytes:
    """Converts a function of one float32 tensor of fixed shape, unquantised."""
    return bytes(_converter(graph, input_shape).convert())


def convert_int8(
    graph: Graph,
    input_shape: Sequence[int],
    *,
    representative: np.ndarray,
    input_type: tf.DType = tf.float32,
    output_type: tf.DType = tf.float32,
) -> bytes:
    """Converts a function of one float32 tensor of fixed shape, quantised inside.

    Args:
        graph: The function.
        input_shape: Its input's shape; the first axis is 1.
        representative: `(examples, ...)` float32 inputs from which the ranges are taken.
        input_type: Type of the model's input; int8 in the range of `representative`, or float.
        output_type: Type of the model's output.
    """
    converter = _converter(graph, input_shape)
    converter.inference_input_type, converter.inference_output_type = input_type, output_type
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([example[np.newaxis]] for example in representative)
    # Scales per channel in dense layers need FULLY_CONNECTED version 12, which older runtimes lack.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    with warnings.catch_warnings():
        # It misses ranges for integer inputs; the inputs are float.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
        return bytes(converter.convert())


def _converter(graph: Graph, input_shape: Sequence[int]) -> tf.lite.TFLiteConverter:
    # Not from_keras_model: with Keras 3 in TensorFlow 2.16 it ends the process.
    function = tf.function(graph, input_signature=[tf.TensorSpec(input_shape, tf.float32)], autograph=False)
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())


def _unrolled(core: keras.Model) -> keras.Model:
    """The same core with its recurrent layers written out step by step.

    As loops the int8 converter ends the process on them; as the fused operation they would carry their state
    from one call to the next, which no client resets.
    """
    recurrent = (keras.layers.LSTM, keras.layers.GRU)
    if not any(isinstance(layer, recurrent) for layer in core.layers):
        return core

    def rebuild(layer: keras.Layer) -> keras.Layer:
        unroll = {"unroll": True} if isinstance(layer, recurrent) else {}
        return type(layer).from_config(layer.get_config() | unroll)

    clone = keras.models.clone_model(core, clone_function=rebuild)
    clone.set_weights(core.get_weights())
    return clone


def _split(core: keras.Model) -> tuple[keras.Model, keras.Model, Graph]:
    """Input scaling, body up to the embedding before its normalisation, and everything from there on."""
    norms = [at for at, layer in enumerate(core.layers) if isinstance(layer, keras.layers.UnitNormalization)]
    if len(norms) != 1:
        raise KwsembedError(
            "The core cannot be exported",
            expected="exactly one UnitNormalization layer, which makes the embedding",
            received=f"layers={[type(layer).__name__ for layer in core.layers]}",
        )
    first = next(at for at, layer in enumerate(core.layers) if not isinstance(layer, _INPUT_SCALING))
    values, embedding = core.layers[first].input, core.layers[norms[0]].input
    tail = core.layers[norms[0] + 1 :]

    def head(values: tf.Tensor) -> tf.Tensor:
        # Keras's own formula becomes five operations, one of which old runtimes lack; this one becomes one.
        values = tf.math.l2_normalize(values, axis=-1)
        for layer in tail:
            values = layer(values, training=False) if layer._call_has_training_arg else layer(values)
        return values

    return keras.Model(core.input, values), keras.Model(values, embedding), head
