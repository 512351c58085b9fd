"""Finding files that were cut off: their own headers promise more bytes than there are.

libsndfile decodes what is left of such a WAV, AIFF or OGG without a word, so the headers are read here.
"""

from __future__ import annotations

import struct
from pathlib import Path

_TAIL_BYTES = 1 << 17  # an OGG page has at most 65,307 bytes, so the tail holds the last one
_PAGE_HEADER_BYTES = 27
_WAVE64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_WHOLE = 0.99  # writers are sloppy about the last few samples


def is_cut_off(path: Path) -> bool:
    """Whether the file ends before its own stated end; False for formats that decoders check themselves.

    Sources: RFC 3533 section 6 (OGG page), the RIFF WAVE chunk layout, EBU Tech 3306 (RF64), the headers of
    AIFF, AU and Wave64.
    """
    with path.open("rb") as file:
        header = file.read(32)
        start = header[:12]
        size = file.seek(0, 2)
        if start[:4] == b"OggS":
            file.seek(max(0, size - _TAIL_BYTES))
            return _last_page_is_cut(file.read())
        if start[:4] == b"RIFF" and start[8:] == b"WAVE":
            position = 12
            while position + 8 <= size:
                file.seek(position)
                name, length = struct.unpack("<4sI", file.read(8))
                if name == b"data":
                    # Recorders that write to a pipe leave the length open: 0 or close to 2^32.
                    return length < 0xFFFF0000 and size - position - 8 < _WHOLE * length
                position += 8 + length + length % 2
    stated = _stated_bytes(header)
    return stated is not None and size < _WHOLE * stated


def _stated_bytes(header: bytes) -> int | None:
    """Length of an AIFF, AU, RF64 or Wave64 file by its header; None if left open, or of another format."""
    if len(header) < 32:
        return None
    if header[:4] == b"FORM" and header[8:12] in (b"AIFF", b"AIFC"):
        (length,) = struct.unpack(">I", header[4:8])
        return 8 + length if length < 0x7F000000 else None  # SoX writes that to a pipe
    if header[:4] == b".snd":
        offset, length = struct.unpack(">II", header[4:12])
        return offset + length if length != 0xFFFFFFFF else None
    if header[:4] == b"RF64" and header[8:16] == b"WAVEds64":
        (length,) = struct.unpack("<Q", header[20:28])
        return 8 + length if length < 1 << 63 else None
    if header[:16] == _WAVE64:
        (length,) = struct.unpack("<Q", header[16:24])
        return length if length < 1 << 63 else None
    return None


def _last_page_is_cut(tail: bytes) -> bool:
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < _PAGE_HEADER_BYTES:
        return True
    segments = page[26]
    lengths = page[_PAGE_HEADER_BYTES : _PAGE_HEADER_BYTES + segments]
    return len(page) < _PAGE_HEADER_BYTES + segments + sum(lengths)
