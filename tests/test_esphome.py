"""The ESPHome target: a stream computes what windows compute, cutoffs mean what the device takes them for."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf
import toy_export as toy

from kwsembed.cli.main import main
from kwsembed.config import TrainConfig
from kwsembed.detection.replay import Event
from kwsembed.errors import ConfigError, KwsembedError
from kwsembed.evaluation.streams import Stream
from kwsembed.export_targets import esphome
from kwsembed.export_targets.esphome_centring import centre, float_replay, misses_on
from kwsembed.export_targets.esphome_examples import Examples
from kwsembed.export_targets.esphome_features import INPUT_RANGE, frame_count, micro_features
from kwsembed.export_targets.esphome_judgement import (
    Cutoff,
    EsphomeJudgement,
    FeatureStream,
    SplitFeatures,
    probabilities,
)
from kwsembed.export_targets.esphome_training import (
    RECIPES,
    Recipe,
    as_numbers,
    example_weights,
    targets,
    train_network,
)
from kwsembed.models.temporal_cnn import STRIDE, over_stream, temporal_cnn
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.tflite import describe
from kwsembed.tflite.esphome import OPERATIONS, EsphomeModel, esphome_model
from kwsembed.tflite.esphome_states import with_states_inside
from kwsembed.tflite.parts import parts_of
from kwsembed.tflite.streaming import Streamed, streamed

FRAMES = 50  # two blocks fit


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Untrained, but with statistics as after training: it says different things of different features."""
    made = temporal_cnn(FRAMES, 40, seed=1)
    random = np.random.default_rng(1)
    for layer in made.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # one pass sets the statistics
            layer.beta.assign(random.normal(0.2, 0.2, layer.beta.shape))
    windows = np.stack([as_numbers(features(seed)[:FRAMES]) for seed in range(8)])
    logits = made(windows[:, :, np.newaxis], training=True)
    dense = made.get_layer("logit")
    dense.kernel.assign(dense.kernel * 3 / keras.ops.std(logits))
    dense.bias.assign(dense.bias - 3 * keras.ops.mean(logits) / keras.ops.std(logits))
    return made


def features(seed: int, frames: int = 300) -> np.ndarray:
    """Levels that wander over time and band, (frames, 40) int8."""
    random = np.random.default_rng(seed)
    steps = random.normal(0, 6, (frames, 40)) + random.normal(0, 6, (frames, 1))
    return np.clip(np.cumsum(steps, axis=0) % 255 - 128, -128, 127).astype(np.int8)


@pytest.fixture(scope="module")
def model(network: keras.Model) -> EsphomeModel:
    shown = np.stack([as_numbers(features(seed)[:FRAMES]) for seed in range(40)])
    return esphome_model(network, representative=shown, input_range=INPUT_RANGE)


def test_the_model_has_the_interface_and_the_operations_of_the_device(model: EsphomeModel) -> None:
    facts = describe(model.model)
    assert [(t.type, t.shape) for t in facts.inputs] == [("INT8", (1, 3, 40))]
    assert [(t.type, t.shape) for t in facts.outputs] == [("UINT8", (1, 1))]
    assert {operation.name for operation in facts.operations} <= set(OPERATIONS)
    assert sum(operation.name == "READ_VARIABLE" for operation in facts.operations) == model.variables == 4
    interpreter, _ = open_interpreter(model.model, runtime="tensorflow")
    scale, zero_point = interpreter.get_input_details()[0]["quantization"]
    assert (round(scale, 6), zero_point) == (round(26 / 255, 6), -128)
    assert interpreter.get_output_details()[0]["quantization"] == (1 / 256, 0)


def test_a_stream_computes_what_windows_compute_to_the_bit(model: EsphomeModel) -> None:
    heard = features(50)
    produced = probabilities(model.model, heard, stride=model.stride)
    interpreter = tf.lite.Interpreter(
        model_content=model.windowed,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    assert len(produced) - model.warm_up > 50
    for call in range(model.warm_up, len(produced)):
        end = (call + 1) * model.stride
        interpreter.set_tensor(into, heard[np.newaxis, end - FRAMES : end, np.newaxis])
        interpreter.invoke()
        assert interpreter.get_tensor(out)[0, 0] == produced[call]
    assert np.ptp(produced[model.warm_up :].astype(int)) > 100  # it says different things of different audio


def test_int8_is_near_to_keras(network: keras.Model, model: EsphomeModel) -> None:
    heard = features(51, frames=600)
    begin = (model.warm_up + 1) * model.stride - FRAMES
    expected = 1 / (1 + np.exp(-over_stream(network, as_numbers(heard[begin:]))))
    produced = probabilities(model.model, heard, stride=model.stride)[model.warm_up :] / 256
    assert len(produced) == len(expected)
    assert np.abs(produced - expected).mean() < 0.03


def test_over_a_stream_the_network_says_what_it_says_of_windows(network: keras.Model) -> None:
    heard = as_numbers(features(52, frames=FRAMES + 10))
    windows = np.stack([heard[first : first + FRAMES] for first in range(0, 11, STRIDE)])
    expected = network(windows[:, :, np.newaxis], training=False)[:, 0]
    np.testing.assert_allclose(over_stream(network, heard), expected, atol=1e-4)


def test_after_the_warm_up_nothing_is_left_of_what_was_before(model: EsphomeModel) -> None:
    shared, before = features(53), features(54, frames=30)
    fresh = probabilities(model.model, shared, stride=model.stride)
    later = probabilities(model.model, np.concatenate([before, shared]), stride=model.stride)[10:]
    np.testing.assert_array_equal(fresh[model.warm_up :], later[model.warm_up :])
    assert (fresh[: model.warm_up] != later[: model.warm_up]).any()


def test_states_inside_are_the_states_that_are_passed_along() -> None:
    network = streamed(parts_of(toy.exported(), mels=24).core_and_head)
    rows = np.cumsum(np.random.default_rng(0).normal(0, 0.3, (1, 160, 24, 1)), axis=1).astype(np.float32)
    passed = list(_passing_states(network, rows))
    interpreter, _ = open_interpreter(with_states_inside(network), runtime="tensorflow")
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    for call, expected in enumerate(passed):
        interpreter.set_tensor(into["index"], rows[:, call * network.rows : (call + 1) * network.rows])
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_tensor(out["index"]), expected)


def _passing_states(network: Streamed, rows: np.ndarray):
    interpreter, _ = open_interpreter(network.model, runtime="tensorflow")
    inputs = {t["name"]: t for t in interpreter.get_input_details()}
    outputs = {t["name"]: t["index"] for t in interpreter.get_output_details()}
    states = {s.input: np.full(s.shape, s.start, inputs[s.input]["dtype"]) for s in network.states}
    (source,), (result,) = set(inputs) - set(states), set(outputs) - {s.output for s in network.states}
    for first in range(0, rows.shape[1], network.rows):
        for name, value in {**states, source: rows[:, first : first + network.rows]}.items():
            interpreter.set_tensor(inputs[name]["index"], value)
        interpreter.invoke()
        states = {s.input: interpreter.get_tensor(outputs[s.output]) for s in network.states}
        yield interpreter.get_tensor(outputs[result])


def test_a_network_that_the_device_would_refuse_is_not_exported() -> None:
    inputs = keras.Input((20, 1, 40))
    slow = keras.layers.Conv2D(4, (5, 1), strides=(4, 1))(inputs)
    logit = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(slow))
    shown = np.stack([as_numbers(features(seed)[:20]) for seed in range(4)])
    with pytest.raises(KwsembedError, match=r"ESPHome would refuse.*1 to 3 frames per call"):
        esphome_model(keras.Model(inputs, logit), representative=shown, input_range=INPUT_RANGE)


def test_blocks_that_do_not_fit_are_left_out() -> None:
    def kernels(frames: int) -> list[int]:
        layers = temporal_cnn(frames, 40).layers
        return [layer.kernel_size[0] for layer in layers if isinstance(layer, keras.layers.DepthwiseConv2D)]

    assert kernels(98) == kernels(198) == [5, 7, 9, 9]
    assert kernels(50) == [5, 7]  # 16 positions, then 12, then 6
    with pytest.raises(ConfigError, match="too short"):
        temporal_cnn(16, 40)


def bank(count: int = 8) -> Examples:
    classes = np.arange(count) % 2
    logits = np.where(np.arange(2) == classes[:, np.newaxis], 2.0, 0.0).astype(np.float32)
    shown = np.stack([features(seed)[:FRAMES] // 4 + 90 * (seed % 2) for seed in range(count)])
    return Examples(shown.astype(np.int8), classes, logits, np.array([0.25, 0.75]), np.array([10.0, 90.0]))


def test_targets_mix_label_and_teacher() -> None:
    believed = 1 / (1 + np.exp(-2))
    np.testing.assert_allclose(targets(bank(2), event=0, teacher_share=0.0), [1, 0])
    np.testing.assert_allclose(
        targets(bank(2), event=0, teacher_share=1.0), [believed, 1 - believed], rtol=1e-6
    )
    np.testing.assert_allclose(
        targets(bank(2), event=1, teacher_share=0.5), [(1 - believed) / 2, (1 + believed) / 2], rtol=1e-6
    )


def test_the_event_has_its_share_and_the_others_have_the_rest_as_they_are_heard() -> None:
    classes = np.arange(3)
    three = dataclasses.replace(
        bank(3),
        classes=classes,
        probabilities=np.array([0.25, 0.25, 0.5]),
        windows_per_class=np.array([10.0, 30.0, 90.0]),
    )
    labels = ("beep", "knock", "noise")
    weights = example_weights(three, event=0, config=TrainConfig(), labels=labels, as_heard=True)
    # A fifth for the beep, and of four fifths a quarter and three quarters for 30 and 90 windows.
    np.testing.assert_allclose(weights * three.probabilities, [0.2, 0.2, 0.6], rtol=1e-6)
    twice = TrainConfig(class_weights={"noise": 2.0})
    doubled = example_weights(three, event=0, config=twice, labels=labels, as_heard=True)
    np.testing.assert_allclose(doubled * three.probabilities, np.array([0.2, 0.2, 1.2]) / 1.6, rtol=1e-6)


def test_class_weights_make_every_class_count_alike() -> None:
    weights = example_weights(bank(2), event=0, config=TrainConfig(), labels=("beep", "noise"))
    np.testing.assert_allclose(weights, [2.0, 2 / 3], rtol=1e-6)  # 0.25 * 2 = 0.75 * 2/3


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_training_tells_the_event_from_the_rest(recipe: Recipe) -> None:
    shown = bank(64)
    trained = train_network(
        shown, event=1, config=TrainConfig(), labels=("noise", "beep"), steps=60, recipe=recipe
    )
    logits = np.asarray(trained(as_numbers(shown.features)[:, :, np.newaxis], training=False))[:, 0]
    assert np.mean(logits[shown.classes == 1, None] > logits[shown.classes == 0]) > 0.95


@pytest.fixture(scope="module")
def split() -> SplitFeatures:
    """Streams of features; an event wherever they say so."""

    def heard(seed: int, *onsets_s: float) -> FeatureStream:
        events = tuple(Event("beep", onset_s, onset_s + 0.5) for onset_s in onsets_s)
        return FeatureStream(features(seed, 1000), Stream(np.zeros(160320, np.float32), events))

    return SplitFeatures([heard(60), heard(61)], [heard(62, 2.0, 6.0), heard(63, 3.0)], window_s=0.52)


def test_a_cutoff_is_the_level_that_the_device_makes_of_it() -> None:
    for level in range(256):
        assert int(Cutoff(level, 5, None).probability_cutoff * 255) == level


def test_false_alarms_are_counted_as_the_device_fires(model: EsphomeModel, split: SplitFeatures) -> None:
    judged = EsphomeJudgement(model, split, "beep")
    streams = [probabilities(model.model, one.features, stride=3)[model.warm_up :] for one in split.negatives]
    counted = []
    for level in range(60, 240, 20):
        expected = sum(_device(stream, level, size=5) for stream in streams)
        counted.append(judged.measured(level, 5, 0.5).point.false_alarms)
        assert counted[-1] == expected
    assert max(counted) > 2


def _device(stream: np.ndarray, level: int, *, size: int) -> int:
    """How often a run of means above the level begins, a second after the last one ended; a slow loop."""
    fired, quiet, above = 0, 100, False
    for call in range(len(stream)):
        recent = stream[max(call - size + 1, 0) : call + 1].astype(int)
        hit = recent.sum() > level * len(recent)
        if hit and not above and quiet >= 34:  # calls of 30 ms in a second, rounded up
            fired, above = fired + 1, True
        elif hit and above:
            pass
        elif not hit:
            quiet = 1 if above else quiet + 1
            above = False
        else:
            quiet += 1
    return fired


def test_the_cutoff_keeps_the_target_and_the_measured_point_is_its_own(
    model: EsphomeModel, split: SplitFeatures
) -> None:
    judged = EsphomeJudgement(model, split, "beep")
    chosen = judged.choose(0.5)
    assert chosen.point.false_alarms == 0  # in 20 s not one is allowed
    assert not chosen.point.certified
    again = judged.measured(chosen.level, chosen.sliding_window_size, 0.5)
    assert again.point == chosen.point
    row = next(r for r in judged.table(chosen) if r["probability_cutoff"] == chosen.probability_cutoff)
    assert row["misses"] == chosen.point.misses


def test_centring_puts_the_threshold_in_the_middle(network: keras.Model, split: SplitFeatures) -> None:
    moved = keras.models.clone_model(network)
    moved.set_weights(network.get_weights())
    was_at = centre(moved, split, "beep", target_false_alarms_per_hour=0.5)
    assert moved.get_weights()[-1] == pytest.approx(network.get_weights()[-1] - was_at, abs=1e-5)
    # Means of probabilities do not move quite as logits do.
    assert abs(centre(moved, split, "beep", target_false_alarms_per_hour=0.5)) < 0.3 < abs(was_at)


def test_networks_are_compared_at_five_counts_of_false_alarms(
    network: keras.Model, split: SplitFeatures
) -> None:
    replay = float_replay(network, split, "beep")
    levels = np.unique(np.concatenate([replay.negative_smoothed, replay.positive_smoothed]))
    levels = [float(level) for level in levels[np.isfinite(levels)]] + [1.1]
    alarms = np.maximum.accumulate([replay.false_alarms(level) for level in levels[::-1]])[::-1]
    slow = sum(
        min(replay.misses(level) for level, count in zip(levels, alarms, strict=True) if count <= most)
        for most in (0, 1, 2, 4, 8)
    )
    assert misses_on(network, split, "beep") == slow


def test_features_follow_the_stream_before_them() -> None:
    pytest.importorskip("pymicro_features")
    noise = np.random.default_rng(0).normal(0, 0.05, 32000).astype(np.float32)
    whole = micro_features(noise)
    assert whole.shape == (frame_count(32000), 40) == (198, 40)
    alone = micro_features(noise[16000:])
    begin, end = (
        np.abs(whole[100:][rows].astype(int) - alone[rows]).mean() for rows in (np.s_[:10], np.s_[-10:])
    )
    assert begin > 50  # the noise was not yet known
    assert end < begin / 10
    assert micro_features(np.zeros(479, np.float32)).shape == (0, 40)
    assert np.unique(micro_features(np.zeros(16000, np.float32))).tolist() == [-128]


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_toy_run(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWSEMBED_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.slow
def test_an_export_is_a_pair_that_says_what_it_costs(finished_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("pymicro_features")
    made = esphome.export(finished_run, tmp_path / "E", event="knock", examples=64, steps=10)
    manifest = json.loads((tmp_path / "E" / "knock.json").read_text())
    assert manifest == made.manifest
    assert (manifest["type"], manifest["version"], manifest["wake_word"]) == ("micro", 2, "Knock")
    assert manifest["micro"]["minimum_esphome_version"] == "2024.7.0"
    assert manifest["micro"]["feature_step_size"] == 10
    assert (tmp_path / "E" / manifest["model"]).read_bytes() == made.model.model
    assert manifest["micro"]["tensor_arena_size"] == made.needed.bytes
    measured = json.loads((tmp_path / "E" / "measured.json").read_text())
    assert measured["validation"] == dataclasses.asdict(made.cutoff.point)
    assert measured["variables"] <= 20
    assert "knock.json" in (tmp_path / "E" / "README.md").read_text()


def test_the_event_must_be_named(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(finished_run), "--out", str(tmp_path / "E"), "--target", "esphome"]
    assert main(command) == 2
    assert "--event with one of beep, knock" in capsys.readouterr().err
    assert main([*command, "--event", "noise"]) == 2
    assert not (tmp_path / "E").exists()
