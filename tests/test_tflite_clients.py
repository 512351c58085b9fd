"""A model that some runtime would refuse never leaves the export."""

from __future__ import annotations

import pytest
import tensorflow as tf

from kwsembed.errors import KwsembedError
from kwsembed.tflite import check_clients, describe
from kwsembed.tflite.clients import RUNTIME_VERSION, runtime_version
from kwsembed.tflite.convert import convert_float
from kwsembed.tflite.flatbuffer import add_metadata, pack, unpack


def probabilities(values: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax(values @ tf.ones((16, 3)))


@pytest.fixture(scope="module")
def model() -> bytes:
    return convert_float(probabilities, (1, 16))


def test_describes_interface_and_operations(model: bytes) -> None:
    facts = describe(model)
    assert facts.size_bytes == len(model)
    assert [(tensor.shape, tensor.type) for tensor in facts.inputs] == [((1, 16), "FLOAT32")]
    assert [operation.name for operation in facts.operations] == ["FULLY_CONNECTED", "SOFTMAX"]


def test_takes_a_plain_model(model: bytes) -> None:
    assert check_clients(model) == describe(model)


def test_refuses_what_needs_a_newer_runtime(model: bytes) -> None:
    unpacked = unpack(model)
    add_metadata(unpacked, RUNTIME_VERSION, b"2.17.0".ljust(16, b"\0"))
    with pytest.raises(KwsembedError, match=r"at most 2\.13\.0.*Received: 2\.17\.0") as caught:
        check_clients(pack(unpacked))
    assert caught.value.exit_code == 1


def test_reads_the_version_past_an_empty_entry(model: bytes) -> None:
    unpacked = unpack(model)
    add_metadata(unpacked, "another", b"")
    unpacked.metadata[-1].name = RUNTIME_VERSION
    assert runtime_version(unpacked) == runtime_version(unpack(model))


@pytest.mark.parametrize("shape", [(16, 16), (1, 2, 16)])
def test_refuses_another_interface(shape: tuple[int, ...]) -> None:
    with pytest.raises(KwsembedError, match=r"a float32 input \(1, samples\)"):
        check_clients(convert_float(probabilities, shape))


def test_refuses_operations_that_are_not_builtin() -> None:
    function = tf.function(lambda values: tf.signal.irfft(tf.cast(values, tf.complex64)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function(tf.TensorSpec((1, 9), tf.float32))], tf.Module()
    )
    converter.allow_custom_ops = True
    with pytest.raises(KwsembedError, match=r"builtin operations only.*CUSTOM"):
        check_clients(converter.convert())
