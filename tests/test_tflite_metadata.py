"""The metadata says to MediaPipe and the Task Library what the model takes and gives."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from kwsembed.errors import KwsembedError
from kwsembed.runtime.interpreter import load_interpreter
from kwsembed.tflite import AudioMetadata, read_metadata, with_thresholds, write_metadata
from kwsembed.tflite.calibration import sigmoids_for
from kwsembed.tflite.convert import convert_float
from kwsembed.tflite.flatbuffer import metadata, unpack

LABELS = ("dog_bark", "señal", "雨", "_background_noise_")


@pytest.fixture(scope="module")
def plain() -> bytes:
    return convert_float(lambda waveform: tf.nn.softmax(waveform[:, :4]), (1, 16))


@pytest.fixture(scope="module")
def described(plain: bytes) -> bytes:
    return write_metadata(plain, name="barks", description="Hears dogs.", sample_rate_hz=16000, labels=LABELS)


def test_comes_back_as_it_was_written(described: bytes) -> None:
    assert read_metadata(described) == AudioMetadata("barks", "Hears dogs.", 16000, 1, LABELS)


def test_follows_the_published_schema(described: bytes) -> None:
    schema = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated", reason="MediaPipe is not installed"
    )
    (content,) = metadata(unpack(described), "TFLITE_METADATA")
    graph = schema.ModelMetadataT.InitFromPackedBuf(bytearray(content)).subgraphMetadata[0]
    audio = graph.inputTensorMetadata[0].content.contentProperties
    assert (audio.sampleRate, audio.channels) == (16000, 1)
    (file,) = graph.outputTensorMetadata[0].associatedFiles
    assert (file.name, file.type) == (b"labels.txt", schema.AssociatedFileType.TENSOR_AXIS_LABELS)


def test_labels_lie_uncompressed_in_an_archive_at_the_end(described: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(described)) as files:
        (entry,) = files.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert files.read(entry).decode() == "dog_bark\nseñal\n雨\n_background_noise_\n"


def test_thresholds_are_written_as_calibration_and_taken_away_again(described: bytes) -> None:
    thresholds = {"dog_bark": 0.875, "señal": 0.25}
    model = with_thresholds(described, thresholds)
    (dog, *_), expected = read_metadata(model).calibration, sigmoids_for(LABELS, thresholds)
    assert dog.offset == pytest.approx(expected[0].offset)
    with zipfile.ZipFile(io.BytesIO(model)) as files:
        assert files.read("score_calibration.csv").count(b"\n") == len(LABELS) - 1
    assert with_thresholds(model, None) == described


def test_calibration_follows_the_published_schema(described: bytes) -> None:
    schema = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated", reason="MediaPipe is not installed"
    )
    (content,) = metadata(unpack(with_thresholds(described, {"雨": 0.9})), "TFLITE_METADATA")
    graph = schema.ModelMetadataT.InitFromPackedBuf(bytearray(content)).subgraphMetadata[0]
    scores = graph.outputTensorMetadata[0]
    calibration, thresholding = (unit.options for unit in scores.processUnits)
    assert calibration.scoreTransformation == schema.ScoreTransformationType.INVERSE_LOGISTIC
    assert thresholding.globalScoreThreshold == 0.5
    assert [file.type for file in scores.associatedFiles] == [
        schema.AssociatedFileType.TENSOR_AXIS_LABELS,
        schema.AssociatedFileType.TENSOR_AXIS_SCORE_CALIBRATION,
    ]


def test_changes_nothing_about_what_the_model_computes(plain: bytes, described: bytes) -> None:
    waveform = np.linspace(-1, 1, 16, dtype=np.float32)
    np.testing.assert_array_equal(
        load_interpreter(described).run(waveform), load_interpreter(plain).run(waveform)
    )


def test_writing_again_replaces_what_was_there(described: bytes) -> None:
    again = write_metadata(
        described, name="yaps", description="", sample_rate_hz=8000, labels=["a", "b", "c", "d"]
    )
    assert read_metadata(again) == AudioMetadata("yaps", "", 8000, 1, ("a", "b", "c", "d"))


def test_a_model_without_metadata_is_named_as_such(plain: bytes) -> None:
    with pytest.raises(KwsembedError, match="no metadata of an audio classifier"):
        read_metadata(plain)
