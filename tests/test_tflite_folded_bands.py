"""Bands folded into channels: the same int8 numbers, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf
import toy_export as toy

from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.tflite.convert import convert_int8
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.folded_bands import fold_bands, unfold_bands
from kwsembed.tflite.parts import parts_of


def first_convolution(unpacked: Any) -> tuple[GraphEditor, Any]:
    editor = GraphEditor(unpacked)
    return editor, next(o for o in editor.graph.operators if editor.name(o) == "CONV_2D")


def outputs(model: bytes, inputs: np.ndarray) -> np.ndarray:
    interpreter, _ = open_interpreter(model)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    given = []
    for values in inputs:
        interpreter.set_tensor(source["index"], values[None].astype(source["dtype"]))
        interpreter.invoke()
        given.append(interpreter.get_tensor(result["index"])[0])
    return np.array(given)


def test_what_ships_is_folded_and_deploy_targets_start_from_what_was_trained() -> None:
    editor, shipped = first_convolution(unpack(toy.exported()))
    assert editor.shape(int(shipped.inputs[0])) == (1, toy.FRAMES, 6, 4)
    editor, trained = first_convolution(unpack(parts_of(toy.exported(), mels=24).core))
    assert editor.shape(int(trained.inputs[0])) == (1, toy.FRAMES, 24, 1)
    assert editor.shape(int(trained.inputs[1]))[1:] == (7, 5, 1)


def test_folding_changes_no_bit_and_can_be_undone() -> None:
    core = parts_of(toy.exported(), mels=24).core
    unpacked = unpack(core)
    assert fold_bands(unpacked)
    folded = pack(unpacked)
    inputs = np.random.default_rng(0).integers(-128, 128, (8, toy.FRAMES, 24, 1))
    expected = outputs(core, inputs)
    assert np.ptp(expected, axis=0).max() > 0
    np.testing.assert_array_equal(outputs(folded, inputs), expected)
    again = unpack(folded)
    assert unfold_bands(again)
    kernels = []
    for model in (unpack(core), again):
        editor, convolution = first_convolution(model)
        kernels.append(model.buffers[editor.graph.tensors[convolution.inputs[1]].buffer].data)
    np.testing.assert_array_equal(*kernels)
    np.testing.assert_array_equal(outputs(pack(again), inputs), expected)


@pytest.mark.parametrize(
    ("kernel_bands", "stride", "bands"),
    [(6, 4, 24), (3, 1, 24), (5, 4, 22)],
    ids=["zeros on the left", "no stride", "bands left over"],
)
def test_other_convolutions_stay_as_they_are(kernel_bands: int, stride: int, bands: int) -> None:
    random = np.random.default_rng(0)
    kernel = tf.constant(random.normal(size=(3, kernel_bands, 1, 4)), tf.float32)
    model = convert_int8(
        lambda values: tf.nn.conv2d(values, kernel, (1, 2, stride, 1), "SAME"),
        (1, 8, bands, 1),
        representative=random.normal(size=(4, 8, bands, 1)).astype(np.float32),
    )
    unpacked = unpack(model)
    assert not fold_bands(unpacked)
    assert not unfold_bands(unpacked)
