"""`kwsembed detect`: events in files, in raw samples on standard input, or at the microphone."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.audio import pcm
from kwsembed.audio.decode import blocks, find_audio, probe
from kwsembed.bundle import Bundle
from kwsembed.cli.audio_files import (
    FileTally,
    add_runtime_options,
    add_threshold_option,
    named,
    progress_beside_output,
    table_output,
)
from kwsembed.cli.options import positive, whole
from kwsembed.detection.events import Detection
from kwsembed.errors import AudioError, UserError
from kwsembed.runtime import Detector
from kwsembed.runtime.either import load_bundle, new_detector
from kwsembed.runtime.streaming import StreamingDetector
from kwsembed.stream_bundle import StreamBundle

COLUMNS = ("filename", "onset", "offset", "event_label", "score")
_FILE_CHUNK_S, _LIVE_CHUNK_S = 10.0, 0.1
_SNIFFED_BYTES = 12

Write = Callable[[str, Detection], None]
Tell = Callable[..., None]
"""Takes the detections that ended, and with `hearing` the labels under way."""


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "detect",
        help="when does what happen? TSV on standard output",
        description="Writes a row per detected event: filename, onset and offset in seconds, label, score. "
        "A file's rows are sorted by onset and come when it is done, those of a live stream as events end. "
        "BUNDLE may be a streaming export. A broker's user, password and TLS are taken from the environment: "
        "KWSEMBED_MQTT_USERNAME, _PASSWORD, _TLS, _CA_FILE, _CERT_FILE, _KEY_FILE, _DEVICE.",
        epilog="example: kwsembed detect RUN/bundle stream.wav > events.tsv; "
        "arecord -f S16_LE -r 16000 -t raw | kwsembed detect RUN/bundle -",
    )
    add_runtime_options(parser)
    audio = parser.add_argument(
        "audio",
        metavar="AUDIO",
        nargs="+",
        default=[],
        help="audio files, folders of them, or - for raw 16-bit PCM on stdin; none with --mic",
    )
    # Not nargs="*": argparse would take it as given, empty, at an option between BUNDLE and AUDIO.
    audio.required = False
    parser.add_argument("--mic", action="store_true", help="listen to the microphone until Ctrl-C")
    parser.add_argument(
        "--format", choices=("tsv", "jsonl"), default="tsv", help="of the output (default: tsv)"
    )
    add_threshold_option(parser)
    parser.add_argument(
        "--mqtt", metavar="HOST[:PORT]", help="with --mic or -: also tell this MQTT broker and Home Assistant"
    )
    parser.add_argument(
        "--veto-unknown",
        action="store_true",
        help="take hits back whose sound lies far from all that their label was trained on (off unless "
        "asked for; see docs/unknown.md)",
    )
    parser.add_argument(
        "--sample-rate", type=whole, default=16000, metavar="HZ", help="of - and --mic (default: 16000)"
    )
    parser.add_argument("--channels", type=whole, default=1, metavar="N", help="of - (default: 1)")
    parser.add_argument(
        "--chunk-s",
        type=positive,
        metavar="S",
        help=f"seconds taken at once (default: {_FILE_CHUNK_S:g}, live {_LIVE_CHUNK_S:g}); changes no result",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; 2 if no file could be used."""
    live = args.mic or args.audio == ["-"]
    if args.mic and args.audio:
        raise UserError("--mic listens to the microphone only", received=f"AUDIO={' '.join(args.audio)}")
    if not args.mic and not args.audio:
        raise UserError("nothing to listen to", expected="audio files, folders, - or --mic")
    if "-" in args.audio and not live:
        raise UserError("- cannot be mixed with files", received=f"AUDIO={' '.join(args.audio)}")
    if args.mqtt is not None and not live:
        raise UserError("--mqtt tells of a live stream", expected="--mic or -", received="files")
    bundle = load_bundle(args.bundle)
    settings = {
        "thresholds": dict(args.threshold),
        "veto_unknown": args.veto_unknown,
        "runtime": args.runtime,
    }
    paths = [] if live else find_audio(args.audio)
    detectors = _Detectors(bundle, settings)
    if live:
        detector = detectors.at(args.sample_rate)
        chunk_s = args.chunk_s or _LIVE_CHUNK_S
        if args.mic:
            from kwsembed.audio import microphone

            chunks = microphone.blocks(args.sample_rate, block_s=chunk_s, on_overflow=_report_overflow)
        else:
            chunks = _standard_input(args.sample_rate, args.channels, chunk_s)
        name = "mic" if args.mic else "-"
        with _telling(args.mqtt, bundle) as tell:
            return _detect_live(detector, chunks, name, _writer(args.format), tell)
    return _detect_files(detectors, paths, args.chunk_s or _FILE_CHUNK_S, _writer(args.format))


class _Detectors:
    """One detector per sample rate, made when it is needed."""

    def __init__(self, bundle: Bundle | StreamBundle, settings: dict[str, Any]) -> None:
        self._bundle, self._settings = bundle, settings
        rate_hz = bundle.sample_rate_hz
        self._made = {rate_hz: new_detector(bundle, rate_hz, **settings)}

    def at(self, sample_rate_hz: int) -> Detector | StreamingDetector:
        if sample_rate_hz not in self._made:
            self._made[sample_rate_hz] = new_detector(self._bundle, sample_rate_hz, **self._settings)
        return self._made[sample_rate_hz]


def _detect_files(detectors: _Detectors, paths: list[Path], chunk_s: float, write: Write) -> int:
    tally = FileTally("detect")
    progress = progress_beside_output("detecting", unit="s")
    durations_s = [_duration_s(path) for path in paths]
    total_s = math.ceil(sum(durations_s))
    before_s = 0.0
    for path, duration_s in zip(paths, durations_s, strict=True):
        heard_s = 0.0
        try:
            chunks, sample_rate_hz = blocks(path, block_s=chunk_s)
            detector = detectors.at(sample_rate_hz)
            found: list[Detection] = []
            try:
                for chunk in chunks:
                    found += detector.process(chunk)
                    heard_s += len(chunk) / sample_rate_hz
                    progress(min(int(before_s + heard_s), total_s - 1), total_s)
            finally:
                found += detector.flush()  # ready for the next file, whatever happened to this one
        except AudioError as error:
            tally.skipped(named(error, path))
        else:
            tally.used()
            for detection in sorted(found, key=lambda d: (d.onset_s, d.label)):
                write(str(path), detection)
        before_s += duration_s
    progress(total_s, total_s)
    return tally.finish()


def _detect_live(
    detector: Detector | StreamingDetector,
    chunks: Iterator[np.ndarray],
    name: str,
    write: Write,
    tell: Tell | None,
) -> int:
    heard = False

    def report(ended: list[Detection]) -> None:
        for detection in ended:
            write(name, detection)
        if tell is not None:
            tell(ended, hearing=detector.hearing)

    try:
        for chunk in chunks:
            heard = heard or len(chunk) > 0
            report(detector.process(chunk))
    except KeyboardInterrupt:
        pass  # the usual end of a live stream: what is open is still reported
    report(detector.flush())
    if not heard:
        raise AudioError("no sound came", where=name)
    return 0


@contextlib.contextmanager
def _telling(address: str | None, bundle: Bundle | StreamBundle) -> Iterator[Tell | None]:
    """What tells an MQTT broker of a live stream's events, if one is named."""
    if address is None:
        yield None
        return
    from kwsembed.serving.mqtt import MqttPublisher
    from kwsembed.serving.mqtt_settings import MqttSettings

    with MqttPublisher(MqttSettings.from_environment(address), bundle.event_labels, say=_say) as publisher:
        yield publisher.update


def _standard_input(sample_rate_hz: int, channels: int, chunk_s: float) -> Iterator[np.ndarray]:
    """Signed 16-bit little-endian samples, interleaved channels, averaged to one."""
    if sys.stdin is None:  # as after `<&-`
        raise AudioError("standard input is closed", where="-")
    frame_bytes = 2 * channels
    size = max(1, round(chunk_s * sample_rate_hz)) * frame_bytes
    sniffed = math.ceil(_SNIFFED_BYTES / frame_bytes) * frame_bytes
    content = sys.stdin.buffer.read(max(size, sniffed))
    _refuse_encoded(content)
    while content:
        left_over = len(content) % frame_bytes
        if left_over:
            _say(f"the stream ended inside a sample; its last {left_over} bytes are ignored")
        yield pcm.to_mono(content[: len(content) - left_over], width=2, channels=channels)
        content = sys.stdin.buffer.read(size)


def _refuse_encoded(start: bytes) -> None:
    """Refuses what begins like an audio file: as raw samples it would be noise, or sound at a wrong rate."""
    kinds = ((b"OggS", "Ogg"), (b"fLaC", "FLAC"), (b"ID3", "MP3"))
    kind = next((name for magic, name in kinds if start.startswith(magic)), None)
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        kind = "WAV"
    if kind is not None:
        raise AudioError(
            f"standard input begins like {kind}",
            expected="raw 16-bit samples",
            fix="name the file instead of -, or send raw samples, such as those of arecord -t raw",
        )


def _writer(format_name: str) -> Write:
    """Writes the header, if any; returns what writes a detection so that a reader sees it at once."""
    output = table_output()
    # What the encoding lacks is escaped as JSON has it; table_output's own escapes would be no JSON.
    ascii_only = not codecs.lookup(output.encoding or "utf-8").name.startswith("utf")
    table = csv.writer(output, delimiter="\t", lineterminator="\n")

    def write_tsv(name: str, detection: Detection) -> None:
        times = (f"{detection.onset_s:.3f}", f"{detection.offset_s:.3f}")
        table.writerow([name, *times, detection.label, f"{detection.score:.4f}"])
        output.flush()

    def write_jsonl(name: str, detection: Detection) -> None:
        times = (round(detection.onset_s, 3), round(detection.offset_s, 3))
        values = (name, *times, detection.label, round(detection.score, 4))
        line = json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=ascii_only)
        print(line, file=output, flush=True)

    if format_name == "jsonl":
        return write_jsonl
    table.writerow(COLUMNS)
    output.flush()
    return write_tsv


def _duration_s(path: Path) -> float:
    try:
        return probe(path).duration_s
    except AudioError:
        return 0.0  # reported when its turn comes


def _report_overflow() -> None:
    _say("sound was lost: this machine is too slow for the model, or was busy")


def _say(text: str) -> None:
    print(f"kwsembed detect: {text}", file=sys.stderr, flush=True)
