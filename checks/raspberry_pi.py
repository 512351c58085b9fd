"""Exports a run for a Raspberry Pi, installs the folder as its user would, and talks to what runs then.

    python -m checks.raspberry_pi RUN --work DIR --audio stream.wav

The installer makes a virtual environment without TensorFlow under DIR. In it run `detect`, with a real MQTT
broker (mosquitto, if it is installed), and `wyoming`, with the client of the package `wyoming`, which sends
the audio in another format. Units go to `systemd-analyze`, if it is there. Exits 1 if the installation fails,
if a client is told of other events than `detect` finds in the file (those at the edge of their thresholds may
come and go), or if a unit is faulty. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from checks.wyoming_clients import ENOUGH_S, wyoming_problems
from kwsembed.audio import decode
from kwsembed.audio.wav import to_int16
from kwsembed.export_targets import raspberry_pi

PARTS = ("detect", "wyoming")
MOST_EXPOSED = 2.5  # of 10, by systemd's own measure; 9.6 is a service without any protection


def main() -> int:
    """Checks and prints a line for each finding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--work", type=Path, required=True, help="folder for export and installation")
    parser.add_argument("--audio", type=Path, required=True, help="WAV in which something is detected")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    prefix = work / "installed"
    raspberry_pi.export(arguments.run, work / "folder")
    installer = ["sh", work / "folder" / "install.sh", *PARTS, "--prefix", prefix, "--no-services"]
    installed = subprocess.run(
        installer, capture_output=True, text=True, env={**os.environ, "PYTHON": sys.executable}
    )
    if installed.returncode:
        print(f"PROBLEM: install.sh: {installed.stderr.strip() or installed.stdout}")
        return 1
    device = _Device(prefix)
    print(f"installed: {device.kwsembed('doctor').splitlines()[0]}, {device.interpreter()}")
    wanted = _rows(device.kwsembed("detect", device.bundle, arguments.audio, "--format", "jsonl"))
    waveform, rate_hz = decode.read(arguments.audio)
    print(f"detect: {len(wanted)} events in {len(waveform) / rate_hz:.0f} s")
    problems = [] if wanted else ["nothing is detected, so nothing is proved"]
    problems += wyoming_problems(device, waveform, rate_hz, wanted)
    problems += _mqtt(device, work, waveform, rate_hz, wanted)
    problems += _units(prefix / "systemd")
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return int(bool(problems))


class _Device:
    """What the installer made, run as on a device: nothing of this process's environment."""

    def __init__(self, prefix: Path) -> None:
        self.command = prefix / "venv" / "bin" / "kwsembed"
        self.bundle = prefix / "bundle"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KWSEMBED"))
        }

    def kwsembed(self, *arguments: Any, content: bytes | None = None) -> str:
        """Standard output of a command."""
        command = [self.command, *map(str, arguments)]
        done = subprocess.run(command, input=content, capture_output=True, env=self.environment)
        if done.returncode:
            sys.exit(f"kwsembed {arguments[0]} failed: {done.stderr.decode().strip()}")
        return done.stdout.decode()

    def interpreter(self) -> str:
        """The interpreters that are there, as doctor says."""
        lines = self.kwsembed("doctor").partition("interpreters\n")[2].partition("\ndecoders")[0].splitlines()
        return ", ".join(line.split(maxsplit=1)[1] for line in lines if line.split()[0] == "ok")


def _rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _mqtt(
    device: _Device, work: Path, waveform: np.ndarray, rate_hz: int, wanted: list[dict[str, Any]]
) -> list[str]:
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if mosquitto is None:
        print("mqtt: skipped, mosquitto is not installed")
        return []
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    port = 18830 + os.getpid() % 1000
    config = work / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    told: list[dict[str, Any]] = []
    online, offline = threading.Event(), threading.Event()

    def heard(client: Any, data: Any, message: Any) -> None:
        text = message.payload.decode()
        if message.topic.endswith("/availability"):
            (online if text == "online" else offline).set()
        elif message.topic.startswith("kwsembed/"):
            told.append(json.loads(text))

    broker = subprocess.Popen([mosquitto, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listener = paho.Client(CallbackAPIVersion.VERSION2)
    listener.on_connect = lambda client, *_: client.subscribe("kwsembed/#", qos=1)
    listener.on_message = heard
    listener.reconnect_delay_set(1, 1)
    listener.connect_async("127.0.0.1", port)
    listener.loop_start()
    try:
        command = [device.command, "detect", device.bundle, "-", "--sample-rate", str(rate_hz)]
        command += ["--format", "jsonl", "--mqtt", f"127.0.0.1:{port}"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=device.environment
        )
        came = online.wait(ENOUGH_S)
        printed = _rows(process.communicate(to_int16(waveform).astype("<i2").tobytes())[0].decode())
        came = came and offline.wait(ENOUGH_S)
    finally:
        listener.loop_stop()
        broker.terminate()
        broker.wait()
    print(f"mqtt: {len(told)} messages of {len(printed)} events")
    problems = [] if came else ["mqtt: the broker was not told online and offline"]
    if [row["event_label"] for row in printed] != [row["event_label"] for row in sorted(wanted, key=_end)]:
        problems.append(f"mqtt: a pipe gives {printed}, the file {wanted}")
    for kind in ("started", "ended"):
        labels = sorted(message["label"] for message in told if message["event_type"] == kind)
        if labels != sorted(row["event_label"] for row in printed):
            problems.append(f"mqtt: {kind} is told of {labels}, detect prints {printed}")
    return problems


def _end(row: dict[str, Any]) -> float:
    return row["offset"]


def _units(folder: Path) -> list[str]:
    if shutil.which("systemd-analyze") is None:
        print("units: skipped, systemd-analyze is not installed")
        return []
    problems = []
    for unit in sorted(folder.glob("*.service")):
        checks = (["verify"], ["security", "--offline=yes", f"--threshold={round(10 * MOST_EXPOSED)}"])
        for check in checks:
            done = subprocess.run(["systemd-analyze", *check, unit], capture_output=True, text=True)
            said = f"{done.stdout}\n{done.stderr}".strip().splitlines()
            if check[0] == "security":
                print(f"units: {next((line[2:] for line in said if 'Overall' in line), said)}")
            if done.returncode or (check[0] == "verify" and said):
                problems.append(f"{unit.name}: {check[0]}: {said}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
