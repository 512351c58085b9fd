"""The Wyoming protocol's events on the wire, read so that no client can make the server keep much.

An event is a line of JSON, then `data_length` bytes of further JSON, then `payload_length` bytes of audio
(https://github.com/rhasspy/wyoming). Lines and data are short or refused; a payload may have any length and
is handed out in pieces.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from kwsembed.errors import UserError

LARGEST_TEXT = 1 << 16
"""Bytes that a line, and the data behind it, may have; the `limit` of the stream that is read."""

_PIECE = 1 << 15


class ProtocolError(UserError):
    """What came is no Wyoming event."""


@dataclass(frozen=True)
class Event:
    """One event, without its payload.

    Args:
        type: What kind, such as `audio-chunk`.
        data: Its values.
        payload_length: Bytes that follow it in the stream.
    """

    type: str
    data: Mapping[str, Any]
    payload_length: int = 0


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """Reads the next event up to its payload, which must be read before the next event.

    Returns:
        The event, or None at the end of the stream.

    Raises:
        ProtocolError: What came is no event.
        asyncio.IncompleteReadError: The stream ended inside the event.
    """
    try:
        line = await reader.readline()
    except ValueError:
        raise ProtocolError("a line is too long", expected=f"at most {LARGEST_TEXT} bytes") from None
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise asyncio.IncompleteReadError(line, None)
    header = _object(line, what="the line")
    data = header.get("data") or {}
    if not isinstance(data, dict) or not isinstance(header.get("type"), str):
        raise ProtocolError("an event without a type, or with other data than an object")
    data_length = _length(header, "data_length", most=LARGEST_TEXT)
    if data_length:
        data = {**data, **_object(await reader.readexactly(data_length), what="the data")}
    return Event(header["type"], data, _length(header, "payload_length"))


async def read_payload(reader: asyncio.StreamReader, event: Event) -> AsyncIterator[bytes]:
    """The bytes behind an event, in pieces of at most 32 KiB."""
    left = event.payload_length
    while left:
        piece = await reader.readexactly(min(left, _PIECE))
        left -= len(piece)
        yield piece


def encode(event_type: str, data: Mapping[str, Any]) -> bytes:
    """The bytes of an event without payload."""
    content = json.dumps(data, ensure_ascii=False).encode()
    header = json.dumps({"type": event_type, "data_length": len(content)}).encode()
    return header + b"\n" + content


def _object(content: bytes, *, what: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProtocolError(f"{what} is no JSON object", received=repr(content[:40]))
    return value


def _length(header: Mapping[str, Any], name: str, *, most: int | None = None) -> int:
    value = header.get(name)
    if value is None:
        return 0
    if type(value) is not int or value < 0 or (most is not None and value > most):
        limit = "" if most is None else f" of at most {most}"
        raise ProtocolError(
            "a length is out of range", expected=f"a number of bytes{limit}", received=f"{name}={value!r:.40}"
        )
    return value
