"""The Wyoming server and the package `wyoming`'s own client: what `detect` finds, and no client harms it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("wyoming", reason="the package wyoming is the client")

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from kwsembed.cli.main import main
from kwsembed.runtime.either import load_bundle, new_detector
from kwsembed.serving import wyoming_events
from kwsembed.serving.wyoming_server import WyomingServer
from kwsembed.serving.wyoming_session import Session

EVENTS = (("tone_3k", 3000, 1.0, 1.5), ("tone_1k", 1000, 3.0, 4.5))
STREAM_S = 6
FORM = {"rate": 16000, "width": 2, "channels": 1}
ENOUGH_S = 60  # for any answer, on any machine


def stream(rate_hz=16000, level=0.6):
    """Faint noise with the two tones in it, (samples,) float."""
    waveform = np.random.default_rng(0).normal(scale=0.003, size=STREAM_S * rate_hz)
    for _, hz, onset_s, offset_s in EVENTS:
        time_s = np.arange(round((offset_s - onset_s) * rate_hz)) / rate_hz
        waveform[round(onset_s * rate_hz) :][: len(time_s)] += level * np.sin(2 * np.pi * hz * time_s)
    return waveform


def pcm(waveform, width=2, channels=1):
    """Bytes of a waveform: the channels differ, their mean is it."""
    factors = 1 + (np.arange(channels) - (channels - 1) / 2) / max(channels, 1)
    samples = np.round(waveform[:, None] * factors * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    if width == 1:
        return (samples + 128).astype(np.uint8).tobytes()
    return samples.astype("<i8").ravel().view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


@contextlib.asynccontextmanager
async def serving(bundle, **settings):
    """A server on a free port; yields it and what makes a client."""
    said = []
    server = WyomingServer(load_bundle(bundle), say=said.append, **settings)
    server.said = said
    host, port = (await server.start("tcp://127.0.0.1:0"))[len("tcp://") :].split(":")
    server.address = host, int(port)
    try:
        yield server
    finally:
        await server.close()


def client_of(server):
    return AsyncTcpClient(*server.address)


async def answer(client):
    return await asyncio.wait_for(client.read_event(), ENOUGH_S)


async def send_audio(client, content, *, rate=16000, width=2, channels=1, chunk=2048, start_ms=0):
    form = {"rate": rate, "width": width, "channels": channels}
    await client.write_event(AudioStart(**form, timestamp=start_ms).event())
    for at in range(0, len(content), chunk):
        at_ms = start_ms + 1000 * at // (width * channels * rate)
        audio = content[at : at + chunk]
        await client.write_event(AudioChunk(**form, audio=audio, timestamp=at_ms).event())
    await client.write_event(AudioStop().event())
    await client.write_event(Ping(text="end").event())


async def detections(client):
    """What comes before the pong that ends it: (name, milliseconds), or None for `not-detected`."""
    got = []
    while not Pong.is_type((event := await answer(client)).type):
        assert Detection.is_type(event.type) or NotDetected.is_type(event.type), event
        detection = Detection.from_event(event)
        got.append((detection.name, detection.timestamp) if Detection.is_type(event.type) else None)
    return got


async def still_serves(server):
    async with client_of(server) as client:
        await client.write_event(Describe().event())
        assert Info.is_type((await answer(client)).type)


def test_each_event_label_is_a_wake_model(tone_bundle):
    async def scenario():
        async with serving(tone_bundle) as server, client_of(server) as client:
            await client.write_event(Describe().event())
            return Info.from_event(await answer(client))

    info = asyncio.run(scenario())
    assert [model.name for model in info.wake[0].models] == ["tone_1k", "tone_3k"]
    assert [model.phrase for model in info.wake[0].models] == ["tone 1k", "tone 3k"]
    assert not info.asr
    assert info.wake[0].installed


@pytest.mark.parametrize(
    "rate, width, channels, chunk",
    [
        (16000, 2, 1, 2048),
        (16000, 2, 1, 1001),  # cuts samples in two
        (16000, 2, 1, 10**9),  # all at once
        (44100, 2, 2, 4096),
        (48000, 4, 1, 4096),
        (22050, 3, 3, 9 * 512),
        (11025, 1, 1, 512),
        (11024, 2, 1, 4096),
    ],
)
def test_any_format_fires_on_the_events_that_detect_finds(tone_bundle, rate, width, channels, chunk):
    async def scenario():
        async with serving(tone_bundle) as server, client_of(server) as client:
            content = pcm(stream(rate, level=0.45), width, channels)
            form = {"rate": rate, "width": width, "channels": channels}
            await send_audio(client, content, chunk=chunk, start_ms=70_000, **form)
            return await detections(client)

    got = asyncio.run(scenario())
    detector = new_detector(load_bundle(tone_bundle), rate)
    wanted = detector.process(stream(rate, level=0.45)) + detector.flush()
    assert [name for name, _ in got] == [detection.label for detection in wanted] == ["tone_3k", "tone_1k"]
    for (_, at_ms), detection in zip(got, wanted, strict=True):
        # Certain once the first window that hears it is full and the filter is through: within a second.
        assert detection.onset_s - 1.5 <= at_ms / 1000 - 70 <= detection.onset_s + 1.5


def test_an_event_is_told_before_it_ends(tone_bundle):
    waveform = stream()
    until = round(3.9 * 16000)  # amid the second tone

    async def scenario():
        async with serving(tone_bundle) as server, client_of(server) as client:
            chunk = AudioChunk(rate=16000, width=2, channels=1, audio=pcm(waveform[:until]))
            await client.write_event(chunk.event())
            await client.write_event(Ping(text="end").event())
            return await detections(client)

    assert [name for name, _ in asyncio.run(scenario())] == ["tone_3k", "tone_1k"]


def test_only_the_names_asked_for_are_told_and_silence_is_not_detected(tone_bundle):
    async def scenario():
        async with serving(tone_bundle) as server, client_of(server) as client:
            got = []
            for names, audio in ((["tone_1k"], stream()), (None, stream()), ([], np.zeros(16000))):
                await client.write_event(Detect(names=names).event())
                await send_audio(client, pcm(audio))
                got.append([one and one[0] for one in await detections(client)])
            await client.write_event(Detect(names=["alexa"]).event())
            got.append(Error.from_event(await answer(client)).text)
            await send_audio(client, pcm(stream()))
            got.append(await detections(client))
            return got

    some, everything, silence, error, unknown = asyncio.run(scenario())
    assert some == ["tone_1k"]
    assert everything == ["tone_3k", "tone_1k"]
    assert silence == [None]
    assert error == "no such model: alexa. Expected tone_1k, tone_3k"
    assert unknown == [None]


def test_many_clients_hear_their_own_audio(tone_bundle):
    async def one(server, names, start_ms):
        async with client_of(server) as client:
            await client.write_event(Detect(names=names).event())
            await send_audio(client, pcm(stream()), start_ms=start_ms)
            return await detections(client)

    async def scenario():
        async with serving(tone_bundle) as server:
            wanted = [(["tone_3k"], 0), (["tone_1k"], 10_000), (None, 20_000), (["tone_1k"], 30_000)]
            return await asyncio.gather(*(one(server, *arguments) for arguments in wanted))

    got = asyncio.run(scenario())
    assert [[name for name, _ in events] for events in got] == [
        ["tone_3k"],
        ["tone_1k"],
        ["tone_3k", "tone_1k"],
        ["tone_1k"],
    ]
    assert got[1][0][1] - got[2][1][1] == -10_000 == got[1][0][1] - got[3][0][1] + 10_000


def test_scoring_one_client_keeps_no_other_waiting(tone_bundle, monkeypatch):
    hear, begun, go_on = Session.hear, threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        begun.set()
        assert go_on.wait(ENOUGH_S)
        return hear(*args, **kwargs)

    monkeypatch.setattr(Session, "hear", slow)

    async def scenario():
        async with serving(tone_bundle) as server, client_of(server) as busy:
            sending = asyncio.create_task(send_audio(busy, pcm(stream())))
            while not begun.is_set():
                await asyncio.sleep(0.01)
            for _ in range(3):
                await still_serves(server)  # while the first piece is being scored
            go_on.set()
            await sending
            return await detections(busy)

    assert [name for name, _ in asyncio.run(scenario())] == ["tone_3k", "tone_1k"]


def test_a_long_backlog_is_not_taken_in_before_it_is_scored(tone_bundle, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(Session, "hear", lambda *args, **kwargs: [] if go_on.wait(ENOUGH_S) else None)

    async def scenario():
        async with serving(tone_bundle) as server:
            _, writer = await asyncio.open_connection(*server.address)
            size = 1 << 28
            writer.write(json.dumps({"type": "audio-chunk", "data": FORM, "payload_length": size}).encode())
            writer.write(b"\n")
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < size:
                    writer.write(bytes(1 << 20))
                    await asyncio.wait_for(writer.drain(), 0.5)
                    sent += 1 << 20
            go_on.set()
            writer.close()
            return sent

    # What the sockets of both sides hold, and no more.
    assert asyncio.run(asyncio.wait_for(scenario(), ENOUGH_S)) < 1 << 25


def test_a_client_that_leaves_amid_a_chunk_is_forgotten(tone_bundle):
    async def scenario():
        async with serving(tone_bundle) as server:
            for cut in (b'{"type": "audio-chu', b'{"type": "audio-chunk", "data_length": 100}\n{"ra', None):
                _, writer = await asyncio.open_connection(*server.address)
                if cut is None:
                    chunk = AudioChunk(16000, 2, 1, bytes(100_000)).event()
                    header = json.dumps({"type": chunk.type, "data": chunk.data, "payload_length": 100_000})
                    cut = header.encode() + b"\n" + bytes(50_001)
                writer.write(cut)
                await writer.drain()
                writer.close()
            await still_serves(server)
            while server._clients:
                await asyncio.sleep(0.01)
            return server.said

    assert asyncio.run(asyncio.wait_for(scenario(), ENOUGH_S)) == []


@pytest.mark.parametrize(
    "content, why",
    [
        (b"\x00\xff\xfe\x80garbage\n", "no JSON object"),
        (b"GET / HTTP/1.1\r\n\r\n", "no JSON object"),
        (b"[1, 2]\n", "no JSON object"),
        (b"[" * 60_000 + b"\n", "no JSON object"),
        (b'{"data": {}}\n', "without a type"),
        (b'{"type": "detect", "data": 3}\n', "without a type"),
        (b'{"type": "detect", "data": {"names": "tone_1k"}}\n', "other names"),
        (b'{"type": "detect", "data_length": 99999999}\n', "data_length=99999999"),
        (b'{"type": "ping", "payload_length": -1}\n', "payload_length=-1"),
        (b'{"type": "ping", "payload_length": true}\n', "payload_length=True"),
        (b'{"type": "ping", "payload_length": 1e3}\n', "payload_length=1000.0"),
        (b'{"type": "ping", "data_length": 3}\nxyz', "the data is no JSON object"),
        (b"x" * 300_000, "a line is too long"),
    ],
)
def test_what_is_no_event_is_answered_and_closed(tone_bundle, content, why):
    async def scenario():
        async with serving(tone_bundle) as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(content)
            with contextlib.suppress(ConnectionError):  # closed while we still send
                await reader.read()
            writer.close()
            await still_serves(server)
            return server.said

    said = asyncio.run(asyncio.wait_for(scenario(), ENOUGH_S))
    assert len(said) == 1
    assert why in said[0]
    assert len(said[0]) < 300


@pytest.mark.parametrize(
    "form",
    [
        {"rate": 0, "width": 2, "channels": 1},
        {"rate": -16000, "width": 2, "channels": 1},
        {"rate": 10**30, "width": 2, "channels": 1},
        {"rate": 191_999, "width": 2, "channels": 1},
        {"rate": 16000, "width": 0, "channels": 1},
        {"rate": 16000, "width": 8, "channels": 1},
        {"rate": 16000, "width": 2, "channels": 0},
        {"rate": 16000, "width": 2, "channels": 10_000},
        {"rate": "16000", "width": 2, "channels": 1},
        {"rate": 16000.5, "width": 2, "channels": 1},
        {"rate": 16000, "width": True, "channels": 1},
        {"rate": 16000, "width": 2},
    ],
)
@pytest.mark.parametrize("event_type", ["audio-start", "audio-chunk"])
def test_absurd_formats_are_refused_with_what_would_do(tone_bundle, form, event_type):
    async def scenario():
        async with serving(tone_bundle) as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(json.dumps({"type": event_type, "data": form}).encode() + b"\n")
            client = AsyncTcpClient(*server.address)
            client._reader = reader
            error, end = Error.from_event(await answer(client)), await answer(client)
            writer.close()
            await still_serves(server)
            return error.text, end

    text, end = asyncio.run(scenario())
    assert "width 1 to 4, channels 1 to 64" in text
    assert end is None


def test_a_client_that_takes_no_answers_is_closed_and_holds_up_nobody(tone_bundle):
    async def scenario():
        async with serving(tone_bundle, patience_s=0.3) as server:
            _, writer = await asyncio.open_connection(*server.address, limit=1)
            with contextlib.suppress(ConnectionError):
                while True:  # until the server has enough
                    writer.write(b'{"type": "describe"}\n' * 1000)
                    await writer.drain()
                    await still_serves(server)
            return server.said

    said = asyncio.run(asyncio.wait_for(scenario(), ENOUGH_S))
    assert len(said) == 1
    assert "closed, it took no answer for 0.3 s" in said[0]


def test_clients_beyond_the_most_are_told_and_others_stay(tone_bundle):
    async def scenario():
        async with serving(tone_bundle, most_clients=1) as server:
            async with client_of(server) as first:
                await first.write_event(Describe().event())
                await answer(first)
                async with client_of(server) as second:
                    refused = Error.from_event(await answer(second)).text
                await first.write_event(Describe().event())
                assert Info.is_type((await answer(first)).type)
            while server._clients:
                await asyncio.sleep(0.01)
            await still_serves(server)
            return refused

    assert asyncio.run(scenario()) == "there are too many clients"


def test_a_rate_that_changes_within_a_stream_begins_a_new_detector(tone_bundle):
    async def scenario():
        async with serving(tone_bundle) as server, client_of(server) as client:
            for rate in (16000, 48000):
                chunk = AudioChunk(rate=rate, width=2, channels=1, audio=pcm(stream(rate)))
                await client.write_event(chunk.event())
            await client.write_event(Ping(text="end").event())
            return await detections(client)

    assert [name for name, _ in asyncio.run(scenario())] == 2 * ["tone_3k", "tone_1k"]


@pytest.mark.slow
def test_a_streaming_export_is_served_too(tmp_path):
    pytest.importorskip("tensorflow")
    import toy_export as toy

    from kwsembed.export_targets.streaming import stream_bundle
    from kwsembed.tflite.streaming_export import export_streaming

    bundle = stream_bundle(source := toy.write_toy_bundle(tmp_path / "bundle"), export_streaming(source))
    bundle.write(tmp_path)
    waveform = toy.waveform(20, seed=7)
    as_sent = np.frombuffer(pcm(waveform), "<i2")
    detector = new_detector(bundle, 16000)
    wanted = detector.process(as_sent) + detector.flush()
    assert wanted

    async def scenario():
        async with serving(tmp_path) as server, client_of(server) as client:
            await send_audio(client, pcm(waveform))
            return await detections(client)

    names = [name for name, _ in asyncio.run(scenario())]
    assert sorted(names) == sorted(detection.label for detection in wanted)


@pytest.mark.parametrize(
    "uri", ["0.0.0.0:10400", "tcp://localhost", "tcp://localhost:99999", "udp://localhost:1", "tcp://:1", "x"]
)
def test_an_address_that_is_none_is_one_line_and_2(tone_bundle, uri, capsys):
    assert main(["wyoming", str(tone_bundle), "--uri", uri]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Expected tcp://HOST:PORT" in err


def test_a_port_in_use_and_a_changed_bundle_are_one_line_and_2(tone_bundle, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = "tcp://127.0.0.1:{1}".format(*taken.getsockname())
        assert main(["wyoming", str(tone_bundle), "--uri", uri]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "cannot listen: Address already in use" in err
    shutil.copytree(tone_bundle, tmp_path / "changed")
    labels = tmp_path / "changed" / "labels.txt"
    labels.write_text(labels.read_text().replace("tone_1k", "tone_9k"))
    assert main(["wyoming", str(tmp_path / "changed")]) == 2
    assert "labels.txt was changed after it was written" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_stopped(tone_bundle, number):
    command = [sys.executable, "-m", "kwsembed", "wyoming", str(tone_bundle), "--uri", "tcp://127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        line = next(line for line in process.stderr if "listening" in line)
        port = int(line.split(" for ")[0].rpartition(":")[2])

        async def scenario():
            async with AsyncTcpClient("127.0.0.1", port) as client:
                await client.write_event(Describe().event())
                await answer(client)
                process.send_signal(number)
                return await answer(client)  # closed, though it was connected

        assert asyncio.run(scenario()) is None
        assert process.wait(ENOUGH_S) == 0
        assert process.stderr.read() == ""


def test_a_payload_is_handed_out_in_small_pieces():
    async def scenario():
        reader = asyncio.StreamReader(limit=wyoming_events.LARGEST_TEXT)
        reader.feed_data(b'{"type": "audio-chunk", "payload_length": 100000}\n' + bytes(100_000) + b"{}")
        event = await wyoming_events.read_event(reader)
        return [len(piece) async for piece in wyoming_events.read_payload(reader, event)]

    sizes = asyncio.run(scenario())
    assert sum(sizes) == 100_000
    assert max(sizes) <= 1 << 15
