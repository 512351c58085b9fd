"""Wyoming's own client against the server that is installed for a Raspberry Pi."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detection

from checks.edge import Event, at_edge, lowered
from kwsembed.audio.resample import resample
from kwsembed.audio.wav import to_int16
from kwsembed.bundle import Bundle
from kwsembed.runtime import Detector

# What the client sends instead of the file: other rate, width, channels. Its events must be the file's.
RATE_HZ, CHANNELS, CHUNK_SAMPLES = 44100, 2, 1024
# An event is told once the window that makes it certain is full, before it ends or a little after.
EARLY_S, LATE_S = 0.5, 2.0
ENOUGH_S = 600  # for anything, on any machine


class Device(Protocol):
    """What the installer made: the command, the bundle, and the environment to run in."""

    command: Path
    bundle: Path
    environment: dict[str, str]


def wyoming_problems(
    device: Device, waveform: np.ndarray, rate_hz: int, wanted: list[dict[str, Any]]
) -> list[str]:
    """What goes wrong with three clients at once, and a line on how it went.

    Args:
        device: What is installed.
        waveform: `(samples,)` the recording.
        rate_hz: Its rate.
        wanted: Rows of `detect` on it.
    """
    samples = np.repeat(to_int16(resample(waveform, rate_hz, RATE_HZ))[:, None], CHANNELS, axis=1)
    command = [device.command, "wyoming", device.bundle, "--uri", "tcp://127.0.0.1:0"]
    began_s = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=device.environment) as server:
        assert server.stderr is not None
        try:
            line = server.stderr.readline()
            start_s = time.perf_counter() - began_s
            port = int(line.split(" for ")[0].rpartition(":")[2])
            got = asyncio.run(asyncio.wait_for(_asked(port, samples), ENOUGH_S))
            memory = _peak_memory_mb(server.pid)
        finally:
            server.terminate()
    print(
        f"wyoming: {[len(events) for events in got]} detections for as many clients, "
        f"{memory:.0f} MB at most, listening after {start_s:.2f} s"
    )
    # What the client sends is not the file's samples: events at the edge of their thresholds come and go.
    bundle = Bundle.load(device.bundle)
    sure = [event for event in _events(wanted) if not at_edge(event, bundle.thresholds)]
    detector = Detector(bundle, rate_hz, thresholds=lowered(bundle.thresholds))
    possible = detector.process(waveform) + detector.flush()
    problems = [] if sure else ["wyoming: nothing is surely detected, so nothing is proved"]
    for events in got:
        missed = [
            event
            for event in sure
            if not any(name == event.label and _in_time(at_s, event.onset_s) for name, at_s in events)
        ]
        invented = [
            (name, at_s)
            for name, at_s in events
            if not any(name == one.label and _in_time(at_s, one.onset_s, one.offset_s) for one in possible)
        ]
        for label in {name for name, _ in events}:
            told = sum(name == label for name, _ in events)
            most = max(sum(one.label == label for one in found) for found in (_events(wanted), possible))
            if told > most:
                problems.append(f"wyoming: {label} is told {told} times, of {most} at most")
        problems += [f"wyoming: {event} is not told" for event in missed]
        problems += [f"wyoming: {name} at {at_s} s is told, and is nowhere near" for name, at_s in invented]
    return problems


def _events(rows: list[dict[str, Any]]) -> list[Event]:
    return [Event(row["event_label"], row["onset"], row["offset"], row["score"]) for row in rows]


def _in_time(at_s: float, onset_s: float, last_s: float | None = None) -> bool:
    """Whether an event is told in time that begins there, or between there and `last_s`."""
    return onset_s - EARLY_S <= at_s <= (onset_s if last_s is None else last_s) + LATE_S


async def _asked(port: int, samples: np.ndarray) -> list[list[tuple[str | None, float]]]:
    """What several clients are told at once: names and seconds."""
    return await asyncio.gather(*(_ask(port, samples) for _ in range(3)))


async def _ask(port: int, samples: np.ndarray) -> list[tuple[str | None, float]]:
    form = {"rate": RATE_HZ, "width": 2, "channels": CHANNELS}
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        assert Info.from_event(event).wake[0].models

        async def send() -> None:
            await client.write_event(AudioStart(**form, timestamp=0).event())
            for at in range(0, len(samples), CHUNK_SAMPLES):
                audio = samples[at : at + CHUNK_SAMPLES].astype("<i2").tobytes()
                at_ms = 1000 * at // RATE_HZ
                await client.write_event(AudioChunk(**form, audio=audio, timestamp=at_ms).event())
            await client.write_event(AudioStop().event())
            await client.write_event(Ping().event())

        sending = asyncio.create_task(send())
        got = []
        while (event := await client.read_event()) is not None and not Pong.is_type(event.type):
            if Detection.is_type(event.type):
                detection = Detection.from_event(event)
                got.append((detection.name, (detection.timestamp or 0) / 1000))
        await sending
        return got


def _peak_memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
