"""A streamed network computes what the network computes on an endless recording, hop for hop."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf
import toy_export as toy

from kwsembed.bundle import Bundle
from kwsembed.errors import ConfigError
from kwsembed.export_targets.streaming import stream_bundle
from kwsembed.frontend import log_mel
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.runtime.streaming import StreamingClassifier
from kwsembed.tflite.convert import convert_float
from kwsembed.tflite.editing import GraphEditor, cut
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.parts import parts_of
from kwsembed.tflite.streaming import Streamed, streamed
from kwsembed.tflite.streaming_export import export_streaming

# Windows of this length and of a toy window meet the same zeros of padding "same" at their start.
LONG = toy.FRAMES + 16 * 20


def between(frames: int, last: type[keras.layers.Layer]) -> keras.Model:
    """Scaled features `(1, frames, mels, 1)` to what the first layer of a kind takes."""
    layers = toy.classifier(frames).layers
    first, end = (next(x for x in layers if isinstance(x, kind)) for kind in (keras.layers.Conv2D, last))
    return keras.Model(first.input, end.input)


def long_input() -> np.ndarray:
    return np.cumsum(np.random.default_rng(0).normal(0, 0.3, (1, LONG, 24, 1)), axis=1).astype(np.float32) / 2


def stream(network: Streamed, rows: np.ndarray, *, runtime: str | None = None) -> np.ndarray:
    """Outputs of all calls on `(1, rows, mels, 1)`."""
    return np.array(list(_calls(network, rows, runtime)))


def _calls(network: Streamed, rows: np.ndarray, runtime: str | None) -> Iterator[np.ndarray]:
    interpreter, _ = open_interpreter(network.model, runtime=runtime)
    inputs = {tensor["name"]: tensor for tensor in interpreter.get_input_details()}
    outputs = {tensor["name"]: tensor for tensor in interpreter.get_output_details()}
    states = {s.input: np.full(s.shape, s.start, inputs[s.input]["dtype"]) for s in network.states}
    (source,) = set(inputs) - set(states)
    (result,) = set(outputs) - {s.output for s in network.states}
    for first in range(0, rows.shape[1] - network.rows + 1, network.rows):
        interpreter.set_tensor(inputs[source]["index"], rows[:, first : first + network.rows])
        for name, value in states.items():
            interpreter.set_tensor(inputs[name]["index"], value)
        interpreter.invoke()
        states = {s.input: interpreter.get_tensor(outputs[s.output]["index"]) for s in network.states}
        yield interpreter.get_tensor(outputs[result]["index"])[0]


def windows_of_stream(network: Streamed) -> tuple[int, list[tuple[int, int]]]:
    """Where a stream begins so that its windows lie on the long input's positions; pairs (call, position)."""
    begin = -network.window_start % network.rows
    pairs = []
    for call in range((LONG - begin) // network.rows):
        start = begin + call * network.rows + network.window_start
        free_of_borders = start >= network.reach[0] and start + toy.FRAMES + network.reach[1] <= LONG
        if call >= network.warm_up and free_of_borders:
            pairs.append((call, start // network.rows))
    assert len(pairs) > 10
    return begin, pairs


def test_float_stream_is_keras_on_the_whole_recording() -> None:
    body = between(toy.FRAMES, keras.layers.UnitNormalization)
    network = streamed(convert_float(lambda x: body(x, training=False), (1, toy.FRAMES, 24, 1)))
    rows = long_input()
    whole = between(LONG, keras.layers.GlobalAveragePooling2D)
    positions = keras.ops.convert_to_numpy(whole(rows, training=False))[0, :, 0]
    dense = next(layer for layer in body.layers if isinstance(layer, keras.layers.Dense))
    begin, pairs = windows_of_stream(network)
    produced = stream(network, rows[:, begin:])
    for call, position in pairs:
        pooled = positions[position : position + network.positions].mean(axis=0)
        expected = pooled @ dense.kernel.numpy() + dense.bias.numpy()
        np.testing.assert_allclose(produced[call], expected, atol=2e-5)


def test_int8_stream_is_the_int8_network_on_the_whole_recording_to_the_bit() -> None:
    core = parts_of(toy.exported(), mels=24).core_and_head
    network = streamed(core)
    unpacked = unpack(core)
    editor = GraphEditor(unpacked)
    mean = next(operator for operator in editor.graph.operators if editor.name(operator) == "MEAN")
    ends = editor.graph.inputs[0], mean.inputs[0], editor.graph.outputs[0]
    before, after = (pack(cut(unpacked, start=a, stop=b)) for a, b in (ends[:2], ends[1:]))
    rows = long_input()
    # The windowed network's own operations, padding and all, on an input of another length.
    positions = run_resized(before, rows)
    begin, pairs = windows_of_stream(network)
    produced = stream(network, rows[:, begin:], runtime="tensorflow")
    for call, position in pairs:
        expected = run_resized(after, positions[:, position : position + network.positions])
        np.testing.assert_array_equal(produced[call], expected[0])
    assert (
        np.ptp(produced[network.warm_up :], axis=0).max() > 0.05
    )  # it says different things of different audio


def run_resized(model: bytes, values: np.ndarray) -> np.ndarray:
    interpreter = tf.lite.Interpreter(model_content=model)
    at = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(at, values.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(at, values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return toy.write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle")


@pytest.fixture(scope="module")
def from_waveform(bundle: Bundle) -> StreamingClassifier:
    return StreamingClassifier(stream_bundle(bundle, export_streaming(bundle)))


def scores(classifier: StreamingClassifier, *chunks: np.ndarray) -> np.ndarray:
    classifier.reset()
    return np.concatenate([classifier.process(chunk) for chunk in chunks])


def test_chunks_change_nothing(from_waveform: StreamingClassifier) -> None:
    samples = toy.waveform(3, seed=5)
    chunks = np.split(samples, [1, 700, 2559, 2560, 9000, 9001, 30000])
    np.testing.assert_array_equal(scores(from_waveform, *chunks), scores(from_waveform, samples))


def test_the_front_end_streams_too(bundle: Bundle, from_waveform: StreamingClassifier) -> None:
    samples = toy.waveform(3, seed=6)
    parts = parts_of(bundle.model, mels=24)
    overlap = np.zeros(240, np.float32)  # a stream begins with the part of a frame that no audio has filled
    rows = log_mel(np.concatenate([overlap, samples]), toy.FRONTEND) * parts.slope + parts.offset
    expected = stream(streamed(parts.core_and_head), rows[None, :, :, None])
    # One step of an int8 input may fall the other way where float32 rounds the features.
    np.testing.assert_allclose(scores(from_waveform, samples), expected, atol=0.02)


def test_after_the_warm_up_nothing_is_left_of_what_was_before(
    bundle: Bundle, from_waveform: StreamingClassifier
) -> None:
    timing = stream_bundle(bundle, export_streaming(bundle)).timing
    shared = toy.waveform(4, seed=7)
    before = toy.waveform(12 * timing.hop_s, seed=8)[: 12 * timing.hop_samples]
    fresh = scores(from_waveform, shared)
    later = scores(from_waveform, before, shared)[12:]
    warm = timing.warm_up_hops
    np.testing.assert_array_equal(fresh[warm:], later[warm:])
    assert np.abs(fresh[:warm] - later[:warm]).max() > 1e-3


def test_the_timing_says_which_samples_a_score_depends_on(
    bundle: Bundle, from_waveform: StreamingClassifier
) -> None:
    timing = stream_bundle(bundle, export_streaming(bundle)).timing
    call = timing.warm_up_hops + 3
    samples = toy.waveform((call + 1) * timing.hop_s, seed=9)
    start = call * timing.hop_samples + timing.first_window_start
    heard_from = start - timing.lead_samples
    assert start + timing.window_samples + timing.lag_samples == len(samples)
    unheard, heard = samples.copy(), samples.copy()
    unheard[:heard_from] = 0
    heard[:start] = 0  # nothing of the window, but of what lies before it
    expected = scores(from_waveform, samples)[call]
    np.testing.assert_array_equal(scores(from_waveform, unheard)[call], expected)
    assert np.any(scores(from_waveform, heard)[call] != expected)


def test_a_network_that_mixes_time_otherwise_is_refused() -> None:
    def pooled(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.max_pool2d(values, (3, 1), (1, 1), "SAME"), axis=[1, 2])

    with pytest.raises(ConfigError, match=r"cannot be run as a stream.*MAX_POOL_2D"):
        streamed(convert_float(pooled, (1, 20, 4, 1)))
