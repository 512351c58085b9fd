"""From a trained core to the model that ships: what it computes, and that its core really is int8."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tflite_models as toy
from keras import layers

from kwsembed.errors import KwsembedError
from kwsembed.frontend import FrontendConfig
from kwsembed.runtime.interpreter import RUNTIMES, load_interpreter, runtime_status
from kwsembed.tflite import ExportedModel, describe, export_model, read_metadata

CLIPS = toy.waveforms(128, seed=3)[0]


@pytest.fixture(scope="module")
def exported() -> ExportedModel:
    return toy.exported()


@pytest.fixture(scope="module")
def keras_scores() -> np.ndarray:
    return keras.ops.convert_to_numpy(
        keras.ops.softmax(toy.trained_core()(toy.features(CLIPS), training=False))
    )


@pytest.fixture(params=[name for name in RUNTIMES if runtime_status(name).problem is None])
def runtime(request: pytest.FixtureRequest) -> str:
    """Each interpreter that is installed."""
    return request.param


def scores(model: bytes, runtime: str | None = None) -> np.ndarray:
    interpreter = load_interpreter(model, runtime=runtime)
    return np.stack([interpreter.run(clip) for clip in CLIPS])


def small_core(*before_embedding: layers.Layer) -> keras.Model:
    core = keras.Sequential(
        [
            keras.Input((98, 64)),
            *before_embedding,
            layers.Dense(8),
            layers.UnitNormalization(),
            layers.Dense(2),
        ]
    )
    return keras.Model(core.inputs, core.outputs)


def export_small(core: keras.Model, *, labels: tuple[str, ...] = ("event", "other")) -> ExportedModel:
    windows = np.random.default_rng(0).normal(-6, 2, (8, 98, 64)).astype(np.float32)
    return export_model(
        core, frontend=FrontendConfig(), window_samples=16000, labels=labels, representative_log_mel=windows
    )


def test_the_float_model_computes_what_keras_computes(
    exported: ExportedModel, keras_scores: np.ndarray, runtime: str
) -> None:
    np.testing.assert_allclose(scores(exported.float32, runtime), keras_scores, atol=1e-4)


def test_the_int8_model_keeps_close_to_the_float_model(
    exported: ExportedModel, keras_scores: np.ndarray, runtime: str
) -> None:
    produced = scores(exported.int8, runtime)
    np.testing.assert_allclose(produced.sum(axis=1), 1, atol=1e-5)
    assert np.abs(produced - keras_scores).mean() < 0.01
    assert np.mean(produced.argmax(axis=1) == keras_scores.argmax(axis=1)) >= 0.98


def test_quantisation_leaves_scores_fine_enough_for_thresholds(exported: ExportedModel) -> None:
    assert all(len(np.unique(column)) > 0.9 * len(CLIPS) for column in scores(exported.int8).T)


@pytest.mark.parametrize("level_dbfs", [-20, -40, -60])
def test_quiet_clips_lose_no_more_than_loud_ones(exported: ExportedModel, level_dbfs: float) -> None:
    # With an int8 front end they would vanish: one step of its powers is 1/255 of the loudest.
    clips = CLIPS / np.abs(CLIPS).max(axis=1, keepdims=True) * np.float32(10 ** (level_dbfs / 20))
    int8, float32 = load_interpreter(exported.int8), load_interpreter(exported.float32)
    differences = np.stack([int8.run(clip) - float32.run(clip) for clip in clips])
    assert np.abs(differences).mean() < 0.02


def test_everything_with_weights_is_int8_between_front_end_and_head(exported: ExportedModel) -> None:
    operations = describe(exported.int8).operations
    names = [operation.name for operation in operations]
    start, stop = names.index("QUANTIZE"), names.index("DEQUANTIZE")
    assert {operation.output_type for operation in operations[start:stop]} == {"INT8"}
    assert {operation.output_type for operation in operations[:start] + operations[stop:]} == {"FLOAT32"}
    assert not any("CONV" in name for name in names[:start] + names[stop:])
    assert names[stop:] == ["DEQUANTIZE", "L2_NORMALIZATION", "FULLY_CONNECTED", "SOFTMAX"]


def test_the_core_is_small_and_takes_log_mel(exported: ExportedModel) -> None:
    facts = describe(exported.core_int8)
    parameters = toy.trained_core().count_params()
    assert facts.size_bytes < parameters + 10_000
    assert facts.inputs[0].shape[1:3] == (toy.FRAMES, toy.FRONTEND.mel_count)
    assert facts.outputs[0].shape == (1, 16)


def test_old_runtimes_are_enough(exported: ExportedModel) -> None:
    assert tuple(map(int, exported.min_runtime_version.split("."))) <= (2, 5, 0)


def test_the_signature_and_the_metadata_are_those_of_the_model(exported: ExportedModel, runtime: str) -> None:
    signatures = load_interpreter(exported.int8, runtime=runtime)._interpreter.get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["waveform"], "outputs": ["scores"]}}
    described = read_metadata(exported.int8)
    assert (described.labels, described.sample_rate_hz) == (toy.LABELS, 16000)


def test_one_window_leaves_no_trace_in_the_next(exported: ExportedModel) -> None:
    interpreter = load_interpreter(exported.int8)
    first = interpreter.run(CLIPS[0])
    interpreter.run(CLIPS[1])
    np.testing.assert_array_equal(interpreter.run(CLIPS[0]), first)


def test_recurrent_layers_are_unrolled_and_keep_no_state() -> None:
    core = small_core(layers.AveragePooling1D(14), layers.LSTM(6))
    model = export_small(core)
    assert describe(model.int8).subgraphs == 1
    assert {operation.name for operation in describe(model.core_int8).operations}.isdisjoint(
        {"WHILE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "CALL_ONCE"}
    )
    clip = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    interpreter = load_interpreter(model.int8)
    first = interpreter.run(clip)
    np.testing.assert_array_equal(interpreter.run(clip), first)
    np.testing.assert_allclose(first, load_interpreter(model.float32).run(clip), atol=0.05)


def test_a_core_without_a_normalised_embedding_is_refused() -> None:
    core = keras.Sequential([keras.Input((98, 64)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(KwsembedError, match="exactly one UnitNormalization"):
        export_small(core)


def test_labels_must_be_as_many_as_the_logits() -> None:
    with pytest.raises(KwsembedError, match=r"Expected 2 labels.*labels=\['event'\]"):
        export_small(small_core(layers.GlobalAveragePooling1D()), labels=("event",))
