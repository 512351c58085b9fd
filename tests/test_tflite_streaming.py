"""A streamed network computes what the network computes on an endless recording, hop for hop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf
import toy_export as toy

from kwsembed.audio import decode
from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.errors import ConfigError, KwsembedError
from kwsembed.export_targets.streaming import stream_bundle
from kwsembed.frontend import log_mel
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.runtime.streaming import StreamingClassifier
from kwsembed.tflite import describe
from kwsembed.tflite.convert import convert_float
from kwsembed.tflite.editing import GraphEditor, cut
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.folded_bands import fold_bands
from kwsembed.tflite.parts import parts_of
from kwsembed.tflite.state_variables import with_variables
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


@pytest.mark.parametrize("folded", [False, True], ids=["as trained", "bands folded"])
def test_int8_stream_is_the_int8_network_on_the_whole_recording_to_the_bit(folded: bool) -> None:
    core = parts_of(toy.exported(), mels=24).core_and_head
    ships = unpack(core)
    assert fold_bands(ships)
    network = streamed(pack(ships) if folded else core)
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


@pytest.mark.parametrize("rows", [1, 3, 4, 8, 24, 32, 56])
def test_any_hop_gives_the_numbers_of_the_longest_at_every_window_that_it_judges(rows: int) -> None:
    core = parts_of(toy.exported(), mels=24).core_and_head
    by_strides, by_hop = streamed(core), streamed(core, rows=rows)
    assert (by_strides.rows, by_hop.rows) == (16, rows)
    audio = long_input()[:, :256]
    expected: dict[int, np.ndarray] = {}
    for first in range(16):  # begun at every frame once, the long hop judges every window
        for call, output in enumerate(stream(by_strides, audio[:, first:], runtime="tensorflow")):
            if call >= by_strides.warm_up:
                expected[first + call * 16 + by_strides.window_start] = output
    shared = 0
    for call, output in enumerate(stream(by_hop, audio, runtime="tensorflow")):
        start = call * rows + by_hop.window_start
        if call >= by_hop.warm_up and start in expected:
            np.testing.assert_array_equal(output, expected[start])
            shared += 1
    assert shared > 80 // rows


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
    chunks = np.split(samples, [1, 700, 2559, 2560, 5120, 9000, 9001, 30000])  # one is exactly a hop
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


def test_a_short_hop_from_the_waveform_on(bundle: Bundle, from_waveform: StreamingClassifier) -> None:
    exported = export_streaming(bundle, hop_ms=30)
    short = StreamingClassifier(stream_bundle(bundle, exported))
    assert exported.hop_samples == 480
    timing = stream_bundle(bundle, export_streaming(bundle)).timing
    samples = toy.waveform(4, seed=10)
    expected = {
        call * timing.hop_samples + timing.first_window_start: row
        for call, row in enumerate(scores(from_waveform, samples))
        if call >= timing.warm_up_hops
    }
    found = {
        call * 480 + exported.first_window_start: row
        for call, row in enumerate(scores(short, samples))
        if call >= exported.warm_up_hops
    }
    shared = sorted(expected.keys() & found.keys())
    assert len(shared) >= 4
    for start in shared:
        # One step of an int8 input may fall the other way where float32 rounds the features.
        np.testing.assert_allclose(found[start], expected[start], atol=0.02)


def test_streamed_is_offline_on_every_frame_of_real_recordings(bundle: Bundle) -> None:
    shared = Path(os.environ.get("KWSEMBED_SHARED", Path(__file__).parents[2] / "shared")) / "data" / "rare"
    if not shared.is_dir():
        pytest.skip("the project's shared recordings are not here")
    parts = parts_of(bundle.model, mels=24)
    core = unpack(parts.core_and_head)
    editor = GraphEditor(core)
    mean = next(operator for operator in editor.graph.operators if editor.name(operator) == "MEAN")
    ends = editor.graph.inputs[0], mean.inputs[0], editor.graph.outputs[0]
    before, after = (pack(cut(core, start=a, stop=b)) for a, b in (ends[:2], ends[1:]))
    network = streamed(parts.core_and_head, rows=1)
    judged = 0
    for path in decode.find_audio([shared / "glass_break"])[::40][:3]:
        waveform, sample_rate_hz = decode.read(path)
        rows = log_mel(resample(waveform, sample_rate_hz, 16000), toy.FRONTEND) * parts.slope + parts.offset
        rows = rows[None, :, :, None].astype(np.float32)
        frames = (rows.shape[1] - 15 - toy.FRAMES) // 16 * 16 + toy.FRAMES
        outputs = stream(network, rows, runtime="tensorflow")
        for phase in range(16):  # offline, the strides reach every sixteenth frame only
            positions = run_resized(before, rows[:, phase : phase + frames])
            for position in range(positions.shape[1] - network.positions + 1):
                start = phase + 16 * position
                call = start - network.window_start
                free_of_borders = (
                    start >= phase + network.reach[0]
                    and start + toy.FRAMES + network.reach[1] <= phase + frames
                )
                if free_of_borders and network.warm_up <= call < len(outputs):
                    expected = run_resized(after, positions[:, position : position + network.positions])
                    np.testing.assert_array_equal(outputs[call], expected[0])
                    judged += 1
    assert judged > 100


@pytest.mark.parametrize("hop_ms", [None, 30])
def test_a_model_that_keeps_its_states_scores_as_one_that_passes_them(
    bundle: Bundle, hop_ms: float | None
) -> None:
    exported = export_streaming(bundle, hop_ms=hop_ms)
    passed = StreamingClassifier(stream_bundle(bundle, exported))
    kept = StreamingClassifier(stream_bundle(bundle, exported, state_form="variables"))
    for seed in (11, 12):  # `scores` begins with a reset: the second stream knows nothing of the first
        samples = toy.waveform(3, seed=seed)
        np.testing.assert_array_equal(scores(kept, samples), scores(passed, samples))
    first = samples[: exported.hop_samples]
    assert np.any(kept.process(first) != scores(kept, first))


def test_a_model_that_keeps_its_states_has_one_input_and_says_what_it_needs(bundle: Bundle) -> None:
    exported = export_streaming(bundle)
    facts = describe(with_variables(exported.model, exported.states))
    assert [tensor.name for tensor in facts.inputs + facts.outputs] == ["waveform", "scores"]
    assert sum(operation.name == "READ_VARIABLE" for operation in facts.operations) == len(exported.states)
    assert [int(part) for part in facts.min_runtime_version.split(".")] >= [2, 6, 0]
    with pytest.raises(KwsembedError, match="states do not fit"):
        with_variables(exported.model, exported.states[1:])


def test_a_hop_is_a_whole_number_of_frames(bundle: Bundle) -> None:
    for hop_ms in (0, 25):
        with pytest.raises(ConfigError, match="multiple of 10 ms"):
            export_streaming(bundle, hop_ms=hop_ms)


@pytest.mark.parametrize(
    ("mixing", "named"),
    [
        (lambda values: tf.nn.max_pool2d(values, (3, 1), (1, 1), "SAME"), "MAX_POOL_2D"),
        (lambda values: tf.reshape(values, (1, 10, 8, 1)), "a reshape that moves rows"),
    ],
    ids=["pooling", "reshape"],
)
def test_a_network_that_mixes_time_otherwise_is_refused(
    mixing: Callable[[tf.Tensor], tf.Tensor], named: str
) -> None:
    def network(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(mixing(values), axis=[1, 2])

    with pytest.raises(ConfigError, match=rf"cannot be run as a stream.*{named}"):
        streamed(convert_float(network, (1, 20, 4, 1)))
