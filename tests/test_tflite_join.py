"""Joined models compute what their parts compute one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.runtime.interpreter import load_interpreter
from kwsembed.tflite import describe
from kwsembed.tflite.convert import convert_float, convert_int8
from kwsembed.tflite.join import join

RNG = np.random.default_rng(0)
EXAMPLES = RNG.normal(size=(32, 1, 12)).astype(np.float32)
FIRST = tf.constant(RNG.normal(size=(12, 8)), tf.float32)
SECOND = tf.constant(RNG.normal(size=(8, 3)), tf.float32)


@pytest.fixture(scope="module")
def parts() -> list[bytes]:
    """Float, int8, float: as the front end, the core and the head are."""
    hidden = np.maximum(EXAMPLES @ FIRST.numpy(), 0)[:, 0]
    return [
        convert_float(lambda values: tf.nn.relu(values @ FIRST), (1, 12)),
        convert_int8(lambda values: values @ SECOND, (1, 8), representative=hidden),
        convert_float(tf.nn.softmax, (1, 3)),
    ]


@pytest.fixture(scope="module")
def joined(parts: list[bytes]) -> bytes:
    return join(parts, input_name="waveform", output_name="scores")


def test_is_bit_for_bit_the_parts_in_a_row(parts: list[bytes], joined: bytes) -> None:
    interpreters = [load_interpreter(part) for part in parts]
    whole = load_interpreter(joined)
    for example in EXAMPLES:
        values = example[0]
        for interpreter in interpreters:
            values = interpreter.run(values)
        np.testing.assert_array_equal(whole.run(example[0]), values)


def test_has_one_graph_with_named_ends(joined: bytes) -> None:
    facts = describe(joined)
    assert facts.subgraphs == 1
    assert [(tensor.name, tensor.shape) for tensor in facts.inputs + facts.outputs] == [
        ("waveform", (1, 12)),
        ("scores", (1, 3)),
    ]


def test_keeps_each_part_as_it_was_quantised(joined: bytes) -> None:
    types = {operation.name: operation.output_type for operation in describe(joined).operations}
    assert types["QUANTIZE"] == "INT8"
    assert types["DEQUANTIZE"] == types["SOFTMAX"] == "FLOAT32"
    products = [o.output_type for o in describe(joined).operations if o.name == "FULLY_CONNECTED"]
    assert products == ["FLOAT32", "INT8"]


def test_the_signature_runs(joined: bytes) -> None:
    runner = tf.lite.Interpreter(model_content=joined).get_signature_runner("serving_default")
    scores = runner(waveform=EXAMPLES[0])["scores"]
    np.testing.assert_allclose(scores[0], load_interpreter(joined).run(EXAMPLES[0, 0]), rtol=1e-6)


def test_needs_the_newest_runtime_that_a_part_needs(parts: list[bytes], joined: bytes) -> None:
    needed = [tuple(map(int, describe(model).min_runtime_version.split("."))) for model in [*parts, joined]]
    assert needed[-1] == max(needed[:-1]) > (0, 0, 0)


def test_constants_are_aligned_for_vector_loads(joined: bytes) -> None:
    file = np.frombuffer(joined, np.uint8).copy()
    model = schema.ModelT.InitFromPackedBuf(file)
    offsets = [b.data.ctypes.data - file.ctypes.data for b in model.buffers if b.data is not None]
    assert len(offsets) > 4
    assert all(0 < offset < len(file) and offset % 16 == 0 for offset in offsets)


def test_joining_twice_gives_the_same_bytes(parts: list[bytes], joined: bytes) -> None:
    assert join(parts, input_name="waveform", output_name="scores") == joined


def test_parts_that_do_not_fit_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(KwsembedError, match=r"Part 1 .*Expected shape=\[1, 8\].*Received: shape=\[1, 3\]"):
        join([parts[0], parts[2]], input_name="waveform", output_name="scores")


def test_a_part_with_two_inputs_is_refused(parts: list[bytes]) -> None:
    function = tf.function(lambda a, b: a + b).get_concrete_function(
        tf.TensorSpec((1, 8), tf.float32), tf.TensorSpec((1, 8), tf.float32)
    )
    two = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()
    with pytest.raises(KwsembedError, match=r"one input and one output.*subgraph of 2 inputs"):
        join([parts[0], two], input_name="waveform", output_name="scores")
