"""A Wyoming server: programs such as Home Assistant send audio over TCP and are told of the events in it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kwsembed.bundle import Bundle
from kwsembed.errors import KwsembedError, UserError
from kwsembed.runtime.either import new_detector
from kwsembed.serving.wyoming_events import (
    LARGEST_TEXT,
    Event,
    ProtocolError,
    encode,
    read_event,
    read_payload,
)
from kwsembed.serving.wyoming_info import info
from kwsembed.serving.wyoming_session import AudioFormat, Fired, Session
from kwsembed.stream_bundle import StreamBundle

_Result = TypeVar("_Result")


def parse_uri(uri: str) -> tuple[str, int]:
    """Host and port of `tcp://HOST:PORT`; port 0 lets the system choose.

    Raises:
        UserError: It is something else.

    Example:
        >>> parse_uri("tcp://0.0.0.0:10400")
        ('0.0.0.0', 10400)
    """
    try:
        parts = urlsplit(uri)
        if parts.scheme == "tcp" and parts.hostname and parts.port is not None and not parts.path:
            return parts.hostname, parts.port
    except ValueError:  # a port that is no number, or above 65535
        pass
    raise UserError("the address cannot be used", expected="tcp://HOST:PORT", received=f"uri={uri}")


class WyomingServer:
    """Serves a bundle to several clients at once, each with detectors of its own.

    Scores are computed in threads, one piece of audio of a client at a time, so that the loop stays free and
    no client waits for another's backlog. Of a client that sends faster than it can be scored nothing more is
    read until it is; one that does not take its answers is closed.

    Args:
        bundle: A bundle or a streaming export.
        thresholds: Replace those of the bundle for the labels given.
        runtime: Interpreter to use, see `load_interpreter`.
        most_clients: Clients at a time; further ones are told so and closed.
        patience_s: How long a client may leave its answers untaken.
        say: Called with a line about what goes wrong with a client.

    Raises:
        BundleError: The model cannot be run.

    Example:
        >>> server = WyomingServer(load_bundle("RUN/bundle"))  # doctest: +SKIP
        >>> await server.start("tcp://0.0.0.0:10400")  # doctest: +SKIP
    """

    def __init__(
        self,
        bundle: Bundle | StreamBundle,
        *,
        thresholds: Mapping[str, float] | None = None,
        runtime: str | None = None,
        most_clients: int = 16,
        patience_s: float = 10.0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.bundle, self.say, self.patience_s = bundle, say, patience_s
        self._settings: dict[str, Any] = {"thresholds": thresholds, "runtime": runtime}
        # What cannot run is told now, not to the first client.
        new_detector(bundle, bundle.sample_rate_hz, **self._settings)
        self._most_clients = most_clients
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="score")
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, uri: str) -> str:
        """Begins to listen; returns the address, with the port that was chosen.

        Raises:
            UserError: The address is no `tcp://HOST:PORT`, or cannot be listened on.
        """
        host, port = parse_uri(uri)
        try:
            self._server = await asyncio.start_server(self._connected, host, port, limit=LARGEST_TEXT)
        except OSError as error:
            text = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise UserError(
                f"cannot listen: {text}",
                received=f"uri={uri}",
                fix="choose another --uri, or end what listens there",
            ) from None
        at = self._server.sockets[0].getsockname()
        return f"tcp://[{at[0]}]:{at[1]}" if ":" in at[0] else f"tcp://{at[0]}:{at[1]}"

    async def close(self) -> None:
        """Stops listening, and closes every client."""
        if self._server is not None:
            self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._threads.shutdown()

    async def in_thread(self, call: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
        """Runs what takes time without holding up the other clients."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*args, **kwargs))

    def new_session(self) -> Session:
        """What a client hears with."""
        return Session(self.bundle, **self._settings)

    def format_of(self, event: Event) -> AudioFormat:
        """The audio format that an event states."""
        return AudioFormat.of(event.data, model_rate_hz=self.bundle.sample_rate_hz)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        client = _Client(self, reader, writer)
        if len(self._clients) >= self._most_clients:
            self.say(f"{client.name}: refused, {self._most_clients} clients are connected")
            await client.refuse("there are too many clients")
            return
        self._clients.add(task)
        try:
            await client.serve()
        except asyncio.CancelledError:
            pass  # the server closes
        finally:
            self._clients.discard(task)


class _Client:
    """One connection, from its first event to its end."""

    def __init__(
        self, server: WyomingServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._session = server.new_session()
        peer = writer.get_extra_info("peername")
        self.name = f"client {peer[0]}:{peer[1]}" if peer else "client"
        connection = writer.get_extra_info("socket")
        # A client whose machine has vanished must not keep its place for ever.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    async def serve(self) -> None:
        """Answers until the client leaves, or does what cannot be answered."""
        try:
            while (event := await read_event(self._reader)) is not None:
                await self._answer(event)
        except TimeoutError:
            self._server.say(f"{self.name}: closed, it took no answer for {self._server.patience_s:g} s")
            self._writer.transport.abort()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it left in the midst of an event, as any client may
        except KwsembedError as error:
            self._server.say(f"{self.name}: closed: {error}")
            await self.refuse(str(error), code="invalid" if isinstance(error, ProtocolError) else None)
        finally:
            self._writer.close()

    async def refuse(self, text: str, *, code: str | None = None) -> None:
        """Says why and closes."""
        try:
            await self._send("error", {"text": text, "code": code})
        except (TimeoutError, ConnectionError):
            self._writer.transport.abort()
        self._writer.close()

    async def _answer(self, event: Event) -> None:
        if event.type == "audio-chunk":
            await self._hear(event)
            return
        async for _ in read_payload(self._reader, event):
            pass  # only audio has one that matters
        if event.type == "describe":
            await self._send("info", info(self._server.bundle))
        elif event.type == "detect":
            await self._want(event.data.get("names"))
        elif event.type == "audio-start":
            self._server.format_of(event)
            self._session.start(_timestamp(event))
        elif event.type == "audio-stop":
            await self._tell(await self._server.in_thread(self._session.stop))
            if not self._session.detected:
                await self._send("not-detected", {})
            self._session.start(None)
        elif event.type == "ping":
            await self._send("pong", {"text": event.data.get("text")})
        # Other events are for other services: the protocol grows, and a server drops what it does not know.

    async def _hear(self, event: Event) -> None:
        form, timestamp = self._server.format_of(event), _timestamp(event)
        at = 0
        async for piece in read_payload(self._reader, event):
            at_ms = None if timestamp is None else timestamp + 1000 * at // (form.frame_bytes * form.rate)
            await self._tell(await self._server.in_thread(self._session.hear, piece, form, timestamp=at_ms))
            at += len(piece)

    async def _want(self, names: object) -> None:
        if names is not None and not (isinstance(names, list) and all(isinstance(n, str) for n in names)):
            raise ProtocolError("detect has other names than a list of them", received=f"{names!r:.60}")
        unknown = self._session.want(names)
        if unknown:
            known = ", ".join(self._server.bundle.event_labels)
            text = f"no such model: {', '.join(unknown)}. Expected {known}"
            self._server.say(f"{self.name}: {text}")
            await self._send("error", {"text": text, "code": "unknown-model"})

    async def _tell(self, fired: list[Fired]) -> None:
        for event in fired:
            await self._send("detection", {"name": event.name, "timestamp": event.timestamp, "speaker": None})

    async def _send(self, event_type: str, data: Mapping[str, Any]) -> None:
        self._writer.write(encode(event_type, data))
        await asyncio.wait_for(self._writer.drain(), self._server.patience_s)


def _timestamp(event: Event) -> int | None:
    value = event.data.get("timestamp")
    if value is None or type(value) is int:
        return value
    raise ProtocolError("a timestamp is no whole number of milliseconds", received=f"timestamp={value!r:.40}")
