"""What the benchmarks count and where they look; how fast anything is, no test says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf

from benchmarks.device_models import DS_CNN, Peers, multiply_adds, theirs, timed_model
from benchmarks.interleaved import interleaved, ratio
from kwsembed.tflite.convert import convert_float


def small_model() -> bytes:
    """A convolution of 3x3x2 to 4 channels on 6x5, then a dense layer of 120 to 7."""
    random = np.random.default_rng(0)
    kernel = tf.constant(random.normal(size=(3, 3, 2, 4)), tf.float32)
    weights = tf.constant(random.normal(size=(120, 7)), tf.float32)
    return convert_float(
        lambda x: tf.matmul(tf.reshape(tf.nn.conv2d(x, kernel, 1, "SAME"), (1, 120)), weights), (1, 6, 5, 2)
    )


def test_multiply_adds_are_those_of_the_convolutions_and_dense_layers() -> None:
    model = small_model()
    assert multiply_adds(model) == 6 * 5 * 4 * (3 * 3 * 2) + 120 * 7
    line = timed_model(model, model, audio_s=0.5, runtime=None, count=True)
    line.call()
    assert line.multiply_adds == 2 * multiply_adds(model)
    assert line.size_bytes == 2 * len(model)


def test_all_take_turns_and_a_ratio_is_taken_within_a_round() -> None:
    order: list[str] = []
    seconds = interleaved({name: (lambda n=name: order.append(n)) for name in "ab"}, rounds=3)
    assert "".join(order) == "aabb" + "ab" * 3  # each is tried first
    assert {name: values.shape for name, values in seconds.items()} == {"a": (3,), "b": (3,)}
    assert ratio({"a": np.array([1.0, 8.0, 3.0]), "b": np.array([1.0, 2.0, 1.0])}, "a", "b") == 3.0


def test_peers_are_found_in_folders_and_wheels_and_what_is_absent_is_named(tmp_path: Path) -> None:
    model = small_model()
    (tmp_path / "mlperf_tiny_kws_int8.tflite").write_bytes(model)
    with zipfile.ZipFile(tmp_path / "pymicro_wakeword-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pymicro_wakeword/models/alexa.tflite", model)
        wheel.writestr("pymicro_wakeword/models/not_alexa.tflite", b"other")
    found, absent = theirs(Peers([tmp_path]))
    assert {DS_CNN, "microWakeWord alexa, int8, without front end"} <= set(found)
    assert found[DS_CNN].multiply_adds == multiply_adds(model)
    assert "YAMNet, float" in absent
