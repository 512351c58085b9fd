"""TensorFlow Lite models as editable objects: unpacked from bytes and packed again."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"
# The schema demands it of buffers (`force_align: 16`), the generated Python code ignores it, and kernels
# that load whole vectors from the mapped file rely on it.
_BUFFER_ALIGNMENT = 16


def unpack(model: bytes) -> Any:
    """Reads a model into the object API of the schema (`schema.ModelT`)."""
    return schema.ModelT.InitFromPackedBuf(bytearray(model))


def pack(model: Any) -> bytes:
    """Writes a `schema.ModelT` as a TensorFlow Lite file, with its constants aligned to 16 bytes."""
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in model.buffers]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def add_metadata(model: Any, name: str, content: bytes) -> None:
    """Adds `content` to a `schema.ModelT` under `name`, in place of an older one of that name."""
    buffer = _AlignedBuffer(np.frombuffer(content, np.uint8))
    for old in model.metadata or []:
        if text(old.name) == name:  # its buffer is used again, or every rewriting would leave one behind
            model.buffers[old.buffer] = buffer
            return
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]


def metadata(model: Any, name: str) -> list[bytes]:
    """Contents of all metadata of that name in a `schema.ModelT`; TensorFlow 2.16 writes some names twice."""
    found = [entry.buffer for entry in model.metadata or [] if text(entry.name) == name]
    return [
        b"" if model.buffers[at].data is None else bytes(bytearray(model.buffers[at].data)) for at in found
    ]


def text(name: bytes | str | None) -> str:
    """A name of the object API as text; the API gives bytes for names that it read."""
    return name.decode() if isinstance(name, bytes) else name or ""


class _AlignedBuffer(schema.BufferT):
    def __init__(self, data: Any) -> None:
        super().__init__()
        self.data = None if data is None or len(data) == 0 else np.asarray(data, np.uint8)

    def Pack(self, builder: Any) -> int:
        vector = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), _BUFFER_ALIGNMENT)
            start = builder.Head() - len(self.data)
            builder.head = start
            builder.Bytes[start : start + len(self.data)] = self.data.tobytes()
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))
