"""The speech embedding as a teacher: the joined model says what openWakeWord's two say together."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from data_pipelines import speech_embedding
from kwsembed.teaching import load_teacher


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    pytest.importorskip("pyopen_wakeword", reason="pyopen-wakeword is not installed")
    path = tmp_path_factory.mktemp("teacher") / "speech_embedding.tflite"
    assert speech_embedding.main([str(path)]) == 0
    return load_teacher(path, sample_rate_hz=16000)


def one_after_the_other(waveform):
    """The embeddings of beginning, middle and end, by the two models themselves."""
    parts = []
    for name, shape in (("melspectrogram", [1, 16000]), ("embedding_model", [1, 76, 32, 1])):
        interpreter = tf.lite.Interpreter(
            str(speech_embedding.models_folder() / f"{name}.tflite"),
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], shape)
        interpreter.allocate_tensors()

        def run(given, interpreter=interpreter):
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given.astype(np.float32))
            interpreter.invoke()
            return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy()

        parts.append(run)
    mels = parts[0](waveform[np.newaxis] * 32768).reshape(97, 32) / 10 + 2
    return np.concatenate(
        [parts[1](mels[np.newaxis, at : at + 76, :, np.newaxis]).ravel() for at in (0, 10, 21)]
    )


def test_it_takes_a_second_and_gives_three_embeddings(teacher):
    assert (teacher.window_samples, teacher.feature_count) == (16000, 288)


def test_it_says_what_the_two_models_say(teacher):
    random = np.random.default_rng(0)
    windows = (0.1 * random.standard_normal((3, 16000))).astype(np.float32)
    windows[1, :8000] = 0
    found = teacher.features(windows)
    for answer, window in zip(found, windows, strict=True):
        np.testing.assert_allclose(answer, one_after_the_other(window), atol=2e-3)
    assert np.abs(found[0, :96] - found[0, 192:]).max() > 0.1


def test_models_that_are_not_there_are_told(tmp_path, capsys):
    assert speech_embedding.main([str(tmp_path / "t.tflite"), "--models", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("data_pipelines.speech_embedding: No such file")
    assert not (tmp_path / "t.tflite").exists()
