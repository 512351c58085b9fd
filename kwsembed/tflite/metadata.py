"""Metadata that MediaPipe and the Task Library demand of an audio classifier: labels and operating points."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import flatbuffers
from flatbuffers import number_types

from kwsembed.errors import KwsembedError
from kwsembed.tflite.calibration import (
    CALIBRATED_THRESHOLD,
    Sigmoid,
    calibration_file,
    parse_calibration_file,
    sigmoids_for,
)
from kwsembed.tflite.flatbuffer import add_metadata, metadata, pack, unpack

METADATA_NAME = "TFLITE_METADATA"
LABEL_FILE = "labels.txt"
CALIBRATION_FILE = "score_calibration.csv"
_IDENTIFIER = b"M001"
_AUDIO_PROPERTIES = 4  # member of the union ContentProperties
_TENSOR_AXIS_LABELS, _TENSOR_AXIS_SCORE_CALIBRATION = 2, 4  # AssociatedFileType
_SCORE_CALIBRATION, _SCORE_THRESHOLDING = 2, 3  # members of the union ProcessUnitOptions
_INVERSE_LOGISTIC = 2  # ScoreTransformationType
_MIN_PARSER_VERSION = "1.3.0"  # the first with audio properties


@dataclass(frozen=True)
class AudioMetadata:
    """What a client reads from the metadata."""

    name: str
    description: str
    sample_rate_hz: int
    channels: int
    labels: tuple[str, ...]
    calibration: tuple[Sigmoid, ...] = ()


def with_thresholds(model: bytes, thresholds: Mapping[str, float] | None) -> bytes:
    """Returns a model whose metadata makes clients apply these thresholds, or, with None, apply none.

    Args:
        model: A model with metadata, as `write_metadata` returned it.
        thresholds: Threshold of each event label, as a bundle has them; labels without one are background.
            From 0.5 on a calibrated score is a detection (see `calibration.sigmoids_for`).

    Raises:
        KwsembedError: The model has no such metadata, or a threshold does not fit it.

    Example:
        >>> model = with_thresholds(exported.int8, bundle.thresholds)  # doctest: +SKIP
    """
    found = read_metadata(model)
    return write_metadata(
        model,
        name=found.name,
        description=found.description,
        sample_rate_hz=found.sample_rate_hz,
        labels=found.labels,
        calibration=() if thresholds is None else sigmoids_for(found.labels, thresholds),
    )


def write_metadata(
    model: bytes,
    *,
    name: str,
    description: str,
    sample_rate_hz: int,
    labels: Sequence[str],
    calibration: Sequence[Sigmoid] = (),
) -> bytes:
    """Adds the metadata of a mono audio classifier to a model.

    Args:
        model: Flatbuffer with an input waveform `(1, samples)` and an output `(1, labels)`.
        name: Name of the model, shown by clients.
        description: What the model is, in a sentence.
        sample_rate_hz: Rate of the input; clients resample to it.
        labels: Label of each output, in order, without line breaks.
        calibration: What clients do with the score of each label before they apply the threshold 0.5, which
            is then in the metadata too; if empty, they report every score as the model gives it.

    Returns:
        The model, followed by a stored zip archive with `labels.txt` and the calibration's file: runtimes
        read the flatbuffer at the start, clients the archive at the end.

    References:
        `metadata_schema.fbs` of the TensorFlow Lite support library, from which the field numbers here are.
    """
    unpacked = unpack(model)
    content = _model_metadata(name, description, sample_rate_hz=sample_rate_hz, calibrated=bool(calibration))
    add_metadata(unpacked, METADATA_NAME, content)
    contents = {LABEL_FILE: "".join(f"{label}\n" for label in labels)}
    if calibration:
        contents[CALIBRATION_FILE] = calibration_file(calibration)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        for file_name, text in contents.items():
            # A fixed date, so that the same training gives the same bytes.
            files.writestr(zipfile.ZipInfo(file_name, (1980, 1, 1, 0, 0, 0)), text)
    return pack(unpacked) + archive.getvalue()


def read_metadata(model: bytes) -> AudioMetadata:
    """Reads what `write_metadata` wrote.

    Raises:
        KwsembedError: The model has no such metadata or no label file.
    """
    found = metadata(unpack(model), METADATA_NAME)
    if not found or found[0][4:8] != _IDENTIFIER or not zipfile.is_zipfile(io.BytesIO(model)):
        raise KwsembedError("The model has no metadata of an audio classifier")
    content = found[0]
    root = _Reader(content, int.from_bytes(content[:4], "little"))
    audio = root.rows(3)[0].rows(2)[0].table(3).table(1)
    with zipfile.ZipFile(io.BytesIO(model)) as files:
        labels = files.read(LABEL_FILE).decode().splitlines()
        calibration: tuple[Sigmoid, ...] = ()
        if CALIBRATION_FILE in files.namelist():
            calibration = parse_calibration_file(files.read(CALIBRATION_FILE).decode())
    return AudioMetadata(
        root.text(0), root.text(1), audio.number(0), audio.number(1), tuple(labels), calibration
    )


def _model_metadata(name: str, description: str, *, sample_rate_hz: int, calibrated: bool) -> bytes:
    builder = flatbuffers.Builder(1024)
    reference, number = builder.PrependUOffsetTRelativeSlot, builder.PrependUint32Slot
    byte, real = builder.PrependUint8Slot, builder.PrependFloat32Slot

    def table(fields: Mapping[int, tuple[Callable[..., None], float]]) -> int:
        builder.StartObject(max(fields) + 1)
        for field, (prepend, value) in fields.items():
            prepend(field, value, 0)
        return int(builder.EndObject())

    def rows(*offsets: int) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    def string(value: str) -> tuple[Callable[..., None], int]:
        return reference, builder.CreateString(value)

    audio = table({0: (number, sample_rate_hz), 1: (number, 1)})
    content = table({0: (byte, _AUDIO_PROPERTIES), 1: (reference, audio)})
    waveform = table({0: string("waveform"), 1: string("Mono waveform in [-1, 1]."), 3: (reference, content)})
    labels = table({0: string(LABEL_FILE), 1: string("A label per line."), 2: (byte, _TENSOR_AXIS_LABELS)})
    scores_fields = {0: string("scores"), 1: string("Probability of each label.")}
    if calibrated:
        sigmoids = table(
            {
                0: string(CALIBRATION_FILE),
                1: string("scale,slope,offset per label: calibrated, 0.5 is the threshold of each."),
                2: (byte, _TENSOR_AXIS_SCORE_CALIBRATION),
            }
        )
        units = [
            table({0: (byte, union), 1: (reference, options)})
            for union, options in (
                (_SCORE_CALIBRATION, table({0: (byte, _INVERSE_LOGISTIC)})),
                (_SCORE_THRESHOLDING, table({0: (real, CALIBRATED_THRESHOLD)})),
            )
        ]
        scores_fields[4] = (reference, rows(*units))
        scores_fields[6] = (reference, rows(labels, sigmoids))
    else:
        scores_fields[6] = (reference, rows(labels))
    scores = table(scores_fields)
    graph = table({2: (reference, rows(waveform)), 3: (reference, rows(scores))})
    model = table(
        {0: string(name), 1: string(description), 3: (reference, rows(graph)), 7: string(_MIN_PARSER_VERSION)}
    )
    builder.Finish(model, _IDENTIFIER)
    return bytes(builder.Output())


class _Reader:
    """A table of a flatbuffer, its fields found by number."""

    def __init__(self, content: bytes, position: int) -> None:
        self._table = flatbuffers.table.Table(content, position)

    def _at(self, field: int) -> int:
        return int(self._table.Pos + self._table.Offset(4 + 2 * field))

    def table(self, field: int) -> _Reader:
        return _Reader(self._table.Bytes, self._table.Indirect(self._at(field)))

    def rows(self, field: int) -> list[_Reader]:
        offset = self._table.Offset(4 + 2 * field)
        start = self._table.Vector(offset)
        count = self._table.VectorLen(offset)
        return [_Reader(self._table.Bytes, self._table.Indirect(start + 4 * at)) for at in range(count)]

    def text(self, field: int) -> str:
        return bytes(self._table.String(self._at(field))).decode()

    def number(self, field: int) -> int:
        return int(self._table.Get(number_types.Uint32Flags, self._at(field)))
