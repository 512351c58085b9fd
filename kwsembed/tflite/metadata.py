"""Metadata that MediaPipe and the Task Library demand of an audio classifier, with its label file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import flatbuffers
from flatbuffers import number_types

from kwsembed.errors import KwsembedError
from kwsembed.tflite.flatbuffer import add_metadata, metadata, pack, unpack

METADATA_NAME = "TFLITE_METADATA"
LABEL_FILE = "labels.txt"
_IDENTIFIER = b"M001"
_AUDIO_PROPERTIES = 4  # member of the union ContentProperties
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType
_MIN_PARSER_VERSION = "1.3.0"  # the first with audio properties


@dataclass(frozen=True)
class AudioMetadata:
    """What a client reads from the metadata."""

    name: str
    description: str
    sample_rate_hz: int
    channels: int
    labels: tuple[str, ...]


def write_metadata(
    model: bytes, *, name: str, description: str, sample_rate_hz: int, labels: Sequence[str]
) -> bytes:
    """Adds the metadata of a mono audio classifier to a model.

    Args:
        model: Flatbuffer with an input waveform `(1, samples)` and an output `(1, labels)`.
        name: Name of the model, shown by clients.
        description: What the model is, in a sentence.
        sample_rate_hz: Rate of the input; clients resample to it.
        labels: Label of each output, in order, without line breaks.

    Returns:
        The model, followed by a stored zip archive with `labels.txt`: runtimes read the flatbuffer at the
        start, clients the archive at the end.

    References:
        `metadata_schema.fbs` of the TensorFlow Lite support library, from which the field numbers here are.
    """
    unpacked = unpack(model)
    content = _model_metadata(name, description, sample_rate_hz=sample_rate_hz)
    add_metadata(unpacked, METADATA_NAME, content)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        # A fixed date, so that the same training gives the same bytes.
        files.writestr(zipfile.ZipInfo(LABEL_FILE, (1980, 1, 1, 0, 0, 0)), "".join(f"{x}\n" for x in labels))
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
    return AudioMetadata(root.text(0), root.text(1), audio.number(0), audio.number(1), tuple(labels))


def _model_metadata(name: str, description: str, *, sample_rate_hz: int) -> bytes:
    builder = flatbuffers.Builder(1024)
    reference, number = builder.PrependUOffsetTRelativeSlot, builder.PrependUint32Slot
    byte = builder.PrependUint8Slot

    def table(fields: dict[int, tuple[Callable[..., None], int]]) -> int:
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
    scores = table(
        {0: string("scores"), 1: string("Probability of each label."), 6: (reference, rows(labels))}
    )
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
