"""Opens the exported page in Chromium and compares what it scores and detects with this package.

    python -m checks.web RUN/bundle --work DIR --audio EVENTS.wav [MORE ...]

The files are joined, with a second of silence between, into one recording of 48 kHz, so that the page has to
resample. The page gets it twice: as a file, and through Chromium's stand-in for a microphone. Needs npm,
Node.js and Chromium (`apt-get install npm chromium`); npm packages go to DIR and are kept for the next time.
Exits 1 where page and package differ:

- scores: of the very windows that the page judged, and of those that this package cuts from the file;
- file: the same events as `kwsembed detect`, to the hop, but for those at the edge of their thresholds;
- microphone: the events of `kwsembed detect` on the samples that the page heard, and on the recording,
  wherever its windows start, but for the same;
- the page asked another server for something, raised an error, or does not fit a phone.
"""

from __future__ import annotations

import argparse
import base64
import functools
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from checks.client_table import OTHER_FLOAT_KERNELS
from checks.edge import Event, at_edge, match, unmatched
from checks.web_client import npm_packages
from checks.web_visit import served, visit_page
from export.web import export_web
from kwsembed.audio import wav
from kwsembed.audio.decode import find_audio, read
from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.runtime import Classifier, Detector
from kwsembed.runtime.windows import WindowBuffer

RATE_HZ = 48000
SILENCE_S = 1.0
# WebAssembly and LiteRT run the same int8 kernels: scores agree to some 1e-6. Their float front ends differ
# in the last bit, and where that takes a value across the border of an int8 step, in one to four windows of a
# hundred, its scores move: 0.059 was seen.
TOLERANCE_OF_HALF, TOLERANCE_OF_MOST, TOLERANCE = 1e-5, OTHER_FLOAT_KERNELS["p99"], 0.1
# The page's resampler adds in another order than NumPy's.
SAMPLE_TOLERANCE = 2e-6
COLLAR_S = 0.5  # between an event in the recording and the same one at the microphone
OPENING_S = 3.0  # the stand-in starts to play before the page listens, at most so long
PHONE_PX = 360
METRICS = "odml.pa.googleapis.com"  # where MediaPipe would send its usage metrics, a minute after it starts


def main() -> int:
    """Checks the page; prints a line for each comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="run directory or bundle folder")
    parser.add_argument("--work", type=Path, required=True, help="for npm packages, page and screenshots")
    parser.add_argument("--audio", nargs="+", required=True, help="files in which something is detected")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="its executable")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    packages = npm_packages(work / "npm")
    page = export_web(arguments.bundle, work / "page", packages=packages)
    inside = arguments.bundle / "bundle"
    bundle = Bundle.load(inside if inside.exists() else arguments.bundle)
    recording = work / "recording.wav"
    samples = _joined(arguments.audio)
    wav.write(recording, samples, RATE_HZ)
    samples, _ = read(recording)  # as every reader gets it

    with served(page) as url:
        visit = functools.partial(
            visit_page, url, packages=packages, chromium=arguments.chromium, screenshots=work
        )
        by_file = visit("file", file=str(recording))
        by_microphone = visit(
            "microphone",
            microphone=str(recording),
            listenS=len(samples) / RATE_HZ + OPENING_S,
            width=PHONE_PX,
            colourScheme="dark",
        )

    problems = _page_problems("file", by_file, url) + _page_problems("microphone", by_microphone, url)
    classifier = Classifier(bundle)
    print(f"Chromium {by_file['browser']} compared with {classifier.runtime}")
    problems += _scores("file", by_file, classifier) + _scores("microphone", by_microphone, classifier)
    problems += _file(by_file, samples, bundle)
    problems += _microphone(by_microphone, samples, bundle)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return int(bool(problems))


def _page_problems(name: str, answer: dict[str, Any], url: str) -> list[str]:
    elsewhere = [request for request in answer["requests"] if not request.startswith(url)]
    problems = [f"{name}: {problem}" for problem in answer["problems"]]
    problems += [f"{name}: asked for {request}" for request in elsewhere]
    refused = sorted(set(answer["refused"]))
    if refused:
        print(f"{name}: the page refused to connect to {', '.join(refused)}")
    problems += [f"{name}: refused {uri}" for uri in refused if METRICS not in uri]
    if not answer["hops"]:
        problems.append(f"{name}: nothing was judged; the page says: {answer['status']}")
    if answer["wide"]:
        problems.append(f"{name}: wider than its window")
    if answer["rows"] != len(answer["detections"]):
        problems.append(f"{name}: lists {answer['rows']} of {len(answer['detections'])} detections")
    print(f"{name}: {len(answer['hops'])} windows, the page says: {answer['status']}")
    return problems


def _scores(name: str, answer: dict[str, Any], classifier: Classifier) -> list[str]:
    """The page's scores against ours of the very same windows."""
    wanted = classifier.score_windows(_windows(answer))
    differences = np.abs(np.array([hop["scores"] for hop in answer["hops"]]) - wanted).max(axis=1)
    half, most = np.quantile(differences, [0.5, 0.99])
    print(
        f"{name}: scores of {len(wanted)} windows: median difference {half:.2g}, "
        f"99 % within {most:.2g}, at most {differences.max():.2g}"
    )
    agree = half <= TOLERANCE_OF_HALF and most <= TOLERANCE_OF_MOST and differences.max() <= TOLERANCE
    return [] if agree else [f"{name}: scores differ by more than rounding"]


def _file(answer: dict[str, Any], samples: np.ndarray, bundle: Bundle) -> list[str]:
    cut = WindowBuffer(bundle.window_samples, bundle.hop_samples)
    at_model_rate = resample(samples, RATE_HZ, bundle.sample_rate_hz)
    windows = np.concatenate([cut.process(at_model_rate), cut.flush()])
    heard = _windows(answer)
    if heard.shape != windows.shape:
        return [f"file: windows {heard.shape}, here {windows.shape}"]
    difference = np.abs(heard - windows).max()
    print(f"file: samples differ by at most {difference:.2g}, allowed {SAMPLE_TOLERANCE:g}")
    problems = [] if difference <= SAMPLE_TOLERANCE else ["file: samples differ"]
    return problems + _same("file", _theirs(answer), _ours(samples, RATE_HZ, bundle), bundle)


def _microphone(answer: dict[str, Any], samples: np.ndarray, bundle: Bundle) -> list[str]:
    hop = bundle.hop_samples
    windows = _windows(answer)
    heard = np.concatenate([*windows[:-1, :hop], windows[-1]])
    problems = _same(
        "microphone, what was heard", _theirs(answer), _ours(heard, bundle.sample_rate_hz, bundle), bundle
    )
    # Its windows start somewhere in the recording, so it must find what is surely found wherever they start,
    # and surely find nothing that is found nowhere.
    steps = 4
    by_start = []
    for step in range(steps):
        lead_s = step * bundle.post.hop_s / steps
        lead = np.zeros(round(lead_s * RATE_HZ), np.float32)
        by_start.append(_moved(_ours(np.concatenate([lead, samples]), RATE_HZ, bundle), -lead_s))
    shift_s = _shift_s(heard, resample(samples, RATE_HZ, bundle.sample_rate_hz), bundle.sample_rate_hz)
    got = _moved(_theirs(answer), shift_s)
    sure = [event for event in by_start[0] if all(_surely(event, others, bundle) for others in by_start)]
    missed = unmatched(sure, got, bundle.thresholds, collar_s=COLLAR_S)
    anywhere = [event for events in by_start for event in events]
    invented = unmatched(got, anywhere, bundle.thresholds, collar_s=COLLAR_S)
    print(
        f"microphone: began {shift_s:.2f} s into the recording; "
        f"{len(sure) - len(missed)} of {len(sure)} sure events found, {len(invented)} invented"
    )
    if not sure:
        problems.append(
            "microphone: the recording holds nothing that is surely detected wherever windows start"
        )
    problems += [f"microphone: missed {event}" for event in missed]
    return problems + [f"microphone: invented {event}" for event in invented]


def _surely(event: Event, others: list[Event], bundle: Bundle) -> bool:
    found = match(event, others, collar_s=COLLAR_S)
    return found is not None and not at_edge(found, bundle.thresholds)


def _same(name: str, got: list[Event], wanted: list[Event], bundle: Bundle) -> list[str]:
    hop_s = bundle.post.hop_s
    pairs = [
        (event, other) for event in got if (other := match(event, wanted, collar_s=hop_s / 2)) is not None
    ]
    print(f"{name}: {len(got)} detections, by kwsembed {len(wanted)}, {len(pairs)} of them the same")
    missed = unmatched(wanted, got, bundle.thresholds, collar_s=hop_s / 2)
    invented = unmatched(got, wanted, bundle.thresholds, collar_s=hop_s / 2)
    problems = [f"{name}: missed {event}" for event in missed]
    problems += [f"{name}: invented {event}" for event in invented]
    if len({other for _, other in pairs}) < len(pairs):
        problems.append(f"{name}: one event is detected twice: {got}")
    if not pairs:
        return [*problems, f"{name}: nothing was detected, so nothing is proved"]
    late_s = max(max(abs(g.onset_s - w.onset_s), abs(g.offset_s - w.offset_s)) for g, w in pairs)
    off = max(abs(g.score - w.score) for g, w in pairs)
    print(f"{name}: times differ by at most {late_s:.2g} s, scores by {off:.2g}")
    agree = late_s <= hop_s + 1e-6 and off <= TOLERANCE
    return problems if agree else [*problems, f"{name}: detections differ"]


def _theirs(answer: dict[str, Any]) -> list[Event]:
    return [Event(d["label"], d["onsetS"], d["offsetS"], d["score"]) for d in answer["detections"]]


def _ours(samples: np.ndarray, rate_hz: int, bundle: Bundle) -> list[Event]:
    detector = Detector(bundle, rate_hz)
    found = detector.process(samples) + detector.flush()
    return [Event(one.label, one.onset_s, one.offset_s, one.score) for one in found]


def _moved(events: list[Event], by_s: float) -> list[Event]:
    return [event._replace(onset_s=event.onset_s + by_s, offset_s=event.offset_s + by_s) for event in events]


def _shift_s(heard: np.ndarray, recording: np.ndarray, rate_hz: int) -> float:
    """Where in the recording the microphone began, by the highest correlation."""
    size = 1 << (len(heard) + len(recording)).bit_length()
    product = np.fft.irfft(np.fft.rfft(recording, size) * np.conj(np.fft.rfft(heard, size)), size)
    at = int(np.argmax(product))
    return (at if at < size // 2 else at - size) / rate_hz


def _windows(answer: dict[str, Any]) -> np.ndarray:
    return np.stack([np.frombuffer(base64.b64decode(hop["window"]), np.float32) for hop in answer["hops"]])


def _joined(audio: list[str]) -> np.ndarray:
    silence = np.zeros(round(SILENCE_S * RATE_HZ), np.float32)
    parts = [silence]
    for path in find_audio(audio):
        samples, rate_hz = read(path)
        parts += [resample(samples, rate_hz, RATE_HZ), silence]
    return np.clip(np.concatenate(parts), -1, 1)


if __name__ == "__main__":
    sys.exit(main())
