"""Finding files that were cut off: their own headers promise more bytes than there are.

libsndfile decodes what is left of such a WAV or OGG without a word, so the headers are read here.
"""

from __future__ import annotations

import struct
from pathlib import Path

_TAIL_BYTES = 1 << 17  # an OGG page has at most 65,307 bytes, so the tail holds the last one
_PAGE_HEADER_BYTES = 27
_WHOLE = 0.99  # writers are sloppy about the last few samples


def is_cut_off(path: Path) -> bool:
    """Whether the WAV or OGG file ends before its own stated end; False for other formats.

    Sources: RFC 3533 section 6 (OGG page), the RIFF WAVE chunk layout.
    """
    with path.open("rb") as file:
        start = file.read(12)
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
    return False


def _last_page_is_cut(tail: bytes) -> bool:
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < _PAGE_HEADER_BYTES:
        return True
    segments = page[26]
    lengths = page[_PAGE_HEADER_BYTES : _PAGE_HEADER_BYTES + segments]
    return len(page) < _PAGE_HEADER_BYTES + segments + sum(lengths)
