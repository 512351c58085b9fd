"""Toy corpora and a loopback web server for the tests of the recipes."""

from __future__ import annotations

import hashlib
import re
import tarfile
import threading
import wave
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

ESC50_ROWS = [
    # filename, category, in ESC-10
    ("1-100-A-0.wav", "dog", True),
    ("1-101-A-20.wav", "crying_baby", True),
    ("2-200-A-0.wav", "dog", True),
    ("2-200-B-0.wav", "dog", True),
    ("2-201-A-10.wav", "rain", True),
    ("3-300-A-0.wav", "dog", True),
    ("3-301-A-10.wav", "rain", True),
    ("4-400-A-6.wav", "hen", False),
    ("4-401-A-10.wav", "rain", True),
    ("5-400-A-1.wav", "rooster", True),  # the recording of 4-400-A-6: the official folds tear it apart
    ("5-500-A-0.wav", "dog", True),
]
SPEAKERS = {"train": "0a0a0a0a", "validation": "1b1b1b1b", "test": "2c2c2c2c"}


def write_tone(path: Path, *, hz: float, duration_s: float = 1.0, sample_rate_hz: int = 16000) -> None:
    """Writes a sine with some noise, so that no two files and no two pieces are alike."""
    time_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    noise = np.random.default_rng(round(hz)).standard_normal(len(time_s))
    waveform = 0.3 * np.sin(2 * np.pi * hz * time_s) + 0.02 * noise
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes((waveform * 32767).astype("<i2").tobytes())


def write_esc50(folder: Path) -> None:
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for position, (name, category, esc10) in enumerate(ESC50_ROWS):
        fold, source, take, target = name.removesuffix(".wav").split("-")
        lines.append(f"{name},{fold},{target},{category},{esc10},{source},{take}")
        write_tone(folder / "audio" / name, hz=200 + 50 * position)
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")


def write_speech_commands(folder: Path) -> None:
    for position, word in enumerate(("yes", "no", "marvin")):
        for take, speaker in enumerate(SPEAKERS.values()):
            write_tone(folder / word / f"{speaker}_nohash_{take}.wav", hz=300 + 100 * position + 10 * take)
    for split, name in (("validation", "validation_list.txt"), ("test", "testing_list.txt")):
        take = list(SPEAKERS).index(split)
        names = [f"{word}/{SPEAKERS[split]}_nohash_{take}.wav" for word in ("yes", "no", "marvin")]
        (folder / name).write_text("\n".join(names) + "\n")
    for hz, noise in ((90, "white_noise"), (95, "running_tap"), (99, "exercise_bike")):
        write_tone(folder / "_background_noise_" / f"{noise}.wav", hz=hz, duration_s=2.5)
    (folder / "LICENSE").write_text("CC BY 4.0\n")


def write_md5_list(path: Path, folder: Path) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    path.write_text(
        "".join(f"{hashlib.md5(f.read_bytes()).hexdigest()}  {f.relative_to(folder)}\n" for f in files)
    )


def pack_zip(archive: Path, folder: Path, *, top: str) -> None:
    with zipfile.ZipFile(archive, "w") as opened:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            opened.write(file, f"{top}/{file.relative_to(folder)}")


def pack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(folder, ".")


class LoopbackServer:
    """Serves one content; its faults are settings.

    Attributes:
        url: Base address.
        requests: Range header of every request so far, None where there was none.
        content: What it serves.
        cut_after: Bytes after which each of the next `cuts` answers ends early.
        cuts: How many answers are still to be cut.
        ranges: Whether it honours Range.
        failures: Status codes for the next answers, before it serves anything.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.url = ""
        self.requests: list[str | None] = []
        self.cut_after = 0
        self.cuts = 0
        self.ranges = True
        self.failures: list[int] = []

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


@contextmanager
def loopback(content: bytes) -> Iterator[LoopbackServer]:
    state = LoopbackServer(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append(asked)
            if state.failures:
                self.send_error(state.failures.pop(0))
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and state.ranges else 0
            if self.headers.get("If-Range", state.etag) != state.etag:
                start = 0
            if start and start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                total = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", state.etag)
            self.end_headers()
            if state.cuts:
                state.cuts -= 1
                body = body[: state.cut_after]
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
